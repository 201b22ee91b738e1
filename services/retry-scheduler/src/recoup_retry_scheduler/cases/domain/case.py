"""A recovery case: what is owed, where it stands, and the one thing that it does next.

`scheduled | trying | waiting | ending → recovered | ended | reversed`. Frozen; instants are UTC on the
merchant's clock unless they say real.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from recoup_events.values import (
    AttemptState,
    CaseState,
    FinalAction,
    Precedence,
    RecoveryMode,
    RecoveryWay,
    TryKind,
    WaitingFor,
    fact_id,
)
from recoup_retry_scheduler.cases.domain.facts import Bill, Card, Owner, Verdict

CLOSED = frozenset({CaseState.RECOVERED, CaseState.ENDED, CaseState.REVERSED})

RETRY_SOON = timedelta(hours=1)
"""The first step of the ladder after a technical failure; also the shortest time between two of our tries."""

AFTER_THE_LAST_STEP = timedelta(days=1)
"""The deadline is at least this much later than the last step, so that its outcome can be known."""

TO_REACT = timedelta(days=1)
"""Nobody's deadline is nearer than this when we learn of the failure, however late that is."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The merchant's recovery setting, fixed when the case opens unless the merchant wants open cases to follow.

    `schedule`: from the failure, increasing; of mode custom. `max_tries` and `min_gap`: of mode smart. `version`: the
    setting's; 0 is the default's.
    """

    mode: RecoveryMode = RecoveryMode.CUSTOM
    schedule: tuple[timedelta, ...] = (timedelta(days=1), timedelta(days=3), timedelta(days=7))
    max_tries: int = 3
    min_gap: timedelta = timedelta(hours=10)
    window: timedelta = timedelta(days=14)
    final_action: FinalAction = FinalAction.CANCEL
    precedence: Precedence = Precedence.PLATFORM_MANAGEMENT
    version: int = 0

    @property
    def smart(self) -> bool:
        """Whether the instants of tries are chosen, not scheduled."""
        return self.mode is RecoveryMode.SMART

    @property
    def steps(self) -> int:
        """Tries of our own after the first failure, at most."""
        return self.max_tries if self.smart else len(self.schedule)

    @property
    def action_at_the_end(self) -> FinalAction:
        """What becomes of a subscription that is not recovered; where the gateway collects, that is its own matter."""
        return FinalAction.NOTHING if self.watches_only else self.final_action

    @property
    def until_deadline(self) -> timedelta:
        """From the first failure to the deadline."""
        if self.smart or not self.schedule:
            return self.window
        return max(self.window, self.schedule[-1] + AFTER_THE_LAST_STEP)

    @property
    def watches_only(self) -> bool:
        """Whether the gateway collects: we speak, but neither charge nor end anything."""
        return self.precedence is Precedence.GATEWAY_DEFAULT


class WakeKind(StrEnum):
    """Why a case looks at itself again."""

    STEP = "step"
    DEADLINE = "deadline"
    WATCHDOG = "watchdog"
    """A try, a card session or a final action has not been answered (real time)."""
    HELD = "held"
    """Something of this customer's is in quarantine: look again whether it was released (real time)."""
    SETTLE = "settle"
    """The invoice reads as paid, but nobody told by what yet (real time)."""


@dataclass(frozen=True, slots=True)
class Wake:
    """The one live timer of an open case. `real`: `at` is an instant of real time."""

    kind: WakeKind
    at: datetime

    @property
    def real(self) -> bool:
        """Whether it runs on the real clock."""
        return self.kind not in {WakeKind.STEP, WakeKind.DEADLINE}


@dataclass(frozen=True, slots=True)
class Try:
    """A try that was asked for and is not settled. `state` is `planned` until the adapter says more.

    `seen`: the highest revision heard of its attempt. `asks`: how often we asked. `not_after` is real.
    """

    try_id: UUID
    kind: TryKind
    step: int | None
    card: Card | None
    asked_at: datetime
    not_after: datetime
    state: AttemptState = AttemptState.PLANNED
    seen: int = -1
    asks: int = 1


