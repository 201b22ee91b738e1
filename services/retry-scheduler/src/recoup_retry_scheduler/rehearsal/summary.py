"""What a rehearsal comes to, by schedule: counts and means of what was planned, never of what it would bring."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from recoup_retry_scheduler.rehearsal.rehearse import Planned, Rehearsed

_DAY = timedelta(days=1)


@dataclass(slots=True)
class OfSchedule:
    """What one schedule planned for all failures.

    Attributes:
        begins: how many begin with a retry, with waiting for whom, or with a stop.
        first_days: by whole days since the failure, how many are tried first then.
        to_first, to_last: days since the failure, added up over those that are tried at all.
        rules: how many failures each rule bit.
    """

    begins: Counter[str] = field(default_factory=Counter)
    tries: int = 0
    first_days: Counter[int] = field(default_factory=Counter)
    to_first: float = 0.0
    to_last: float = 0.0
    rules: Counter[str] = field(default_factory=Counter)

    @property
    def tried(self) -> int:
        """Failures that are tried at all."""
        return self.first_days.total()

    def add(self, planned: Planned, of: Rehearsed) -> None:
        """Count one plan."""
        waits = planned.begins == "wait"
        self.begins[f"wait for {planned.waits_for}" if waits else planned.begins] += 1
        self.tries += len(planned.tries)
        self.rules.update({bite.rule for bite in planned.bites})
        if planned.tries:
            first, last = ((planned.tries[place].at - of.failure.at) / _DAY for place in (0, -1))
            self.first_days[int(first)] += 1
            self.to_first += first
            self.to_last += last


@dataclass(slots=True)
class Summary:
    """What all failures come to.

    Attributes:
        bad: lines that were skipped.
        really_tried, really_passed: failures of which an outcome was told, and a success.
    """

    failures: int = 0
    bad: int = 0
    really_tried: int = 0
    really_passed: int = 0
    schedules: dict[str, OfSchedule] = field(default_factory=dict)

    def add(self, one: Rehearsed) -> None:
        """Count one failure."""
        self.failures += 1
        self.really_tried += bool(one.really)
        self.really_passed += any(told.success for told in one.really)
        for name, planned in one.plans.items():
            self.schedules.setdefault(name, OfSchedule()).add(planned, one)

    def as_json(self) -> dict[str, Any]:
        """Give it as the last line of `--json`."""
        return {
            "type": "summary",
            "failures": self.failures,
            "lines_skipped": self.bad,
            "really": {"tried": self.really_tried, "passed": self.really_passed},
            "schedules": {name: _json(one, self.failures) for name, one in self.schedules.items()},
        }


def _json(one: OfSchedule, failures: int) -> dict[str, Any]:
    return {
        "begins": dict(one.begins),
        "tries_per_failure": one.tries / failures,
        "mean_days_to_first_try": one.to_first / one.tried if one.tried else None,
        "mean_days_to_last_try": one.to_last / one.tried if one.tried else None,
        "first_try_by_day": dict(sorted(one.first_days.items())),
        "rules_that_bit": dict(one.rules.most_common()),
    }
