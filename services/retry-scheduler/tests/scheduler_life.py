"""A customer's life, told fact by fact: the pure domain driven as the service drives it, without a database."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from recoup_events.values import (
    AttemptState,
    Attribution,
    CardChange,
    FinalActionOutcome,
    InvoiceStatus,
    ReversalKind,
    SettledBy,
    SubscriptionStatus,
    fact_id,
)
from recoup_retry_scheduler.cases.domain import facts as f
from recoup_retry_scheduler.cases.domain.book import Book
from recoup_retry_scheduler.cases.domain.case import Case, Policy
from recoup_retry_scheduler.cases.domain.choosing import Choose, evenly
from recoup_retry_scheduler.cases.domain.decisions import Announcement, Changed, FinalAsked, TryAsked
from recoup_retry_scheduler.cases.domain.fold import fold
from recoup_retry_scheduler.cases.domain.settle import Now

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
OWNER = f.Owner("m_1", "acct_1", "cus_1")


def days(number: float) -> timedelta:
    """So many days."""
    return timedelta(days=number)


def hours(number: float) -> timedelta:
    """So many hours."""
    return timedelta(hours=number)


def minutes(number: float) -> timedelta:
    """So many minutes."""
    return timedelta(minutes=number)


def card(
    name: str = "old",
    *,
    brand: str = "visa",
    year: int = 2027,
    number: str | None = None,
    country: str | None = None,
) -> f.Card:
    """A card; `number` names what makes two of them the same."""
    return f.Card(
        f"pm_{name}",
        brand=brand,
        country=country,
        fingerprint=f"fp_{number or name}",
        exp_month=3,
        exp_year=year,
    )


def mandate(kind: str, country: str | None = None) -> f.Card:
    """A mandate of a bank scheme."""
    return f.Card("pm_mandate", kind=kind, country=country, fingerprint="fp_mandate")


OLD, NEW = card("old"), card("new")


@dataclass
class Life:
    """One customer of one merchant. The real clock runs beside the merchant's, 100 days ahead."""

    policy: Policy = field(default_factory=Policy)
    now: datetime = T0
    choose: Choose = evenly
    book: Book = field(init=False)
    said: list[Announcement] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.book = Book(OWNER, policy=self.policy)

    # --- what can be told ---------------------------------------------------------------------------------

    def failed(
        self,
        code: str | None = "insufficient_funds",
        *,
        invoice: str | None = "in_1",
        card: f.Card | None = OLD,
        after: timedelta | None = None,
        by: Attribution = Attribution.GATEWAY,
        try_id: UUID | None = None,
        opens: bool = True,
        owed: int = 1000,
        network_code: str | None = None,
        network_advice: str | None = None,
        authenticate: bool = False,
    ) -> f.Failed:
        """A failure; `after` T0, else now."""
        verdict = f.judge(
            "stripe",
            code,
            None,
            card.brand if card else None,
            network_code,
            network_advice,
            requires_authentication=authenticate,
        )
        return f.Failed(
            owner=OWNER,
            fact_id=self._id("failed"),
            at=self._at(after),
            gateway="stripe",
            opens=opens and invoice is not None,
            bill=f.Bill(invoice, owed, "EUR", subscription_id=f"sub_{invoice}") if invoice else None,
            charge_id=f"ch_{next(self._numbers)}",
            amount=owed,
            currency="EUR",
            card=card,
            verdict=verdict,
            attributed_to=Attribution.RECOUP if try_id else by,
            try_id=try_id,
        )

    def paid(
        self,
        amount: int = 1000,
        *,
        invoice: str = "in_1",
        charge: str | None = "ch_paid",
        intent: str | None = None,
        card: f.Card | None = OLD,
        after: timedelta | None = None,
        by: Attribution = Attribution.GATEWAY,
        how: SettledBy = SettledBy.CHARGE,
        try_id: UUID | None = None,
    ) -> f.Succeeded:
        """A success."""
        return f.Succeeded(
            owner=OWNER,
            fact_id=self._id("paid"),
            at=self._at(after),
            invoice_id=invoice,
            charge_id=charge,
            payment_intent_id=intent,
            amount=amount,
            currency="EUR",
            card=card,
            settled_by=how,
            attributed_to=Attribution.RECOUP if try_id else by,
            try_id=try_id,
        )

    def back(
        self,
        kind: ReversalKind = ReversalKind.REFUND,
        amount: int = 1000,
        *,
        charge: str | None = "ch_paid",
        invoice: str | None = "in_1",
        payable: bool = False,
        after: timedelta | None = None,
    ) -> f.Reversed:
        """Money that went back."""
        return f.Reversed(OWNER, self._id("back"), self._at(after), kind, charge, invoice, amount, payable)

    def gave(
        self,
        card: f.Card = NEW,
        *,
        change: CardChange = CardChange.ADDED,
        settling: Iterable[str] = (),
        after: timedelta | None = None,
    ) -> f.CardChanged:
        """A card that the customer gave, or that was removed."""
        return f.CardChanged(OWNER, self._at(after), card, change, tuple(settling))

    def attempt(
        self,
        state: AttemptState,
        reason: str = "said",
        *,
        try_id: UUID | None = None,
        revision: int = 1,
        invoice: str = "in_1",
        after: timedelta | None = None,
    ) -> f.AttemptMoved:
        """A word about a charge attempt."""
        return f.AttemptMoved(OWNER, self._at(after), invoice, state, reason, revision, try_id)

    def final(
        self, outcome: FinalActionOutcome, detail: str | None = None, *, invoice: str = "in_1"
    ) -> f.FinalActionSettled:
        """What became of a final action."""
        case = self.case(invoice)
        return f.FinalActionSettled(OWNER, self.now, case.case_id, case.bill.invoice_id, outcome, detail)

    def invoice(self, status: InvoiceStatus, *, version: int = 1, invoice: str = "in_1") -> f.InvoiceSeen:
        """An invoice's snapshot."""
        return f.InvoiceSeen(OWNER, self.now, invoice, version, status)

    def subscription(self, status: SubscriptionStatus, *, version: int = 1) -> f.SubscriptionSeen:
        """A snapshot of the subscription of `in_1`."""
        return f.SubscriptionSeen(OWNER, "sub_in_1", version, status)

    def _id(self, kind: str) -> UUID:
        return fact_id("acct_1", kind, str(next(self._numbers)))

    def _at(self, after: timedelta | None) -> datetime:
        return self.now if after is None else T0 + after

    # --- what happens -------------------------------------------------------------------------------------

    @property
    def real(self) -> datetime:
        """The real clock."""
        return self.now + timedelta(days=100)

    def tell(self, *told: f.Fact) -> list[Announcement]:
        """Fold facts as one batch, hold what was decided to the rules, and give what was said."""
        before = dict(self.book.cases)
        decisions = fold({OWNER: self.book}, told, {"m_1": Now(self.now, self.real)}, self.choose)
        for saved in decisions.cases:
            assert saved.case.closed == (saved.case.wake is None), (
                "an open case has a timer, a closed one none"
            )
        for said in decisions.announcements:
            self._is_lawful(said, before.get(said.case.case_id))
        self._forget_the_batch()
        self.said += decisions.announcements
        return decisions.announcements

    def _is_lawful(self, said: Announcement, before: Case | None) -> None:
        match said:
            case Changed():
                assert said.case.revision > (before.revision if before else 0), "a revision of its own"
            case TryAsked() if said.asked.asks == 1:
                pinned = said.asked.card
                assert pinned is None or self.book.wallet.usable(pinned), "a forbidden card was pinned"
                asked = before.trying if before else None
                settled = {fact.try_id for fact in self.book.failures.values()}
                given_back = {word.try_id for word in self.book.attempts}
                assert asked is None or asked.try_id in settled | given_back, "two tries at a time"
            case FinalAsked():
                assert self.now >= said.case.resolve_by, "no end before the deadline"
            case TryAsked():
                assert before, "only what was asked is asked about again"

    def _forget_the_batch(self) -> None:
        """Keep what the database would keep."""
        old = self.book
        self.book = Book(
            OWNER,
            policy=self.policy,
            open_policy=old.open_policy,
            zone=old.zone,
            held=old.held,
            cases=old.cases,
            wallet=old.wallet,
            failures=old.failures,
            successes=old.successes,
            reversals=old.reversals,
            invoices=old.invoices,
            subscriptions=old.subscriptions,
            declines=old.declines,
        )

    def go(self, until: timedelta) -> list[Announcement]:
        """Let time pass until this long after T0, firing timers as they come due; give what was said."""
        before = len(self.said)
        end = T0 + until
        while (due := min((self._due(case) for case in self.open()), default=end)) < end:
            self.now = max(self.now, due)
            ripe = [case for case in self.open() if self._due(case) <= self.now]
            self.tell(*(f.TimerFired(OWNER, case.case_id) for case in ripe))
        self.now = max(self.now, end)
        return self.said[before:]

    def _due(self, case: Case) -> datetime:
        assert case.wake is not None
        return case.wake.at - (timedelta(days=100) if case.wake.real else timedelta(0))

    def decline(
        self, code: str = "insufficient_funds", *, invoice: str = "in_1", network_code: str | None = None
    ) -> list[Announcement]:
        """Let the outstanding try be declined, on the card that it pinned."""
        asked = self.asked(invoice).asked
        return self.tell(
            self.failed(
                code, invoice=invoice, card=asked.card, try_id=asked.try_id, network_code=network_code
            )
        )

    # --- what can be seen ---------------------------------------------------------------------------------

    def open(self) -> list[Case]:
        """The cases that are open."""
        return [case for case in self.book.cases.values() if not case.closed]

    def case(self, invoice: str = "in_1") -> Case:
        """The case of an invoice."""
        return self.book.cases[fact_id("acct_1", "case", invoice)]

    def asked(self, invoice: str = "in_1") -> TryAsked:
        """The last try that was asked for on an invoice."""
        return [
            said for said in self.said if isinstance(said, TryAsked) and said.case.bill.invoice_id == invoice
        ][-1]

    def tries(self) -> list[TryAsked]:
        """All tries that were asked for, each once."""
        asked = [said for said in self.said if isinstance(said, TryAsked)]
        return [said for said in asked if said.asked.asks == 1]

    def story(self, invoice: str = "in_1") -> list[str]:
        """The transitions of a case, in order, with the questions that were asked."""
        return [
            said.transition.value
            if isinstance(said, Changed)
            else f"(charge{' again' if said.asked.asks > 1 else ''})"
            if isinstance(said, TryAsked)
            else "(final)"
            for said in self.said
            if said.case.bill.invoice_id == invoice
        ]