@dataclass(frozen=True, slots=True)
class Planned:
    """A try that is planned for `at`. `since`: when it was planned, and so announced.

    `basis`: the mark of what its choice followed from, `because`: why then; both of mode smart.
    """

    at: datetime
    since: datetime
    basis: str = ""
    because: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """One recovery case.

    `position`: steps of the ladder used, in mode smart tries of our own choice. `tries`: tries ever asked for, which
    numbers them; `tries_made`: those that were not given back unsent. `refusals`: tries given back in a row. `asks`:
    how often the final action was asked for. `anchor_at`: what the schedule counts from, the first failure or the
    bank's return. `planned`: the last plan of a try; it stands while `next_try_at` names its instant.
    """

    owner: Owner
    case_id: UUID
    gateway: str
    bill: Bill
    policy: Policy
    failed_at: datetime
    anchor_at: datetime
    learnt_at: datetime
    last_failed_at: datetime
    card: Card | None
    verdict: Verdict
    state: CaseState = CaseState.SCHEDULED
    waiting_for: WaitingFor | None = None
    position: int = 0
    tries: int = 0
    tries_made: int = 0
    refusals: int = 0
    asks: int = 0
    not_before: datetime | None = None
    next_try_at: datetime | None = None
    planned: Planned | None = None
    trying: Try | None = None
    final_action: FinalAction = field(default=FinalAction.CANCEL)
    recovered: int | None = None
    recovered_by: RecoveryWay | None = None
    wake: Wake | None = None
    revision: int = 0
    reason: str = ""

    @property
    def closed(self) -> bool:
        """Whether nothing more will be tried, unless money goes back."""
        return self.state in CLOSED

    @property
    def resolve_by(self) -> datetime:
        """The deadline that every mail names."""
        return max(self.anchor_at + self.policy.until_deadline, self.learnt_at + TO_REACT)

    @property
    def steps_left(self) -> int:
        """Steps of the ladder not used yet."""
        return max(self.policy.steps - self.position, 0)

    @property
    def standing(self) -> Planned | None:
        """The plan that stands, if one does; none where an earlier release made it."""
        return self.planned if self.planned is not None and self.planned.at == self.next_try_at else None

    def try_id_of(self, number: int, kind: TryKind) -> UUID:
        """Give the id of the case's n-th try, from 1; its kind is part of it."""
        return fact_id(self.owner.merchant_id, "try", str(self.case_id), str(number), kind)

    def kind_of(self, try_id: UUID | None) -> TryKind:
        """Say which kind of try an id names; one that is not ours is unknown."""
        if try_id is None:
            return TryKind.UNKNOWN
        return next(
            (
                kind
                for number in range(self.tries, 0, -1)
                for kind in (TryKind.SCHEDULED, TryKind.NEW_CARD, TryKind.REQUESTED)
                if self.try_id_of(number, kind) == try_id
            ),
            TryKind.UNKNOWN,
        )


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the ladder: its number from 1, and when it is due."""

    number: int
    at: datetime


def next_step(case: Case, now: datetime, *, retry_soon: bool) -> Step | None:
    """Give the next step of the ladder, or None when all are used.

    Of several that are overdue only the last is given: an outage must not make tries follow each other at once.
    """
    times = [case.anchor_at + days for days in case.policy.schedule]
    if case.position >= len(times):
        return None
    index = case.position
    while index + 1 < len(times) and times[index + 1] <= now:
        index += 1
    at = times[index]
    if index == 0 and retry_soon:
        at = min(at, case.last_failed_at + RETRY_SOON)
    else:
        at = max(at, case.last_failed_at + RETRY_SOON)
    return Step(index + 1, max(at, case.not_before or at))
