"""A customer's life drawn by Hypothesis: failures, cards, payments, silence, repetition; every decision is judged.

`Life` (the scheduler's own tests) drives the pure domain as the service does and refuses a forbidden card, a second
try beside a first, an end before its deadline, an open case without a timer. Here money is counted beside it.
"""

import importlib.util
import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from recoup_events.values import (
    AttemptState,
    Attribution,
    CardChange,
    CaseState,
    FinalActionOutcome,
    InvoiceStatus,
    RecoveryMode,
    ReversalKind,
    SubscriptionStatus,
    TryKind,
)
from recoup_retry_scheduler.cases.domain.case import Policy
from recoup_retry_scheduler.cases.domain.choosing import Choice, Sight
from recoup_retry_scheduler.cases.domain.decisions import TryAsked
from recoup_retry_scheduler.cases.domain.facts import Card, Fact
from recoup_retry_scheduler.rules.verdict import Allowed

OWED = 1000
INVOICES = ("in_1", "in_2", "in_3")
CODES = ("insufficient_funds", "expired_card", "stolen_card", "processing_error", "authentication_required")
LIFE = Path(__file__).parents[2] / "services" / "retry-scheduler" / "tests" / "scheduler_life.py"


def _loaded() -> ModuleType:
    """Load the scheduler's `Life` from where it lives: a folder with a hyphen is no package."""
    spec = importlib.util.spec_from_file_location("scheduler_life_of_machines", LIFE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


life_ = _loaded()

WHAT = st.sampled_from(
    (
        *("fails", "try ends", "try ends", "try ends", "time passes", "time passes", "time passes", "again"),
        *("card", "customer", "money back", "seen", "cancelled", "held", "final", "gateway"),
    )
)


def any_instant(sight: Sight, instants: Allowed) -> Choice | None:
    """Choose as the sight's mark says: as good as drawn, and the same for the same sight."""
    draw = int(sight.mark, 16) % 11
    if not draw:
        return None
    return Choice(instants.earliest + (instants.latest - instants.earliest) * (draw - 1) / 9, "drawn")


class CasesMachine(RuleBasedStateMachine):
    """One customer with up to three invoices."""

    examples = 0

    def __init__(self) -> None:
        super().__init__()
        self.life: Any = life_.Life()
        self.told: list[Fact] = []
        self.net = dict.fromkeys(INVOICES, 0)
        self.gone: set[str] = set()
        self.numbers = 0
        self.versions = 0

    @initialize(smart=st.booleans(), tries=st.integers(0, 4), gap=st.sampled_from((0, 1, 10, 100)))
    def begins(self, smart: bool, tries: int, gap: int) -> None:  # noqa: FBT001  # drawn
        """The merchant chose a mode; in mode smart any instant that is allowed may be chosen, or none."""
        if smart:
            self.life.policy = self.life.book.policy = Policy(
                mode=RecoveryMode.SMART, max_tries=tries, min_gap=timedelta(hours=gap)
            )
            self.life.choose = any_instant

    @rule(
        what=WHAT,
        invoice=st.sampled_from(INVOICES),
        code=st.sampled_from(CODES),
        number=st.integers(0, 11),
        hours=st.sampled_from((0.1, 1, 5, 24, 30, 72, 24 * 8)),
    )
    def happens(self, what: str, invoice: str, code: str, number: int, hours: float) -> None:
        """One thing happens; then money and cases are compared."""
        match what:
            case "fails":
                self._tell(self.life.failed(code, invoice=invoice, card=self._card(number)))
            case "try ends":
                self._try_ends(invoice, code, number)
            case "card":
                change = (CardChange.ADDED, CardChange.ADDED, CardChange.REMOVED)[number % 3]
                settling = [invoice] if number % 4 == 0 and change is CardChange.ADDED else []
                self._tell(self.life.gave(self._card(number), change=change, settling=settling))
            case "customer" | "gateway":
                self._pay(invoice, Attribution(what), self._card(number))
            case "money back":
                self._money_back(invoice, number)
            case "seen" | "cancelled":
                self._seen(what, invoice, number)
            case "held":
                self.life.book.held = not self.life.book.held
            case "final":
                self._final(number)
            case "again" if self.told:
                self._tell(self.told[number * 7 % len(self.told)], again=True)
            case _:
                self._pass(hours)
        self._judge()

    # --- what happens ----------------------------------------------------------------------------------------

    def _try_ends(self, invoice: str, code: str, number: int) -> None:
        asked = self._outstanding(invoice)
        if asked is None:
            return
        try_id, card = asked.try_id, asked.card
        match number % 6:
            case 0 | 1:
                self._tell(self.life.failed(code, invoice=invoice, card=card, try_id=try_id))
            case 2:
                self._pay(invoice, Attribution.RECOUP, card, try_id)
            case 3:
                self._tell(self._word(AttemptState.NOT_SENT, try_id, invoice, number))
            case 4:
                self._tell(self._word(AttemptState.PENDING, try_id, invoice, number))
            case _:
                self._tell(self._word(AttemptState.UNKNOWN, try_id, invoice, number))

    def _word(self, state: AttemptState, try_id: Any, invoice: str, number: int) -> Fact:
        self.versions += 1
        word: Fact = self.life.attempt(state, try_id=try_id, invoice=invoice, revision=self.versions + number)
        return word

    def _pay(self, invoice: str, by: Attribution, card: Card | None, try_id: Any = None) -> None:
        self.numbers += 1
        charge = f"ch_{invoice}_{self.numbers}"
        fact = self.life.paid(OWED, invoice=invoice, charge=charge, by=by, card=card, try_id=try_id)
        self.net[invoice] += OWED
        self._tell(fact)

    def _money_back(self, invoice: str, number: int) -> None:
        if self.net[invoice] <= 0:
            return
        kind = (ReversalKind.REFUND, ReversalKind.DISPUTE, ReversalKind.BANK_RETURN)[number % 3]
        charge = f"ch_{invoice}_{self.numbers}"
        paid = any(
            getattr(fact, "charge_id", None) == charge and hasattr(fact, "settled_by") for fact in self.told
        )
        if not paid or any(type(f).__name__ == "Reversed" and f.charge_id == charge for f in self.told):  # type: ignore[union-attr]  # only Reversed is asked
            return
        self.net[invoice] -= OWED
        if kind is not ReversalKind.BANK_RETURN:
            self.gone.add(invoice)
        self._tell(self.life.back(kind, OWED, charge=charge, invoice=invoice, payable=True))

    def _seen(self, what: str, invoice: str, number: int) -> None:
        self.versions += 1
        if what == "cancelled":
            self._tell(self.life.subscription(SubscriptionStatus.CANCELED, version=self.versions))
        else:
            status = (InvoiceStatus.OPEN, InvoiceStatus.OPEN, InvoiceStatus.VOID)[number % 3]
            self._tell(self.life.invoice(status, version=self.versions, invoice=invoice))

    def _final(self, number: int) -> None:
        ending = [case for case in self.life.open() if case.state is CaseState.ENDING]
        if ending:
            outcome = (FinalActionOutcome.DONE, FinalActionOutcome.REFUSED, FinalActionOutcome.UNKNOWN)[
                number % 3
            ]
            self._tell(self.life.final(outcome, invoice=ending[0].bill.invoice_id))

    def _pass(self, hours: float) -> None:
        said = self.life.go(self.life.now - life_.T0 + timedelta(hours=hours))
        self._judge_said(said)

    def _tell(self, fact: Fact, *, again: bool = False) -> None:
        if not again:
            self.told.append(fact)
        self._judge_said(self.life.tell(fact))

    # --- what must hold --------------------------------------------------------------------------------------

    def _judge_said(self, said: list[Any]) -> None:
        for one in said:
            if isinstance(one, TryAsked) and one.asked.asks == 1:
                invoice = one.case.bill.invoice_id
                assert self.net[invoice] < OWED, f"{invoice} is paid and a try is asked for"
                assert invoice not in self.gone, f"{invoice} went back to the customer and a try is asked for"
                assert not self.life.book.held, "something is in quarantine and a try is asked for"

    def _judge(self) -> None:
        failed = {fact.bill.invoice_id for fact in self.life.book.failures.values() if fact.counts}
        assert {case.bill.invoice_id for case in self.life.book.cases.values()} == failed, "a failure, a case"
        asked: dict[tuple[str, int], set[Any]] = {}
        for one in self.life.tries():
            if one.asked.kind is TryKind.SCHEDULED:
                asked.setdefault((one.case.bill.invoice_id, one.asked.step or 0), set()).add(one.asked.try_id)
        for case in self.life.book.cases.values():
            invoice = case.bill.invoice_id
            assert case.closed == (case.wake is None), "an open case has a timer, a closed one none"
            assert 0 <= case.position <= case.policy.steps, "no more steps than the policy has"
            if self.net[invoice] >= OWED:
                assert case.state is CaseState.RECOVERED, f"{invoice} is paid and {case.state}"
            elif case.state is CaseState.RECOVERED:
                msg = f"{invoice} says recovered of {self.net[invoice]}"
                assert case.recovered_by is not None and self.net[invoice] > 0, msg  # noqa: PT018  # one sentence

    def teardown(self) -> None:
        """Whatever was drawn, every case is resolved by the rules once people and machines answer."""
        type(self).examples += 1
        self.life.book.held = False
        for _ in range(80):
            for case in self.life.open():
                invoice = case.bill.invoice_id
                if case.trying is not None:
                    self._judge_said(self.life.decline(invoice=invoice))
                elif case.state is CaseState.ENDING:
                    self.life.tell(self.life.final(FinalActionOutcome.DONE, invoice=invoice))
            if not self.life.open():
                break
            self._pass(12)
        assert self.life.open() == []
        self._judge()

    # --- what there is ----------------------------------------------------------------------------------------

    def _outstanding(self, invoice: str) -> Any:
        return next((c.trying for c in self.life.open() if c.bill.invoice_id == invoice), None)

    def _card(self, number: int) -> Card:
        chosen: Card = (life_.OLD, life_.NEW, life_.card("third"), life_.OLD)[number % 4]
        return chosen
