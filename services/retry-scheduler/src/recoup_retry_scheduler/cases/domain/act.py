"""From a plan to a case that follows it, with its timer and what is said.

Promise: an open case leaves here with exactly one timer; a closed one with none.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, assert_never

from recoup_events.values import TRY_WITHIN, CaseState, FinalAction, Transition, WaitingFor
from recoup_retry_scheduler.cases.domain import sentences
from recoup_retry_scheduler.cases.domain.book import SLOW, Book
from recoup_retry_scheduler.cases.domain.case import Case, Planned, Try, Wake, WakeKind
from recoup_retry_scheduler.cases.domain.choosing import Choose
from recoup_retry_scheduler.cases.domain.decisions import Decisions, FinalAsked, TryAsked
from recoup_retry_scheduler.cases.domain.plan import Close, Finish, Fire, Schedule, Wait, Watch, plan
from recoup_retry_scheduler.cases.domain.settle import Declined, GivenBack, Now
from recoup_retry_scheduler.rules.codes import WAITS_FOR

ASK_AGAIN: Final = (timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6))
"""Real time before we ask again what became of a try or a final action, by how often we asked; then the last."""

SESSION_PATIENCE: Final = timedelta(hours=1)
SLOW_PATIENCE: Final = timedelta(days=10)
"""Real time for which somebody else's charge on the invoice is waited for; the latter for a bank debit."""

LOOK_AGAIN: Final = timedelta(minutes=1)
"""Real time after which a customer with something in quarantine is looked at again."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the facts just did to a case.

    `outcome`: of its try. `untold_until`: its invoice reads as paid, by what is awaited. `reopened`: by the bank.
    """

    outcome: Declined | GivenBack | None = None
    untold_until: datetime | None = None
    reopened: bool = False


def visible(case: Case) -> tuple[object, ...]:
    """Give what a reader of `recovery.changed` can see, but for its revision and reason."""
    return (
        *(case.state, case.waiting_for, case.next_try_at, case.resolve_by, case.failed_at, case.final_action),
        *(case.bill, case.card, case.verdict, case.tries_made, case.steps_left),
        *(case.recovered, case.recovered_by, case.trying.state if case.trying else None),
    )


def proceed(  # noqa: PLR0913  # all that a turn follows from, and where it is told
    before: Case | None,
    case: Case,
    situation: Situation,
    book: Book,
    now: Now,
    decisions: Decisions,
    *,
    choose: Choose,
) -> Case:
    """Give the case as it goes on from here, and say what changed."""
    scene = _Scene(before if before and before.revision else None, situation, book, now, decisions, choose)
    if case.closed:
        return scene.closed(case)
    if situation.untold_until is not None:
        return scene.untold(case, situation.untold_until)
    if case.state is CaseState.ENDING:
        return scene.ending(case)
    if case.trying is not None:
        return scene.trying(case, case.trying)
    if book.invoice(case.bill.invoice_id).held:
        waited = scene.held_by_another(case)
        if waited is not None:
            return waited
    return scene.planned(case)


