"""What can be learnt about a customer's money, cards and tries, in our own words. Frozen; instants are UTC.

Promise: a fact may come twice and in any order; what follows from all of them is the same.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple
from uuid import UUID

from recoup_declines import DeclineClass, DefaultAction, lookup
from recoup_events.values import (
    AttemptState,
    Attribution,
    CardChange,
    FinalActionOutcome,
    InvoiceStatus,
    ReversalKind,
    SettledBy,
    SubscriptionStatus,
)
from recoup_retry_scheduler.rules.schemes import scheme_of


class Owner(NamedTuple):
    """Whose fact it is: a customer of one gateway account of one merchant."""

    merchant_id: str
    account_id: str
    customer_id: str


@dataclass(frozen=True, slots=True)
class Card:
    """One edition of a card or mandate: the same card with another expiry is another edition."""

    instrument_id: str
    kind: str = "card"
    brand: str | None = None
    funding: str | None = None
    country: str | None = None
    fingerprint: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None

    @property
    def scheme(self) -> str | None:
        """Its brand, or of a bank mandate its kind, as rules know them."""
        return self.kind if scheme_of("", self.kind) else self.brand

    @property
    def mark(self) -> str:
        """What is the same for the same card wherever it was entered: its fingerprint, else its own id."""
        return self.fingerprint or self.instrument_id

    @property
    def expiry(self) -> str:
        """`2027-03`, or "" where it is not known or there is none."""
        return f"{self.exp_year}-{self.exp_month:02}" if self.exp_year and self.exp_month else ""

    def is_same_card(self, other: "Card") -> bool:
        """Whether both have one number; their expiry may differ."""
        return self.instrument_id == other.instrument_id or self.mark == other.mark

    def is_same_edition(self, other: "Card") -> bool:
        """Whether both are one card with one expiry; one that is not known is taken for the same: that is safe."""
        mine, theirs = self.expiry, other.expiry
        return self.is_same_card(other) and (mine == theirs or not mine or not theirs)


@dataclass(frozen=True, slots=True)
class Bill:
    """An invoice as a failure told it. `owed` in minor units is what was due then."""

    invoice_id: str
    owed: int
    currency: str
    number: str | None = None
    subscription_id: str | None = None
    collection: str = "unknown"
    next_gateway_try_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decline, classified, with the codes that it was told by: the rules read those themselves.

    `meaning` is for the merchant, never for a customer when `masked`. Facts kept by an earlier release lack all codes
    but the gateway's own.
    """

    code: str | None
    decline_class: DeclineClass
    action: DefaultAction
    masked: bool
    meaning: str
    advice: str | None = None
    network_code: str | None = None
    network_advice: str | None = None

    @property
    def kills(self) -> bool:
        """Whether this card must never be charged again, for any invoice, until it has another expiry or number."""
        return self.action in _DEADLY and self.decline_class is not DeclineClass.DUPLICATE

    @property
    def kills_for_good(self) -> bool:
        """Whether another expiry does not revive it either: revoked, stolen, closed, blocked."""
        return self.kills and (
            self.action is DefaultAction.NEVER_RETRY or self.decline_class in _OF_THE_NUMBER
        )


_DEADLY = frozenset({DefaultAction.NEEDS_NEW_CARD, DefaultAction.NEVER_RETRY})
_OF_THE_NUMBER = frozenset(
    {
        DeclineClass.ACCOUNT_CLOSED,
        DeclineClass.CARD_LOST_OR_STOLEN,
        DeclineClass.MANDATE_INVALID,
        DeclineClass.REVOKED_AUTHORIZATION,
    }
)

RETURNED: Final = Verdict(
    "bank_return",
    DeclineClass.UNKNOWN,
    DefaultAction.RETRY_SCHEDULED,
    masked=False,
    meaning="the bank returned it",
)


@lru_cache(maxsize=4096)
def judge(  # noqa: PLR0913  # a decline has six codes
    gateway: str,
    code: str | None,
    advice: str | None,
    brand: str | None,
    network_code: str | None,
    network_advice: str | None,
    *,
    requires_authentication: bool,
) -> Verdict:
    """Classify a decline; a gateway's own request for authentication counts unless a code forbids the card."""
    found = lookup(
        gateway, code, advice=advice, brand=brand, network_code=network_code, network_advice=network_advice
    )
    action, reason = found.default_action, found.decline_class
    if requires_authentication and action not in _DEADLY:
        action, reason = DefaultAction.NEEDS_CUSTOMER_AUTHENTICATION, DeclineClass.AUTHENTICATION_REQUIRED
    return Verdict(
        code,
        reason,
        action,
        masked=found.masked,
        meaning=found.meaning,
        advice=advice,
        network_code=network_code,
        network_advice=network_advice,
    )


