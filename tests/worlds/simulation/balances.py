"""What is on the account of each customer, hour by hour: pay comes, rent and bills go, the rest is spent.

Promise: whether there is enough for a charge follows from a balance, not from a probability. Charges don't
move the balance: they are small beside pay, and every schedule meets the same path.
"""

from datetime import timedelta

import numpy as np
import numpy.typing as npt

from . import paydays
from .people import Floats, Funding, People
from .world import DAYS, HOURS, ORIGIN, Draw, Grid

PROFILE = np.array(
    [0.3, 0.2, 0.1, 0.1, 0.1, 0.2, 0.6, 1.0, 1.2, 1.1, 1.2, 1.5,
     1.9, 1.6, 1.2, 1.2, 1.4, 1.9, 2.3, 2.0, 1.5, 1.1, 0.8, 0.5], dtype=np.float32,
)  # fmt: skip
"""How much is spent in each local hour, before it is made to sum up to a day."""
BILLS_HOUR = 6
STEADY = 0.15
"""What a tight customer spends whatever is left, of the income."""
WINDFALL = 0.05
"""A small sum from elsewhere, mean, of a month's income."""
LATEST = 4
"""Days that late pay is late at most."""


def enough(people: People, who: npt.NDArray[np.int64], grid: Grid) -> npt.NDArray[np.bool_]:
    """Tell for customers who are tight at which hours of the grid the balance covers their charge.

    Args:
        who: places in the block.
    """
    chance = people.world.chance(Draw.BALANCES, people.purpose, people.number)
    comes = _deposits(people, who, chance)
    goes = _bills(people, who, chance)
    noise = chance.lognormal(0, 0.5, (DAYS, len(who))).astype(np.float32)
    profile = PROFILE / PROFILE.sum()
    pay_hour, price, appetite = people.pay_hour[who], people.price[who], people.appetite[who]
    balance = chance.random(len(who)).astype(np.float32) * 0.4
    found = np.zeros((len(grid), len(who)), dtype=np.bool_)
    booked = [np.flatnonzero(pay_hour == hour) for hour in range(24)]
    for hour in range(HOURS):
        day, of_day = divmod(hour, 24)
        if len(paid := booked[of_day]):
            balance[paid] += comes[day, paid]
        if of_day == BILLS_HOUR:
            balance -= goes[day]
        balance -= profile[of_day] * noise[day] * (appetite * balance + STEADY / 30)
        np.maximum(balance, 0, out=balance)
        if hour % grid.step == grid.phase:
            np.greater_equal(balance, price, out=found[hour // grid.step])
    return found.T


def _deposits(people: People, who: npt.NDArray[np.int64], chance: np.random.Generator) -> Floats:
    """Give what comes each day, of a month's income; (days, customers)."""
    world, kind = people.world, people.kind[who]
    paid = paydays.table(world.kinds, ORIGIN, DAYS).T[:, kind]
    parts = np.array([paydays.pays_a_month(name) for name in world.kinds])[kind]
    sizes = np.where(parts > 0, 1 / np.maximum(parts, 1), 0) * chance.normal(1, 0.05, paid.shape).clip(
        0.7, 1.3
    )
    sizes *= chance.random(paid.shape) >= world.odds["missed_pay"]
    late = paid & (chance.random(paid.shape) < world.odds["late_pay"])
    comes = np.where(paid & ~late, sizes, 0)
    day, customer = np.nonzero(late)
    arrives = np.minimum(day + chance.integers(1, LATEST + 1, len(day)), DAYS - 1)
    np.add.at(comes, (arrives, customer), sizes[day, customer])
    irregular = np.array([name in paydays.IRREGULAR for name in world.kinds])[kind]
    drips = _irregular(people, who, chance)
    comes = np.where(irregular | (people.funding[who] == Funding.PREPAID), drips, comes)
    comes = np.where(_workless(people, len(who), chance), 0, comes)
    windfalls = chance.random(comes.shape) < world.odds["windfalls"]
    return (comes + windfalls * chance.exponential(WINDFALL, comes.shape)).astype(np.float32)


def _workless(people: People, n: int, chance: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Tell on which days each of n customers earns nothing; (days, customers)."""
    odds = people.world.odds
    times = chance.poisson(odds["workless"] / odds["workless_days"] * DAYS, n)
    customer = np.repeat(np.arange(n), times)
    starts = chance.integers(0, DAYS, len(customer))
    ends = np.minimum(
        starts + chance.exponential(odds["workless_days"], len(customer)).astype(np.int64) + 1, DAYS
    )
    changes = np.zeros((DAYS + 1, n), dtype=np.int64)
    np.add.at(changes, (starts, customer), 1)
    np.add.at(changes, (ends, customer), -1)
    return np.cumsum(changes[:-1], axis=0) > 0


def _irregular(
    people: People, who: npt.NDArray[np.int64], chance: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Give income without paydays: parts on some days, and weeks without any."""
    shape = (DAYS, len(who))
    invoices = np.array([name == "invoices" for name in people.world.kinds])[people.kind[who]]
    prepaid = people.funding[who] == Funding.PREPAID
    often = np.where(prepaid, 0.12, np.where(invoices, 0.2, 0.4))
    dry = np.repeat(chance.random((DAYS // 7 + 1, len(who))) < 0.25, 7, axis=0)[:DAYS]
    open_days = np.array([paydays.business_day(ORIGIN + timedelta(days=day)) for day in range(DAYS)])
    rests = invoices[None, :] & ~open_days[:, None]
    comes = (chance.random(shape) < often) & ~rests & ~(dry & ~prepaid)
    working = np.where(invoices, 0.69, 1.0) * np.where(prepaid, 1.0, 0.75)
    return np.where(comes, chance.exponential(1, shape) / (30.4 * often * working), 0)


def _bills(people: People, who: npt.NDArray[np.int64], chance: np.random.Generator) -> Floats:
    """Give rent, once a month, and other bills, on days of each customer's own; (days, customers)."""
    days_of_month = np.array([(ORIGIN + timedelta(days=day)).day for day in range(DAYS)])[:, None]
    fixed = people.fixed[who]
    rent = np.where(days_of_month == people.rent_day[who], fixed * 0.6, 0)
    first, second = chance.integers(1, 29, (2, len(who)))
    other = np.where((days_of_month == first) | (days_of_month == second), fixed * 0.2, 0)
    on_credit = people.funding[who] == Funding.CREDIT
    return np.where(on_credit, other * 2, rent + other).astype(np.float32)
