"""What a policy would have planned for each of the past failures, beside 1/3/7 and even tries.

Promise: the code that plans is the decider's own; each failure is planned with what was known when it happened; and of
what would have become of other tries nothing is said, for nobody knows it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import ValidationError

from recoup_retry_scheduler.rehearsal import wire
from recoup_retry_scheduler.rehearsal.answers import in_whole_seconds
from recoup_retry_scheduler.rehearsal.books import Answer
from recoup_retry_scheduler.rehearsal.decide import Decider
from recoup_retry_scheduler.rehearsal.rows import Bad, Row
from recoup_retry_scheduler.rules.verdict import Allowed, Forbidden
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.mind import Mind

SUPPOSED = (
    "Later tries are planned as if each try failed with the same code: what would have passed is not known."
)
BEFORE = 500
"""Events of a customer that are told before a failure of theirs, at most: the newest."""

_REALLY_TRIED = wire.Policy(
    type="policy",
    merchant="any",
    mode="custom",
    max_tries=15,
    window_days=60,
    min_gap_hours=0,
    steps_days=[0] * 15,
)
"""Under which each outcome that was told is one of a planned try, whenever that was made."""

_USED = "max_tries"
"""The rule by which a plan comes to its usual end."""


@dataclass(frozen=True, slots=True)
class Try:
    """A planned try. `odds`: what the model thought of it; a schedule without a model thinks nothing."""

    at: datetime
    odds: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Bite:
    """A rule that put a try off, or forbade it. `until`: when it was put off to; None: as things stand for good."""

    rule: str
    until: datetime | None
    reason: str


@dataclass(slots=True)
class Planned:
    """What one schedule would have done about a failure.

    Attributes:
        begins: with `retry`, `wait` or `stop`.
        ends: with `wait` or `stop`, when all its tries have failed.
        waits_for: whom, at the end; as on the wire.
        ended_by: the rule that ended it; "no_step" where no step was left, or none worth its cost.
        reason: of the end.
    """

    begins: str = ""
    tries: list[Try] = field(default_factory=list)
    bites: list[Bite] = field(default_factory=list)
    ends: str = ""
    waits_for: str | None = None
    ended_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """One failure: what each schedule would have planned, and what was really done, as far as it was told."""

    line: int
    failure: wire.Failure
    plans: dict[str, Planned]
    really: list[wire.Outcome]


class Still(Weights):
    """Weights that learn nothing, while beliefs about customers go on."""

    def hear(self, *_: object) -> None:
        """Let an outcome pass."""


@dataclass
class History:
    """Events by customer, in the order of time."""

    failures: list[Row] = field(default_factory=list)
    of: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    _opened: dict[str, wire.Failure] = field(default_factory=dict)

    def take(self, rows: Iterable[Row | Bad]) -> Iterator[Bad]:
        """Take all rows, in whatever order they come, and give those that cannot be taken."""
        outcomes: list[tuple[Row, wire.Outcome]] = []
        for row in rows:
            match row:
                case Bad():
                    yield row
                case Row(told=wire.Failure() as told):
                    if told.case in self._opened:
                        yield Bad(row.line, "case: it was opened before")
                        continue
                    self._opened[told.case] = told
                    self.failures.append(row)
                    self.of[told.customer].append(row)
                case Row(told=wire.Outcome() as told):
                    outcomes.append((row, told))
                case Row(told=wire.Payment() | wire.CardUpdated() | wire.CustomerPayday() as told):
                    self.of[told.customer].append(row)
                case _:
                    pass  # policies come from the options here
        for row, told in outcomes:
            opened = self._opened.get(told.case)
            if opened is None:
                yield Bad(row.line, "case: no failure of it is told")
            else:
                self.of[opened.customer].append(row)
        for events in [self.failures, *self.of.values()]:
            events.sort(key=_in_time)

    def before(self, failure: Row) -> list[Row]:
        """Give what was told of a failure's customer before it, the newest events alone where there are many."""
        events = self.of[_opened(failure).customer]
        place = events.index(failure)
        return events[max(0, place - BEFORE) : place]

    def really(self, failure: wire.Failure) -> list[wire.Outcome]:
        """Give the outcomes that were told of a failure."""
        outcomes = (row.told for row in self.of[failure.customer] if isinstance(row.told, wire.Outcome))
        return [told for told in outcomes if told.case == failure.case]


