"""Play a stream against a decider: events in the order of time, tries when they are planned, outcomes as the path says.

Promise: the latest plan of a case counts; what is planned for the past is tried now; a plan beyond the window or the
number of tries is refused and counted. Every charge is written down for whoever checks the networks' rules.
"""

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from .labels import Codes
from .paths import Cause
from .stream import EPOCH, Failure, Stream, iso
from .wire import Answer, Decider, WireError
from .world import Draw

DAY = 86_400
NO_CODES = Codes("")
BEYOND_WINDOW, NO_TRY_LEFT = "beyond the window", "no try left"


@dataclass(frozen=True)
class Policy:
    """What every merchant of the world has set."""

    max_tries: int = 3
    window_days: int = 14
    min_gap_hours: int = 10


class Charge(NamedTuple):
    """One charge that reached the network.

    Args:
        by: `renewal`, `retry`, or `other` for one of which the wire tells only that it passed.
        at: seconds since 1970.
    """

    at: float
    by: str
    case: str | None
    customer: str
    instrument: str
    brand: str | None
    amount_minor: int | None
    success: bool
    codes: Codes | None


@dataclass(slots=True)
class Case:
    """One failed renewal and what became of it.

    Args:
        plan: number of the plan that counts; 0 when nothing is planned.
        tries: retries made.
        refused: plans that were not accepted, by their reason.
    """

    failure: Failure
    ends: float
    plan: int = 0
    tries: int = 0
    state: str = "open"
    recovered_at: float | None = None
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Played:
    """What happened, case by case in the order of time."""

    cases: list[Case]
    charges: list[Charge]

    @property
    def refused(self) -> Counter[str]:
        """Plans that were not accepted, by their reason."""
        return Counter(why for case in self.cases for why in case.refused)


def number_of(failure: Failure) -> int:
    """Give a case's number in its stream, from 1."""
    return int(failure.case[1:])


def play(stream: Stream, decider: Decider, policy: Policy) -> Played:
    """Play a whole stream, until the last window has ended.

    Raises:
        WireError: the decider broke the wire.
    """
    return _Play(stream, decider, policy).run()


class _Play:
    """The state of one play."""

    def __init__(self, stream: Stream, decider: Decider, policy: Policy) -> None:
        self.stream, self.world, self.decider, self.policy = stream, stream.world, decider, policy
        self.cases: dict[str, Case] = {}
        self.charges: list[Charge] = []
        self.planned: list[tuple[float, int, str]] = []
        self.plans = 0
        self.brands = {failure.customer: failure.brand for failure in stream.failures}
        drawn = max((number_of(failure) for failure in stream.failures), default=0)
        self.block = self.world.chance(Draw.FATIGUE).random((drawn, policy.max_tries + 1))

    def run(self) -> Played:
        for merchant in self.world.merchants:
            told = {"type": "policy", "merchant": merchant.name, "mode": "smart"}
            self.decider.tell(told | vars(self.policy))
        for at, event in _merged(self.stream):
            while self.planned and self.planned[0][0] <= at:
                self._fire(at)
            if isinstance(event, Failure):
                self._open(event)
            else:
                if event["type"] == "payment":
                    who, card = event["customer"], event["instrument"]
                    brand = self.brands.get(who)
                    self.charges.append(Charge(at, "other", None, who, card, brand, None, True, None))
                self._take(at, self.decider.tell(event))
        while self.planned:
            self._fire(float("inf"))
        self.decider.close()
        return Played(list(self.cases.values()), self.charges)

    def _open(self, failure: Failure) -> None:
        self.cases[failure.case] = Case(failure, failure.at + self.policy.window_days * DAY)
        wire = failure.wire
        codes = Codes(wire["code"], wire["advice"], wire["network_code"], wire["network_advice"])
        self._write_down(failure, failure.at, "renewal", codes)
        self._take(failure.at, self.decider.tell(wire))

    def _take(self, now: float, answers: Iterable[Answer]) -> None:
        """Believe what the decider says, within the policy."""
        for answer in answers:
            case = self.cases.get(answer.case)
            if case is None:
                raise WireError(f"{iso(now)}: an answer for {answer.case}, which is no case")
            if case.state != "open":
                raise WireError(f"{iso(now)}: an answer for {answer.case}, which is {case.state}")
            case.plan = 0
            if answer.action == "stop":
                case.state = "stopped"
            if answer.action != "retry":
                continue
            at = max(answer.at, now)
            if at > case.ends:
                case.refused.append(BEYOND_WINDOW)
            elif case.tries >= self.policy.max_tries:
                case.refused.append(NO_TRY_LEFT)
            else:
                self.plans += 1
                case.plan = self.plans
                heapq.heappush(self.planned, (at, self.plans, answer.case))

    def _fire(self, until: float) -> None:
        """Make the next planned try, unless another plan has replaced it."""
        at, plan, name = heapq.heappop(self.planned)
        case = self.cases[name]
        if case.plan != plan or case.state != "open":
            return
        assert at <= until, "tries are made in the order of time"
        case.plan = 0
        case.tries += 1
        codes = self._outcome(case, at)
        self._write_down(case.failure, at, "retry", codes)
        told: dict[str, Any] = {"type": "outcome", "at": iso(at), "case": name, "success": codes is None}
        told |= asdict(codes) if codes is not None else dict.fromkeys(asdict(NO_CODES))
        if codes is None:
            case.state, case.recovered_at = "recovered", at
        self._take(at, self.decider.tell(told))

    def _outcome(self, case: Case, at: float) -> Codes | None:
        """Read from the path why a try fails now; None when it passes."""
        failure = case.failure
        utc = int(at - EPOCH) // 3600
        hour = utc + int(self.world.offsets[failure.zone, utc])
        blocked = bool(
            (self.block[number_of(failure) - 1, 1 : case.tries] < self.world.odds["fatigue"]).any()
        )
        cause = Cause.BLOCKED if blocked else Cause(int(failure.path[max(0, hour - failure.hour)]))
        return None if cause is Cause.NONE else failure.codes(self.world, cause, hour)

    def _write_down(self, failure: Failure, at: float, by: str, codes: Codes | None) -> None:
        card = failure.instrument(at)
        self.charges.append(
            Charge(
                at, by, failure.case, failure.customer, card, failure.brand, failure.amount_minor,
                codes is None, codes,
            )
        )  # fmt: skip


def _merged(stream: Stream) -> Iterable[tuple[int, Failure | dict[str, Any]]]:
    """Give failures and other events in the order of time."""
    failures = ((failure.at, 1, i, failure) for i, failure in enumerate(stream.failures))
    told = ((one.at, 0, i, one.wire) for i, one in enumerate(stream.told))
    merged: Iterable[tuple[int, int, int, Any]] = heapq.merge(failures, told)
    for at, _, _, event in merged:
        yield at, event
