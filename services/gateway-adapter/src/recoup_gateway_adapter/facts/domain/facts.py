"""What happened, as far as this service tells it: the facts, and what they wait for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from recoup_events.values import Attribution, CardChange, FailureNature, ReversalKind, SettledBy
from recoup_gateway_adapter.gateways.contract import Decline, Instrument, Invoice, Money

GUEST = "guest:"
"""Before a charge's id: the customer of a charge that has none, so that its try still counts on its card."""


@dataclass(frozen=True, slots=True)
class InvoiceRef:
    """The invoice that a payment was for; `invoice` is None where the gateway would not show it."""

    invoice_id: str
    invoice: Invoice | None


@dataclass(frozen=True, slots=True)
class PaymentFailed:
    """A payment failed. `identity` names the fact: the charge, or else invoice and attempt."""

    identity: str
    at: datetime
    customer_id: str
    nature: FailureNature
    invoice: InvoiceRef | None
    charge_id: str | None
    payment_intent_id: str | None
    amount: Money
    instrument: Instrument | None
    decline: Decline
    attributed_to: Attribution
    try_id: UUID | None


@dataclass(frozen=True, slots=True)
class PaymentSucceeded:
    """Money came in, or an invoice was settled without a charge."""

    identity: str
    at: datetime
    customer_id: str
    invoice: InvoiceRef | None
    charge_id: str | None
    payment_intent_id: str | None
    amount: Money
    instrument: Instrument | None
    settled_by: SettledBy
    attributed_to: Attribution
    try_id: UUID | None


@dataclass(frozen=True, slots=True)
class PaymentReversed:
    """Money went back. `payable_again`: the gateway takes a new charge for the same invoice."""

    reversal_id: str
    at: datetime
    customer_id: str
    kind: ReversalKind
    charge_id: str
    invoice_id: str | None
    amount: Money
    payable_again: bool


@dataclass(frozen=True, slots=True)
class CardChanged:
    """An instrument changed."""

    at: datetime
    customer_id: str
    instrument: Instrument
    change: CardChange
    card_session_id: str | None = None
    settling: tuple[str, ...] = ()


Fact = PaymentFailed | PaymentSucceeded | PaymentReversed | CardChanged


class JoinKind(StrEnum):
    """What a fact waits for, or what is worth asking for."""

    CHARGE = "charge"
    """A charge without its invoice, an invoice's without itself."""
    FAILURE = "failure"
    """A failed collection without its charge."""
    PAID = "paid"
    """A paid invoice without the charge that paid it."""
    INTENT = "intent"
    """A succeeded payment intent without its charge."""
    REVERSAL = "reversal"
    """Money that went back, without the charge that brought it."""
    REFUNDS = "refunds"
    """A refunded charge without its refunds."""
    INSTRUMENT = "instrument"
    """A change of an instrument that waits for its owner, or for a card session to end."""
    CUSTOMER = "customer"
    """A customer who is to be spoken to and was never seen."""
    SUBSCRIPTION = "subscription"
    """A subscription that is failing and was never seen."""


AT_ONCE = frozenset({JoinKind.CUSTOMER, JoinKind.SUBSCRIPTION})
"""No twin would tell these."""


@dataclass(frozen=True, slots=True, order=True)
class Join:
    """A wait for what is missing around one object."""

    kind: JoinKind
    subject: str


class Attempt(Protocol):
    """What attribution needs of one of our own charge attempts."""

    @property
    def try_id(self) -> UUID | None:
        """The scheduler's try, where it asked for this attempt."""

    @property
    def customer_present(self) -> bool:
        """Made on our page, not by the ladder."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known from elsewhere while facts are drawn.

    Args:
        attempts: ours, by idempotency key and by charge id.
        choosing: customers with an open card session: their new card is told with what it settles.
        settling: by instrument, the card session that brought it and the invoices which that session charges itself.
        settle: joins that have waited long enough: tell with what is known.
        unanswered: those of them of which the gateway said nothing, neither what there is nor that there is none.
    """

    attempts: Mapping[str, Attempt] = field(default_factory=dict)
    choosing: frozenset[str] = frozenset()
    settling: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    settle: frozenset[Join] = frozenset()
    unanswered: frozenset[Join] = frozenset()


@dataclass(slots=True)
class Consequences:
    """What follows: facts to tell, joins to wait for, joins that are done."""

    facts: list[Fact] = field(default_factory=list)
    waits: set[Join] = field(default_factory=set)
    done: set[Join] = field(default_factory=set)

    def found(self, kind: JoinKind, subjects: Iterable[str]) -> None:
        """Note that these are known now."""
        self.done.update(Join(kind, subject) for subject in subjects)