@dataclass(frozen=True, slots=True)
class Failed:
    """A charge failed. `opens`: a renewal's, with its bill; every one counts towards network limits."""

    owner: Owner
    fact_id: UUID
    at: datetime
    gateway: str
    opens: bool
    bill: Bill | None
    charge_id: str | None
    amount: int
    currency: str
    card: Card | None
    verdict: Verdict
    attributed_to: Attribution = Attribution.UNKNOWN
    try_id: UUID | None = None

    @property
    def counts(self) -> bool:
        """Whether a charge was made at all."""
        return self.verdict.action is not DefaultAction.NOT_A_DECLINE


@dataclass(frozen=True, slots=True)
class Succeeded:
    """Money came in, or the invoice was settled without a charge."""

    owner: Owner
    fact_id: UUID
    at: datetime
    invoice_id: str | None
    charge_id: str | None
    payment_intent_id: str | None
    amount: int
    currency: str
    card: Card | None
    settled_by: SettledBy
    attributed_to: Attribution
    try_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge of a customer, as the mind learns from it. `declined`: its class, or None where it passed."""

    at: datetime
    fact_id: UUID
    invoice_id: str | None
    declined: DeclineClass | None
    funding: str | None


def charge_of(fact: Failed | Succeeded) -> Charge | None:
    """Read a payment's outcome as a charge; None where nobody was charged."""
    funding = fact.card.funding if fact.card else None
    match fact:
        case Failed() if fact.counts:
            invoice_id = fact.bill.invoice_id if fact.bill else None
            return Charge(fact.at, fact.fact_id, invoice_id, fact.verdict.decline_class, funding)
        case Succeeded() if fact.settled_by is SettledBy.CHARGE:
            return Charge(fact.at, fact.fact_id, fact.invoice_id, None, funding)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Reversed:
    """Money went back. `payable_again`: the gateway takes a new charge for the same invoice."""

    owner: Owner
    fact_id: UUID
    at: datetime
    kind: ReversalKind
    charge_id: str | None
    invoice_id: str | None
    amount: int
    payable_again: bool

    @property
    def reopens(self) -> bool:
        """Whether the invoice is owed again and may be tried."""
        return self.kind is ReversalKind.BANK_RETURN and self.payable_again


@dataclass(frozen=True, slots=True)
class CardChanged:
    """An instrument changed. `settling`: invoices that the card session charges by itself."""

    owner: Owner
    at: datetime
    card: Card
    change: CardChange
    settling: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttemptMoved:
    """What became of a charge attempt, ours when it has a `try_id`. `revision` grows with each word about it."""

    owner: Owner
    at: datetime
    invoice_id: str
    state: AttemptState
    reason: str
    revision: int
    try_id: UUID | None


@dataclass(frozen=True, slots=True)
class FinalActionSettled:
    """What became of the final action that we asked for."""

    owner: Owner
    at: datetime
    case_id: UUID
    invoice_id: str
    outcome: FinalActionOutcome
    detail: str | None


@dataclass(frozen=True, slots=True)
class InvoiceSeen:
    """An invoice as it was at `at`; a lower version than one known says nothing."""

    owner: Owner
    at: datetime
    invoice_id: str
    version: int
    status: InvoiceStatus


@dataclass(frozen=True, slots=True)
class SubscriptionSeen:
    """A subscription as it was; a lower version than one known says nothing."""

    owner: Owner
    subscription_id: str
    version: int
    status: SubscriptionStatus


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """The merchant wants this customer's open cases to follow a newer policy, which their book has."""

    owner: Owner


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The case's timer went off and is gone."""

    owner: Owner
    case_id: UUID


Fact = (
    Failed
    | Succeeded
    | Reversed
    | CardChanged
    | AttemptMoved
    | FinalActionSettled
    | InvoiceSeen
    | SubscriptionSeen
    | PolicyChanged
    | TimerFired
)
