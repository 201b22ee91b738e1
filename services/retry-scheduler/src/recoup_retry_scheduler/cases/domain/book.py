"""All that is known of one customer: facts as sets, and the cases that follow from them.

Promise: `learn` is commutative and idempotent; it decides nothing.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never
from uuid import UUID

from recoup_events.values import (
    AttemptState,
    Attribution,
    FinalActionOutcome,
    InvoiceStatus,
    SubscriptionStatus,
    TryKind,
)
from recoup_retry_scheduler.cases.domain.cards import Wallet, edition_of_change, edition_of_failure
from recoup_retry_scheduler.cases.domain.case import Case, Policy
from recoup_retry_scheduler.cases.domain.facts import (
    RETURNED,
    AttemptMoved,
    Card,
    CardChanged,
    Charge,
    Fact,
    Failed,
    FinalActionSettled,
    InvoiceSeen,
    Owner,
    PolicyChanged,
    Reversed,
    SubscriptionSeen,
    Succeeded,
    TimerFired,
    Verdict,
    charge_of,
)

GOING_ON = frozenset(
    {
        AttemptState.PLANNED,
        AttemptState.SENDING,
        AttemptState.PENDING,
        AttemptState.REQUIRES_ACTION,
        AttemptState.UNKNOWN,
    }
)
"""States of an attempt whose outcome is still to come."""

LASTING = frozenset({AttemptState.PENDING, AttemptState.REQUIRES_ACTION, AttemptState.UNKNOWN})
"""Those of them that are worth telling."""

SLOW = frozenset({AttemptState.PENDING, AttemptState.UNKNOWN})
"""Those of them that last for hours or days."""

MOST_CHARGES = 50
"""Charges of a customer that a choice follows from: the newest."""

READ_INSTEAD = {
    "invoice_paid": InvoiceStatus.PAID,
    "payment_succeeded": InvoiceStatus.PAID,
    "nothing_owed": InvoiceStatus.PAID,
    "invoice_void": InvoiceStatus.VOID,
    "invoice_uncollectible": InvoiceStatus.UNCOLLECTIBLE,
}
"""What the adapter read when it re-read the invoice before a charge and therefore did not send it."""


@dataclass(frozen=True, slots=True)
class InvoiceFacts:
    """What is known of an invoice besides its charges.

    `held_at`: the last word that somebody else is charging it (a card session, pay now), `held_state` which;
    `released_at`: the last word that such a charge ended. It is being charged while the former is the later.
    """

    invoice_id: str
    version: int = -1
    status: InvoiceStatus = InvoiceStatus.UNKNOWN
    held_at: datetime | None = None
    held_state: AttemptState = AttemptState.UNKNOWN
    released_at: datetime | None = None

    @property
    def held(self) -> bool:
        """Whether somebody else is charging this invoice now."""
        return self.held_at is not None and (self.released_at is None or self.released_at < self.held_at)


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """A subscription's newest known status."""

    subscription_id: str
    version: int = -1
    status: SubscriptionStatus = SubscriptionStatus.UNKNOWN


@dataclass(frozen=True, slots=True)
class Decline:
    """A failure as a case looks at it; a payment that the bank returned is one too."""

    at: datetime
    fact_id: UUID
    card: Card | None
    verdict: Verdict


def _by_code_last(decline: Decline) -> tuple[datetime, bool, UUID]:
    return decline.at, decline.verdict.code is not None, decline.fact_id


