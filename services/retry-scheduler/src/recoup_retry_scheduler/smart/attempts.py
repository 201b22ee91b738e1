"""A log of attempts as columns: of each event what the mind would be told, as far as no weights are in it.

Thirty bytes an event, so that a million attempts and all payments between them fit into memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recoup_retry_scheduler.smart import paydays
from recoup_retry_scheduler.smart.odds import Kind
from recoup_retry_scheduler.smart.tables import LONGEST, Failing

Events = NDArray[np.void]
KINDS = tuple(Kind)
_PLACES = {kind: place for place, kind in enumerate(KINDS)}


class What(IntEnum):
    """What an event is."""

    FAILURE = 0
    PAYMENT = 1
    DECLINED = 2
    PASSED = 3
    PAYDAY = 4


ATTEMPT = (What.DECLINED, What.PASSED)

EVENT = np.dtype(
    [
        ("what", "i1"),
        ("kind", "i1"),
        ("hour", "i1"),
        ("weekday", "i1"),
        ("paid", "i1"),
        ("number", "i2"),
        ("person", "i4"),
        ("first", "i4"),
        ("day", "i4"),
        ("gap", "f4"),
        ("since", "f4"),
    ]
)
"""One event.

`first` and `day` are pay days of the last try and of this event; `hour` and `weekday` are local; `gap` and `since` are
hours since the last try and the first failure; `paid` tells that a charge of the customer's has passed in between.
"""

_EVENT = Struct("<bbbbbhiiiff")
_NOTHING = (0, 0, 0, 0, 0)
_PAYMENT = int(What.PAYMENT)  # most of a log are payments
NEVER = -1e9
"""Hours since 1970 of what has not been."""


@dataclass(frozen=True, slots=True)
class Payday:
    """When a customer says that they are paid; as `paydays.told` wants it."""

    today: int
    day_of_month: int | None
    weekday: int | None
    day: int | None


@dataclass(frozen=True)
class Log:
    """Events, each customer's in the order of time.

    Attributes:
        priors: what is believed of a customer at first: places in `countries`, by customer.
        paydays: what was said, by the place of the event.
    """

    events: Events
    priors: NDArray[np.int16]
    countries: list[str | None]
    paydays: dict[int, Payday]

    @property
    def attempts(self) -> NDArray[np.int64]:
        """Give the places of the attempts."""
        return np.flatnonzero(np.isin(self.events["what"], ATTEMPT))

    def beliefs(self) -> NDArray[np.float64]:
        """Give what is believed of each customer before anything is told."""
        table = np.array([paydays.prior(country) for country in self.countries])
        return table[self.priors] if len(table) else np.zeros((0, len(paydays.CYCLES)))


@dataclass
class Writer:
    """Takes events one by one. Instants are hours since 1970, UTC; `offset` is added for local time."""

    _events: bytearray = field(default_factory=bytearray)
    _passed_at: list[float] = field(default_factory=list)
    _priors: list[int] = field(default_factory=list)
    _countries: dict[str | None, int] = field(default_factory=dict)
    _paydays: dict[int, Payday] = field(default_factory=dict)

    def person(self, country: str | None) -> int:
        """Add a customer, by the country of their bank; give their number."""
        self._priors.append(self._countries.setdefault(country, len(self._countries)))
        self._passed_at.append(NEVER)
        return len(self._priors) - 1

    def locate(self, person: int, country: str) -> None:
        """Say where a customer's bank is who was added without a country."""
        self._priors[person] = self._countries.setdefault(country, len(self._countries))

    def failure(self, person: int, failing: Failing) -> None:
        """Add a first failure."""
        day = paydays.day_of(failing.first_at + failing.offset)
        self._add(What.FAILURE, _PLACES[failing.kind], 0, 0, 0, 1, person, day, day, 0.0, 0.0)

    def payment(self, person: int, at: float, offset: float) -> None:
        """Add another charge that passed."""
        day = paydays.day_of(at + offset)
        self._events += _EVENT.pack(_PAYMENT, 0, 0, 0, 0, 0, person, day, day, 0.0, 0.0)
        self._passed_at[person] = max(self._passed_at[person], at)

    def payday(self, person: int, told: Payday) -> None:
        """Add what a customer says."""
        self._paydays[len(self._events) // _EVENT.size] = told
        self._add(What.PAYDAY, *_NOTHING, person, told.today, told.today, 0.0, 0.0)

    def attempt(self, person: int, failing: Failing, at: float, *, passed: bool) -> None:
        """Add a try and its outcome."""
        local, last = at + failing.offset, failing.last_at
        self._add(
            What.PASSED if passed else What.DECLINED,
            _PLACES[failing.kind],
            int(local % 24),
            int(local // 24 + 3) % 7,
            last < self._passed_at[person] <= at,
            failing.number,
            person,
            paydays.day_of(last + failing.offset),
            paydays.day_of(local),
            max(at - last, 0.0),
            min(at - failing.first_at, LONGEST),
        )
        if passed:
            self._passed_at[person] = at

    def _add(self, *event: Any) -> None:
        self._events += _EVENT.pack(*event)

    def log(self) -> Log:
        """Give what was added."""
        events = np.frombuffer(self._events, EVENT)
        return Log(events, np.array(self._priors, np.int16), list(self._countries), self._paydays)


@dataclass(frozen=True)
class Days:
    """Paydays of a log's days, one row a day from `start` on.

    Attributes:
        ages: days since the last payday, by day and cycle.
        counts: how many there have been.
    """

    start: int
    ages: NDArray[np.int16]
    counts: NDArray[np.int16]

    @classmethod
    def of(cls, log: Log) -> "Days":
        """Look them up."""
        days = np.concatenate([log.events["first"], log.events["day"]])
        start, end = (int(days.min()), int(days.max())) if len(days) else (0, 0)
        local = np.arange(start, end + 1, dtype=np.float64) * 24 + paydays.ARRIVED_BY
        return cls(start, *paydays.at(local))


def waves(events: Events) -> Iterator[NDArray[np.int64]]:
    """Give the places of events wave by wave: in none is a customer twice, and each customer's are in order."""
    order = np.argsort(events["person"], kind="stable")
    people = events["person"][order]
    begins = np.flatnonzero(np.diff(people, prepend=-1))
    rank = np.arange(len(order)) - np.repeat(begins, np.diff(begins, append=len(order)))
    by_rank = np.argsort(rank, kind="stable")
    yield from np.split(order[by_rank], np.flatnonzero(np.diff(rank[by_rank])) + 1)
