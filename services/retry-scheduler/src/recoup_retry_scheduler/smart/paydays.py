"""When a customer is paid: a belief over pay cycles, sharpened by each charge of theirs that passes or fails.

Days are local days since 1970-01-01, shifted so that a day begins when wages have arrived (`ARRIVED_BY`).
Weekend pay moves to the business day before. Prior shares: US Bureau of Labor Statistics, length of pay periods
(weekly 32, biweekly 37, semi-monthly 20, monthly 11 %); in Europe wages are monthly by law or custom.
"""

import datetime as dt
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ARRIVED_BY = 7
"""Local hour by which a day's wages can be spent."""

EPOCH = dt.date(1970, 1, 1).toordinal()
FIRST, LAST = dt.date(1990, 1, 1), dt.date(2069, 12, 31)
"""Of the tables; before and after them paydays are those of their edges."""

_FIRST_DAY = FIRST.toordinal() - EPOCH
_DAYS = LAST.toordinal() - FIRST.toordinal() + 1
OLD = 45
"""Days since the last payday where there is none."""


LAST_BUSINESS_DAY = 32
"""As a day of a month."""


@dataclass(frozen=True, slots=True)
class Cycle:
    """A way to be paid. `of`: the weekday (Monday is 0), or the days of a month; empty where there is none."""

    name: str
    of: tuple[int, ...]
    length: float
    """Days between two paydays, on average."""


def _cycles() -> Iterator[Cycle]:
    for weekday in range(5):
        yield Cycle("weekly", (weekday,), 7)
    for phase in range(2):
        for weekday in range(5):
            yield Cycle("biweekly", (weekday, phase), 14)
    for days in ((1, 15), (15, LAST_BUSINESS_DAY), (5, 20)):
        yield Cycle("semi_monthly", days, 15.2)
    for day in range(1, LAST_BUSINESS_DAY + 1):
        yield Cycle("monthly", (day,), 30.4)
    yield Cycle("none", (), 30.4)


CYCLES = tuple(_cycles())
LENGTHS = np.array([cycle.length for cycle in CYCLES])
_NONE = len(CYCLES) - 1


def _business_day_before(day: dt.date) -> dt.date:
    return day - dt.timedelta(days=max(0, day.weekday() - 4))


def _of_month(year: int, month: int, day: int) -> dt.date:
    return _business_day_before(dt.date(year, month, min(day, monthrange(year, month)[1])))


def _paydays(cycle: Cycle) -> Iterator[dt.date]:
    if cycle.name in {"weekly", "biweekly"}:
        weekday, phase = (*cycle.of, 0)[:2]
        step = 7 if cycle.name == "weekly" else 14
        first = FIRST + dt.timedelta(days=(weekday - FIRST.weekday()) % 7 + 7 * phase)
        yield from (first + dt.timedelta(days=ahead) for ahead in range(0, _DAYS - 14, step))
        return
    for year in range(FIRST.year, LAST.year + 1):
        for month in range(1, 13):
            yield from (_of_month(year, month, day) for day in cycle.of)