@dataclass(slots=True)
class Book:
    """One customer's facts and cases.

    `policy`: of cases to come; `open_policy`: the newest that open cases are to follow as well. `zone`: the merchant's.
    `held`: something of theirs is in quarantine, so nothing is sent. `past`: charges known from before, in mode smart.
    """

    owner: Owner
    policy: Policy = field(default_factory=Policy)
    open_policy: Policy | None = None
    zone: str = "UTC"
    held: bool = False
    past: dict[UUID, Charge] = field(default_factory=dict)
    cases: dict[UUID, Case] = field(default_factory=dict)
    wallet: Wallet = field(default_factory=Wallet)
    failures: dict[UUID, Failed] = field(default_factory=dict)
    successes: dict[UUID, Succeeded] = field(default_factory=dict)
    reversals: dict[UUID, Reversed] = field(default_factory=dict)
    invoices: dict[str, InvoiceFacts] = field(default_factory=dict)
    subscriptions: dict[str, SubscriptionFacts] = field(default_factory=dict)
    declines: dict[str, dict[UUID, datetime]] = field(default_factory=lambda: defaultdict(dict))
    """When a card was declined, by its mark and the fact, whoever's it is within the merchant, for as long as a
    network counts."""
    attempts: list[AttemptMoved] = field(default_factory=list)
    finals: dict[UUID, FinalActionSettled] = field(default_factory=dict)
    fired: set[UUID] = field(default_factory=set)
    new: list[Failed | Succeeded | Reversed] = field(default_factory=list)
    changed_invoices: set[str] = field(default_factory=set)
    changed_subscriptions: set[str] = field(default_factory=set)

    def learn(self, fact: Fact) -> None:
        """Add a fact to what is known."""
        match fact:
            case Failed():
                self._failed(fact)
            case Succeeded():
                self._succeeded(fact)
            case Reversed():
                self._reversed(fact)
            case CardChanged():
                self._card(fact)
            case AttemptMoved():
                self._attempt(fact)
            case FinalActionSettled():
                self._final(fact)
            case InvoiceSeen():
                self._invoice(fact)
            case SubscriptionSeen():
                self._subscription(fact)
            case PolicyChanged() | TimerFired():
                self._woken(fact)
            case _:
                assert_never(fact)

    def failures_of(self, invoice_id: str) -> list[Failed]:
        """Give an invoice's failed charges that open a case, oldest first; API errors are none."""
        failed = [
            failure
            for failure in self.failures.values()
            if failure.bill and failure.bill.invoice_id == invoice_id and failure.opens and failure.counts
        ]
        return sorted(failed, key=lambda failure: (failure.at, failure.fact_id))

    def declines_of(self, invoice_id: str, failures: list[Failed] | None = None) -> list[Decline]:
        """Give an invoice's declines, oldest first; returned payments among them, API errors not.

        One that was told without its code, and again with it, counts by its code.
        """
        failed = [
            Decline(f.at, f.fact_id, f.card, f.verdict) for f in failures or self.failures_of(invoice_id)
        ]
        if not self.reversals:
            return sorted(failed, key=_by_code_last)
        by_charge = {s.charge_id: s for s in self.successes_of(invoice_id) if s.charge_id}
        for back in self.reversals_of(invoice_id):
            success = by_charge.get(back.charge_id) if back.charge_id else None
            if back.reopens and success is not None:
                failed.append(Decline(back.at, back.fact_id, success.card, RETURNED))
        return sorted(failed, key=_by_code_last)

    def successes_of(self, invoice_id: str) -> list[Succeeded]:
        """Give what came in for an invoice."""
        return [success for success in self.successes.values() if success.invoice_id == invoice_id]

    def reversals_of(self, invoice_id: str) -> list[Reversed]:
        """Give what went back of an invoice, also where only the charge was named."""
        if not self.reversals:
            return []
        charges = {success.charge_id for success in self.successes_of(invoice_id)} - {None}
        return [
            back
            for back in self.reversals.values()
            if back.invoice_id == invoice_id or (back.invoice_id is None and back.charge_id in charges)
        ]

    def invoice(self, invoice_id: str) -> InvoiceFacts:
        """Give what is known of an invoice besides its charges."""
        return self.invoices.get(invoice_id) or InvoiceFacts(invoice_id)

    def subscription_status(self, subscription_id: str | None) -> SubscriptionStatus:
        """Give a subscription's newest known status."""
        known = self.subscriptions.get(subscription_id or "")
        return known.status if known else SubscriptionStatus.UNKNOWN

    def release(self, invoice_id: str, at: datetime) -> None:
        """Note that nobody else charges an invoice any more."""
        known = self.invoice(invoice_id)
        if known.released_at is None or known.released_at < at:
            self._put(replace(known, released_at=at))

    def spent(self, card: Card) -> list[datetime]:
        """Give when a card was declined, and when each try on it was asked for that is not settled."""
        asked = [
            case.trying.asked_at
            for case in self.cases.values()
            if case.trying and case.trying.card and case.trying.card.is_same_card(card)
        ]
        return [*self.declines.get(card.mark, {}).values(), *asked]

    @property
    def smart(self) -> bool:
        """Whether a choice may be asked for: by a case, one that is opened, or one that follows a newer policy."""
        policies = [self.policy, *(case.policy for case in self.cases.values())]
        if self.open_policy is not None and self.cases:
            policies.append(self.open_policy)
        return any(policy.smart for policy in policies)

    def charges(self) -> tuple[Charge, ...]:
        """Give the customer's newest charges, oldest first, each once."""
        facts: list[Failed | Succeeded] = [*self.failures.values(), *self.successes.values()]
        known = self.past | {c.fact_id: c for c in map(charge_of, facts) if c is not None}
        return tuple(sorted(known.values(), key=lambda one: (one.at, one.fact_id))[-MOST_CHARGES:])

    def is_settling_a_new_card(self) -> bool:
        """Whether a new card is being charged for one of this customer's invoices."""
        return any(
            not case.closed
            and (
                (case.trying is not None and case.trying.kind is TryKind.NEW_CARD)
                or self.invoice(case.bill.invoice_id).held
            )
            for case in self.cases.values()
        )

    def _failed(self, fact: Failed) -> None:
        if fact.fact_id in self.failures:
            return
        self.failures[fact.fact_id] = fact
        self.new.append(fact)
        if fact.card is not None and fact.counts:
            self.wallet.learn(edition_of_failure(fact, fact.card))
            self.declines[fact.card.mark][fact.fact_id] = fact.at
        if fact.bill is not None and fact.attributed_to in {Attribution.CUSTOMER, Attribution.UNKNOWN}:
            self.release(fact.bill.invoice_id, fact.at)

    def _succeeded(self, fact: Succeeded) -> None:
        if fact.fact_id not in self.successes:
            self.successes[fact.fact_id] = fact
            self.new.append(fact)

    def _reversed(self, fact: Reversed) -> None:
        if fact.fact_id not in self.reversals:
            self.reversals[fact.fact_id] = fact
            self.new.append(fact)

    def _card(self, fact: CardChanged) -> None:
        self.wallet.learn(edition_of_change(fact))
        for invoice_id in fact.settling:
            self._hold(invoice_id, fact.at, AttemptState.SENDING)

    def _subscription(self, fact: SubscriptionSeen) -> None:
        known = self.subscriptions.get(fact.subscription_id, SubscriptionFacts(fact.subscription_id))
        if fact.version > known.version:
            newer = replace(known, version=fact.version, status=fact.status)
            self.subscriptions[fact.subscription_id] = newer
            self.changed_subscriptions.add(fact.subscription_id)

    def _attempt(self, fact: AttemptMoved) -> None:
        read = READ_INSTEAD.get(fact.reason) if fact.state is AttemptState.NOT_SENT else None
        if read is not None:
            self._read(fact.invoice_id, read)
        if fact.try_id is not None:
            self.attempts.append(fact)
        elif fact.state in GOING_ON:
            self._hold(fact.invoice_id, fact.at, fact.state)
        else:
            self.release(fact.invoice_id, fact.at)

    def _final(self, fact: FinalActionSettled) -> None:
        if fact.outcome is not FinalActionOutcome.UNKNOWN:
            self.finals[fact.case_id] = fact
        if fact.outcome is FinalActionOutcome.OVERTAKEN and fact.detail == "invoice_paid":
            self._read(fact.invoice_id, InvoiceStatus.PAID)

    def _read(self, invoice_id: str, status: InvoiceStatus) -> None:
        known = self.invoice(invoice_id)
        if known.status is not status:
            self._put(replace(known, status=status))

    def _hold(self, invoice_id: str, at: datetime, state: AttemptState) -> None:
        known = self.invoice(invoice_id)
        mark = (known.held_at, known.held_state) if known.held_at else None
        if mark is None or (at, state) > mark:
            self._put(replace(known, held_at=at, held_state=state))

    def _invoice(self, fact: InvoiceSeen) -> None:
        known = self.invoice(fact.invoice_id)
        if fact.version > known.version:
            self._put(replace(known, version=fact.version, status=fact.status))

    def _woken(self, fact: PolicyChanged | TimerFired) -> None:
        if isinstance(fact, TimerFired):
            self.fired.add(fact.case_id)

    def _put(self, facts: InvoiceFacts) -> None:
        self.invoices[facts.invoice_id] = facts
        self.changed_invoices.add(facts.invoice_id)


Books = dict[Owner, Book]


def learn_all(books: Books, facts: Iterable[Fact]) -> None:
    """Add facts to their owners' books; every owner has one."""
    for fact in facts:
        books[fact.owner].learn(fact)