@dataclass(frozen=True, slots=True)
class _Scene:
    """One case's turn. `before`: as it was last announced."""

    before: Case | None
    situation: Situation
    book: Book
    now: Now
    decisions: Decisions
    choose: Choose

    def closed(self, case: Case) -> Case:
        if self.before is not None and self.before.closed:
            news = (case.state, case.recovered, case.recovered_by)
            if news == (self.before.state, self.before.recovered, self.before.recovered_by):
                return case
        return self.decisions.change(case, Transition(case.state.value), case.reason)

    def untold(self, case: Case, until: datetime) -> Case:
        """Try nothing and say nothing: the success that settles this invoice is on its way."""
        return replace(self._at_rest(case), wake=Wake(WakeKind.SETTLE, until))

    def ending(self, case: Case) -> Case:
        if not self._is_due(case):
            return case
        if self.book.held:
            return self._look_again(case)
        case = replace(case, asks=case.asks + 1, revision=case.revision + 1, wake=self._watchdog(case.asks))
        self.decisions.announcements.append(FinalAsked(case))
        return case

    def trying(self, case: Case, asked: Try) -> Case:
        state = self.before.trying.state if self.before and self.before.trying else asked.state
        if asked.state is not state:
            patience = ASK_AGAIN[-1] if asked.state in SLOW else ASK_AGAIN[0]
            case = replace(case, wake=Wake(WakeKind.WATCHDOG, self.now.real + patience))
            return self._said_if_new(case, Transition.TRYING, sentences.of_attempt(asked.state))
        if not self._is_due(case):
            return case
        if self.book.held:
            return self._look_again(case)
        asked = replace(asked, asks=asked.asks + 1)
        case = replace(case, trying=asked, revision=case.revision + 1, wake=self._watchdog(asked.asks - 1))
        self.decisions.announcements.append(TryAsked(case, asked))
        return case

    def held_by_another(self, case: Case) -> Case | None:
        """Wait for a charge that is not ours; after a long silence, None: go on without it."""
        slow = self.book.invoice(case.bill.invoice_id).held_state in SLOW
        reason = sentences.HELD_SLOW if slow else sentences.HELD
        waits = case.state is CaseState.TRYING and self.situation.outcome is None and case.reason == reason
        if waits and not self._is_due(case):
            return case
        if waits:
            self.book.release(case.bill.invoice_id, self.now.merchant)
            return None
        patience = SLOW_PATIENCE if slow else SESSION_PATIENCE
        case = replace(
            case,
            state=CaseState.TRYING,
            waiting_for=None,
            next_try_at=None,
            wake=Wake(WakeKind.WATCHDOG, self.now.real + patience),
        )
        return self.decisions.change(case, self._transition(Transition.TRYING), reason)

    def planned(self, case: Case) -> Case:  # noqa: PLR0911  # one return a plan
        decision = plan(case, self.book, self.now.merchant, self.choose)
        match decision:
            case Fire() | Finish() if self.book.held:
                return self._look_again(self._at_rest(case))
            case Fire():
                return self._fired(case, decision)
            case Schedule():
                return self._scheduled(case, decision)
            case Wait():
                return self._waiting(case, decision.whom, decision.reason)
            case Watch():
                return self._watching(case, decision.reason)
            case Finish():
                return self._finished(case)
            case Close():
                return self._ended(case, decision.reason)
            case _:
                assert_never(decision)

    def _fired(self, case: Case, fire: Fire) -> Case:
        if self.before is None or self.situation != Situation():
            resting = replace(self._at_rest(case), next_try_at=self.now.merchant)
            due = sentences.due_now(case, fire.reason)
            case = self.decisions.change(resting, self._transition(Transition.PLANNED), due)
        number = case.tries + 1
        asked = Try(
            try_id=case.try_id_of(number, fire.kind),
            kind=fire.kind,
            step=fire.step,
            card=fire.card,
            asked_at=self.now.merchant,
            not_after=self.now.real + TRY_WITHIN,
        )
        case = replace(
            case,
            state=CaseState.TRYING,
            waiting_for=None,
            next_try_at=None,
            trying=asked,
            tries=number,
            tries_made=case.tries_made + 1,
            position=fire.step or case.position,
            wake=self._watchdog(0),
        )
        case = self.decisions.change(case, Transition.TRYING, fire.reason)
        self.decisions.announcements.append(TryAsked(case, asked))
        return case

    def _scheduled(self, case: Case, decision: Schedule) -> Case:
        wake = Wake(WakeKind.STEP, decision.at) if decision.at else Wake(WakeKind.DEADLINE, case.resolve_by)
        case = replace(
            case,
            state=CaseState.SCHEDULED,
            waiting_for=None,
            next_try_at=decision.at,
            planned=self._planned(case.standing, decision),
            wake=wake,
        )
        reason = decision.reason
        if isinstance(self.situation.outcome, GivenBack) and decision.at:
            reason = sentences.given_back(self.situation.outcome.why, decision.at)
        return self._said_if_new(case, Transition.PLANNED, reason)

    def _planned(self, standing: Planned | None, decision: Schedule) -> Planned | None:
        if decision.at is None:
            return None
        since = standing.since if standing and standing.at == decision.at else self.now.merchant
        return Planned(decision.at, since, decision.basis, decision.because)

    def _waiting(self, case: Case, whom: WaitingFor, reason: str) -> Case:
        wake = Wake(WakeKind.DEADLINE, case.resolve_by)
        case = replace(case, state=CaseState.WAITING, waiting_for=whom, next_try_at=None, wake=wake)
        return self._said_if_new(case, Transition.WAITING, reason)

    def _watching(self, case: Case, reason: str) -> Case:
        whom = WAITS_FOR.get(case.verdict.action)
        if whom is not None:
            return self._waiting(case, whom, reason)
        at = case.bill.next_gateway_try_at
        ahead = at if at is not None and at > self.now.merchant else None
        wake = Wake(WakeKind.DEADLINE, case.resolve_by)
        case = replace(case, state=CaseState.SCHEDULED, waiting_for=None, next_try_at=ahead, wake=wake)
        return self._said_if_new(case, Transition.PLANNED, reason)

    def _finished(self, case: Case) -> Case:
        case = replace(
            case,
            state=CaseState.ENDING,
            waiting_for=None,
            next_try_at=None,
            asks=1,
            wake=self._watchdog(0),
        )
        case = self.decisions.change(case, Transition.ENDING, sentences.ending(case.final_action))
        self.decisions.announcements.append(FinalAsked(case))
        return case

    def _ended(self, case: Case, reason: str) -> Case:
        case = replace(
            case,
            state=CaseState.ENDED,
            waiting_for=None,
            next_try_at=None,
            wake=None,
            final_action=FinalAction.NOTHING,
        )
        return self.decisions.change(case, Transition.ENDED, reason)

    def _said_if_new(self, case: Case, transition: Transition, reason: str) -> Case:
        if self.before is not None and visible(self.before) == visible(case):
            return case
        return self.decisions.change(case, self._transition(transition), reason)

    def _transition(self, otherwise: Transition) -> Transition:
        if self.before is None:
            return Transition.OPENED
        if self.situation.reopened or isinstance(self.situation.outcome, Declined):
            return Transition.TRY_FAILED
        return otherwise

    def _is_due(self, case: Case) -> bool:
        """Whether the case's real-time timer has come, or nobody set one."""
        return case.wake is None or not case.wake.real or case.wake.at <= self.now.real

    def _watchdog(self, asks: int) -> Wake:
        return Wake(WakeKind.WATCHDOG, self.now.real + ASK_AGAIN[min(asks, len(ASK_AGAIN) - 1)])

    def _look_again(self, case: Case) -> Case:
        return replace(case, wake=Wake(WakeKind.HELD, self.now.real + LOOK_AGAIN))

    def _at_rest(self, case: Case) -> Case:
        """Give the case out of `trying` when no try is outstanding any more."""
        if case.state is CaseState.TRYING and case.trying is None:
            return replace(case, state=CaseState.SCHEDULED, next_try_at=None)
        return case