@cache
def _tables() -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Give, by cycle and day: how many paydays there have been, and days since the last one."""
    counts = np.zeros((len(CYCLES), _DAYS), dtype=np.int16)
    for row, cycle in enumerate(CYCLES):
        for payday in _paydays(cycle):
            at = payday.toordinal() - FIRST.toordinal()
            if 0 <= at < _DAYS:
                counts[row, at] = 1
    days = np.arange(_DAYS)
    last = np.maximum.accumulate(np.where(counts > 0, days, -OLD), axis=1)
    return np.cumsum(counts, axis=1, dtype=np.int16), np.minimum(days - last, OLD).astype(np.int16)


def day_of(local_hours: float) -> int:
    """Give the pay day of a local instant in hours since 1970."""
    return int((local_hours - ARRIVED_BY) // 24)


def _column(day: int) -> int:
    return min(max(day - _FIRST_DAY, 0), _DAYS - 1)


_US = {"weekly": 0.30, "biweekly": 0.35, "semi_monthly": 0.19, "monthly": 0.11, "none": 0.05}
_MONTHLY = {"weekly": 0.03, "biweekly": 0.02, "semi_monthly": 0.02, "monthly": 0.85, "none": 0.08}
_MIXED = {"weekly": 0.15, "biweekly": 0.20, "semi_monthly": 0.15, "monthly": 0.40, "none": 0.10}
_SHARES = {"US": _US, "CA": _US, "AU": _US, "NZ": _US}
_MONTHLY_COUNTRIES = frozenset(
    "AT BE BG CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LT LU LV MT NL NO PL PT RO SE SI SK".split()  # noqa: SIM905  a list would take thirty lines
)
_WEEKDAYS = (0.06, 0.06, 0.10, 0.18, 0.60)
_DAYS_OF_MONTH = {
    1: 9.0,
    5: 2.0,
    10: 2.5,
    15: 7.0,
    20: 2.5,
    25: 7.0,
    26: 3.0,
    27: 4.0,
    28: 6.0,
    30: 5.0,
    31: 6.0,
} | {LAST_BUSINESS_DAY: 12.0}


@lru_cache(maxsize=512)
def prior(country: str | None) -> Floats:
    """Give the share of each cycle among a country's customers."""
    shares = _SHARES.get(country or "", _MONTHLY if country in _MONTHLY_COUNTRIES else _MIXED)
    within = []
    for cycle in CYCLES:
        match cycle.name:
            case "weekly":
                within.append(_WEEKDAYS[cycle.of[0]])
            case "biweekly":
                within.append(_WEEKDAYS[cycle.of[0]] / 2)
            case "semi_monthly":
                within.append({1: 0.45, 15: 0.45, 5: 0.1}[cycle.of[0]])
            case "monthly":
                within.append(_DAYS_OF_MONTH.get(cycle.of[0], 0.7))
            case _:
                within.append(1.0)
    weights = np.array(within)
    for name, share in shares.items():
        rows = np.array([cycle.name == name for cycle in CYCLES])
        weights[rows] *= share / weights[rows].sum()
    weights.setflags(write=False)
    return weights


def ages(day: int) -> Floats:
    """Give days since the last payday, by cycle."""
    return _tables()[1][:, _column(day)].astype(float)


def at(local: Floats) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Give days since the last payday and how many there were, by instant and cycle.

    Args:
        local: hours since 1970.
    """
    counts, ages = _by_day()
    days = ((local - (ARRIVED_BY + 24 * _FIRST_DAY)) // 24).astype(np.int64).clip(0, _DAYS - 1)
    return ages[days], counts[days]


@cache
def _by_day() -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    counts, ages = _tables()
    return np.ascontiguousarray(counts.T), np.ascontiguousarray(ages.T)


def crossed(first: int, second: int) -> NDArray[np.bool_]:
    """Tell by cycle whether a payday lies after the first day and not after the second."""
    table = _tables()[0]
    return table[:, _column(second)] > table[:, _column(first)]


def on_day(day: int) -> NDArray[np.bool_]:
    """Tell by cycle whether this is a payday."""
    return crossed(day - 1, day)


def told(
    weights: Floats, *, today: int, day_of_month: int | None, weekday: int | None, day: int | None
) -> Floats:
    """Give the belief after the customer has said when they are paid; nearly all of it follows their word.

    Args:
        day: the next one, so that none is nearer; or a past one.
    """
    fits = np.zeros(len(CYCLES), dtype=bool)
    if day_of_month is not None:
        fits |= np.array([cycle.name == "monthly" and cycle.of[0] == day_of_month for cycle in CYCLES])
    if weekday is not None:
        named = min(weekday, 4)
        fits |= np.array([cycle.name in {"weekly", "biweekly"} and cycle.of[0] == named for cycle in CYCLES])
    if day is not None:
        paid = on_day(day)
        if day > today:
            paid &= ~crossed(today, day - 1)
        fits |= paid
    if not fits.any():
        return weights
    trusted = np.where(fits, np.maximum(weights, 1e-4), 0)
    belief: Floats = 0.97 * trusted / trusted.sum() + 0.03 * weights
    return belief