def _in_time(row: Row) -> tuple[datetime, bool]:
    """Sort by time; an outcome comes after the failure of its case."""
    assert not isinstance(row.told, wire.Policy | wire.Sync)
    return row.told.at, isinstance(row.told, wire.Outcome)


def _opened(row: Row) -> wire.Failure:
    assert isinstance(row.told, wire.Failure)
    return row.told


def schedules(asked: wire.Policy) -> dict[str, wire.Policy]:
    """Give the policy asked for, then those that it is set beside, within the same bounds."""
    beside = {mode: asked.model_copy(update={"mode": mode, "steps_days": None}) for mode in ("fixed", "even")}
    return {str(asked.mode): asked, **{mode: policy for mode, policy in beside.items() if mode != asked.mode}}


def rehearse(history: History, asked: wire.Policy, weights: Weights) -> Iterator[Rehearsed | Bad]:
    """Plan each failure by each schedule, in the order of time."""
    mind = Mind(Still(weights.mean, weights.precision))
    wanted = schedules(asked)
    for row in history.failures:
        told = _opened(row)
        before = history.before(row)
        try:
            plans = {name: _planned(mind, policy, before, told) for name, policy in wanted.items()}
        except _Refused as why:
            yield Bad(row.line, str(why))
        else:
            yield Rehearsed(row.line, told, plans, history.really(told))


class _Refused(Exception):
    """The decider does not take a failure; its message says why."""


def _planned(mind: Mind, policy: wire.Policy, before: list[Row], failure: wire.Failure) -> Planned:
    decider = Decider(mind)
    for merchant in {row.told.merchant for row in before if isinstance(row.told, wire.Failure)}:
        _hear(decider, _REALLY_TRIED.model_copy(update={"merchant": merchant}))
    for row in before:
        _hear(decider, row.told)
    _hear(decider, policy.model_copy(update={"merchant": failure.merchant}))
    answer = _own(decider, failure)
    planned = Planned(begins=answer["action"])
    while answer["action"] == "retry":
        at = datetime.fromisoformat(answer["at"])
        odds = answer["p"] if policy.mode == "smart" else None
        planned.tries.append(Try(at, odds, answer["reason"]))
        _note_delay(planned, decider.verdict(failure.case), at)
        answer = _own(decider, _failing_again(failure, at))
    planned.ends, planned.reason = answer["action"], answer["reason"]
    planned.waits_for = answer.get("for")
    _note_end(planned, decider.verdict(failure.case))
    return planned


def _hear(decider: Decider, told: wire.Line) -> list[Answer]:
    return list(decider.hear(told.model_dump_json(exclude_none=True), 0))


def _own(decider: Decider, told: wire.Failure | wire.Outcome) -> Answer:
    """Give the answer for an event's own case: the last.

    Raises:
        _Refused: there is none.
    """
    answer = _hear(decider, told)[-1]
    if "error" in answer:
        raise _Refused(answer["error"])
    return answer


def _failing_again(failure: wire.Failure, at: datetime) -> wire.Outcome:
    codes = {name: getattr(failure, name) for name in wire.Codes.model_fields}
    try:
        return wire.Outcome(type="outcome", at=at, case=failure.case, success=False, **codes)
    except ValidationError:
        raise _Refused("at: its tries would be made after 2099") from None


def _note_delay(planned: Planned, verdict: Allowed | Forbidden | None, at: datetime) -> None:
    """Note the rule that a try was put off by: it stands at the very instant from which that allows it."""
    if isinstance(verdict, Allowed) and verdict.because and in_whole_seconds(verdict).earliest == at:
        planned.bites.append(Bite(verdict.rule, at, f"{verdict.because}."))


def _note_end(planned: Planned, verdict: Allowed | Forbidden | None) -> None:
    if not isinstance(verdict, Forbidden):
        planned.ended_by = "no_step"
        return
    planned.ended_by = verdict.rule
    if verdict.rule != _USED:
        planned.bites.append(Bite(verdict.rule, None, verdict.reason))
