"""On which days money comes: cycles, weekends and bank holidays.

Promise: a kind of payday is a row of a table, days are columns; pay that would fall on a weekend or a bank holiday
comes on the business day before.
"""

import calendar
from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.bool_]

IRREGULAR = ("irregular", "invoices")
"""Cycles without paydays: any day, and any business day."""

BANK_HOLIDAYS = frozenset({(1, 1), (7, 4), (11, 11), (12, 25), (12, 26)})
"""Month and day; those that move are left out."""


def business_day(day: date) -> bool:
    """Tell whether banks work on it."""
    return day.weekday() < 5 and (day.month, day.day) not in BANK_HOLIDAYS


def paid_by(day: date) -> date:
    """Give the day itself, or the business day before."""
    while not business_day(day):
        day -= timedelta(days=1)
    return day


def of_month(year: int, month: int, day: int) -> date:
    """Give a day of a month, its last one when it is shorter."""
    return date(year, month, min(day, calendar.monthrange(year, month)[1]))


def _nominal(kind: str, first: date, last: date) -> list[date]:
    """Give the days on which this kind would be paid if banks never rested, a month beyond both ends."""
    name, _, told = kind.partition("_")
    if name in {"weekly", "biweekly"}:
        step, start = (7, int(told)) if name == "weekly" else (14, int(told))
        monday = date(2024, 1, 1)
        began = monday + timedelta(days=start)
        ahead = (first - began).days // step
        return [
            began + timedelta(days=step * i)
            for i in range(ahead - 1, ahead + (last - first).days // step + 3)
        ]
    days = [int(part) for part in told.split("_")] if name in {"day", "semi"} else []
    found: list[date] = []
    year, month = first.year, first.month
    while date(year, month, 1) <= last + timedelta(days=31):
        end = of_month(year, month, 31)
        if kind == "last_business_day":
            found.append(end)
        elif kind == "last_friday":
            found.append(end - timedelta(days=(end.weekday() - 4) % 7))
        else:
            found += [of_month(year, month, day) for day in days]
        year, month = year + month // 12, month % 12 + 1
    return found


def paydays(kind: str, first: date, last: date) -> list[date]:
    """Give the days from first to last, both included, on which this kind of customer is paid, in order.

    Args:
        kind: `weekly_4` (Fridays; Monday is 0), `biweekly_11` (days after a Monday, below 14), `semi_1_15`, `day_27`,
            `last_business_day`, `last_friday`.
    """
    paid = {paid_by(day) for day in _nominal(kind, first, last)}
    return sorted(day for day in paid if first <= day <= last)


def table(kinds: Sequence[str], first: date, days: int) -> Days:
    """Give for each kind on which of so many days from the first it is paid; all False without paydays."""
    rows = np.zeros((len(kinds), days), dtype=np.bool_)
    for row, kind in enumerate(kinds):
        if kind not in IRREGULAR:
            on = [(day - first).days for day in paydays(kind, first, first + timedelta(days=days - 1))]
            rows[row, on] = True
    return rows


def kinds_of(cycle: str) -> dict[str, float]:
    """Give the kinds of payday that a cycle is made of, with their shares."""
    match cycle:
        case "weekly":
            return {"weekly_4": 0.6, "weekly_3": 0.2, "weekly_2": 0.1, "weekly_0": 0.1}
        case "biweekly":
            return {"biweekly_4": 0.35, "biweekly_11": 0.35, "biweekly_3": 0.15, "biweekly_10": 0.15}
        case "semimonthly":
            return {"semi_1_15": 0.5, "semi_15_31": 0.5}
        case "monthly":
            return {"day_1": 0.5, "day_3": 0.25, "day_28": 0.25}
        case _:
            return {cycle: 1.0}


def pays_a_month(kind: str) -> float:
    """Give how often this kind is paid in a month of 30.4 days, on average; 0 without paydays."""
    if kind in IRREGULAR:
        return 0.0
    return {"weekly": 365.25 / 12 / 7, "biweekly": 365.25 / 12 / 14, "semi": 2.0}.get(
        kind.partition("_")[0], 1.0
    )
