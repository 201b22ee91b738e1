"""Schedules that a decider is compared with, as deciders: fixed after 1, 3 and 7 days, and evenly spaced.

Promise: they know the rules that everybody knows: nothing is tried after a code that says never again, a card that has
ended is not tried, and a new card is tried at once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from .labels import NEEDS_NEW_CARD, NEVER_RETRY
from .play import DAY, Policy
from .stream import iso

Line = dict[str, Any]
ALMOST = 3600
"""Seconds before the window's end at which the last even try is made."""


class Schedule(Protocol):
    """When to try, told once at the failure and once for a new card."""

    def after_failure(self, failure: Mapping[str, Any], at: float) -> Sequence[float]:
        """Give the instants of all tries, ascending, seconds since 1970."""
        ...

    def after_new_card(
        self, failure: Mapping[str, Any], at: float, until: float, tries: int
    ) -> Sequence[float]:
        """Give the instants of all tries of a card that was given at this instant.

        Args:
            until: the window's end.
            tries: that are left.
        """
        ...


class Steps:
    """So many days after the failure; after a new card at once, and then the same steps."""

    def __init__(self, days: Sequence[float]) -> None:
        self.days = days

    def after_failure(self, failure: Mapping[str, Any], at: float) -> Sequence[float]:
        """Give the steps."""
        return [at + days * DAY for days in self.days]

    def after_new_card(
        self, failure: Mapping[str, Any], at: float, until: float, tries: int
    ) -> Sequence[float]:
        """Give the instant itself, and the steps."""
        return [at, *self.after_failure(failure, at)]


def fixed() -> Steps:
    """Try after 1, 3 and 7 days."""
    return Steps((1, 3, 7))


def even(policy: Policy) -> Steps:
    """Spread all tries evenly over the window, the last one just within it."""
    apart = (policy.window_days * DAY - ALMOST) / policy.max_tries / DAY
    return Steps([apart * (i + 1) for i in range(policy.max_tries)])


class Scheduled:
    """A decider that follows a schedule; it learns nothing."""

    def __init__(self, schedule: Schedule, policy: Policy) -> None:
        self.schedule, self.policy = schedule, policy
        self.number = 0
        self.failures: dict[str, Line] = {}
        self.open: dict[str, list[str]] = {}
        self.ends: dict[str, float] = {}
        self.left: dict[str, int] = {}
        self.plans: dict[str, list[float]] = {}

    def __call__(self, event: Line) -> list[Line]:
        """Answer one input line."""
        self.number += 1
        match event["type"]:
            case "failure":
                return [self._opened(event)]
            case "outcome" if event["success"]:
                self._close(event["case"])
                return []
            case "outcome":
                self.left[event["case"]] -= 1
                return [self._next(event["case"], event["code"], _seconds(event["at"]))]
            case "card_updated":
                return [
                    self._renewed(case, _seconds(event["at"])) for case in self.open.get(event["customer"], ())
                    if self.ends[case] > _seconds(event["at"]) and self.left[case]
                ]  # fmt: skip
            case _:
                return []

    def _opened(self, event: Line) -> Line:
        case, at = event["case"], _seconds(event["at"])
        self.failures[case], self.left[case] = event, self.policy.max_tries
        self.ends[case] = at + self.policy.window_days * DAY
        self.open.setdefault(event["customer"], []).append(case)
        if event["code"] not in NEEDS_NEW_CARD | NEVER_RETRY:
            self.plans[case] = list(self.schedule.after_failure(event, at))
        return self._next(case, event["code"], at)

    def _renewed(self, case: str, at: float) -> Line:
        self.plans[case] = list(
            self.schedule.after_new_card(self.failures[case], at, self.ends[case], self.left[case])
        )
        return self._next(case, None, at)

    def _next(self, case: str, code: str | None, now: float) -> Line:
        """Say what follows from a decline or a new card."""
        ahead = [at for at in self.plans.get(case, ()) if now <= at <= self.ends[case]]
        if code in NEVER_RETRY or not self.left[case]:
            self._close(case)
            return self._line(case, action="stop", reason="never again, or no try left")
        if code in NEEDS_NEW_CARD:
            self.plans[case] = []
            return self._line(case, action="wait", reason="the card has ended") | {"for": "card_updated"}
        if not ahead:
            return self._line(case, action="wait", reason="the schedule has ended") | {"for": "card_updated"}
        self.plans[case] = ahead[1:]
        told = {"at": iso(ahead[0]), "p": 0.5, "propensity": 1.0}
        return self._line(case, action="retry", reason="as scheduled") | told

    def _close(self, case: str) -> None:
        self.open[self.failures.pop(case)["customer"]].remove(case)

    def _line(self, case: str, *, action: str, reason: str) -> Line:
        return {"line": self.number, "case": case, "action": action, "reason": reason}


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
