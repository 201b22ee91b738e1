"""What else stops a charge: holds of risk engines, nervous hours, outages of issuers, cards that end.

Promise: all of it is latent: it happens whether or not anybody tries, and to all who try in the same hour.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from .people import SUBSCRIPTIONS, Bools, Floats, Ints, People, Purpose
from .world import BEFORE, DAYS, HOURS, LONGEST_WINDOW, ORIGIN, Draw, Grid, World

Reals = npt.NDArray[np.float64]

NEVER = HOURS * 10
"""An hour after all others."""
LAST_RENEWAL = 24 * (DAYS - LONGEST_WINDOW - 2)
"""The hour before which charges are made: every window ends within the paths."""


def renewals(people: People) -> tuple[Ints, Ints, Ints]:
    """Give each renewal: customer, subscription and minute since ORIGIN's local midnight, in this order, by time."""
    months = [date(ORIGIN.year, ORIGIN.month, 1)]
    while (months[-1] - ORIGIN).days * 24 < LAST_RENEWAL:
        months.append((months[-1] + timedelta(days=32)).replace(day=1))
    starts = np.array([(month - ORIGIN).days for month in months])
    days = starts[:, None, None] + people.charge_day[None] - 1
    minutes = days * 1440 + people.charge_minute[None]
    has = np.ones((len(people), SUBSCRIPTIONS), dtype=np.bool_)
    has[:, 1] = people.second
    meant = has[None] & (minutes >= people.joined[None, :, None] * 1440) & (minutes < LAST_RENEWAL * 60)
    _, customer, subscription = np.nonzero(meant)
    at = minutes[meant]
    order = np.lexsort((subscription, customer, at))
    return customer[order], subscription[order], at[order]


@dataclass(frozen=True)
class Cards:
    """How each customer's card ends, at most once; hours since ORIGIN's local midnight.

    Args:
        ends: when it no longer works; NEVER otherwise.
        renewed: when the customer gives a new one; NEVER when that doesn't happen.
        how: of HOW, its place.
    """

    ends: Ints
    renewed: Ints
    how: Ints


HOW = ("expired", "lost", "closed", "revoked")


def cards_of(people: People) -> Cards:
    """Draw how cards end; a customer gives a new one some days after the first charge that failed for it."""
    world, n = people.world, len(people)
    chance, odds = world.chance(Draw.CARDS, people.purpose, people.number), world.odds
    rates = np.array([odds["expiries"], odds["lost"], odds["closed"], odds["revoked"]])
    years = (LAST_RENEWAL / 24 - BEFORE) / 365.25
    ends = chance.random(n) < 1 - np.exp(-rates.sum() * years)
    how = np.searchsorted(np.cumsum(rates / rates.sum()), chance.random(n)).clip(0, 3)
    at = chance.integers(BEFORE * 24, LAST_RENEWAL, n)
    month_ends = np.array([(ORIGIN + timedelta(days=day)).day == 1 for day in range(DAYS)]).nonzero()[0] * 24
    at = np.where(how == 0, month_ends[np.searchsorted(month_ends, at).clip(0, len(month_ends) - 1)], at)
    at = np.where(ends, at, NEVER)
    customer, _, minute = renewals(people)
    failing = minute >= at[customer] * 60
    noticed = np.full(n, NEVER * 60)
    np.minimum.at(noticed, customer[failing], minute[failing])
    replaced = (chance.random(n) < odds["replaced"]) & (how < 3) & (noticed < NEVER * 60)
    waits = odds["replaced_after_days"] * chance.lognormal(-0.3, 0.8, n)
    renewed = np.where(replaced, noticed // 60 + np.ceil(waits * 24).astype(np.int64).clip(2), NEVER)
    return Cards(at, renewed, how)


@dataclass(frozen=True)
class Spans:
    """Stretches of time of customers or issuers; hours since ORIGIN's midnight."""

    row: Ints
    start: Reals
    end: Reals


def holds(people: People) -> Spans:
    """Draw when each customer's card is held by a risk engine, in local hours."""
    world, n = people.world, len(people)
    chance, odds = world.chance(Draw.HOLDS, people.purpose, people.number), world.odds
    long, short = odds["long_hold_days"], odds["short_hold_days"]
    mean = odds["long_holds"] * long + (1 - odds["long_holds"]) * short
    customer = np.repeat(np.arange(n), chance.poisson(odds["holds"] / mean * DAYS, n))
    starts = chance.random(len(customer)) * HOURS
    is_long = chance.random(len(customer)) < odds["long_holds"]
    lasts = chance.exponential(24.0, len(customer)) * np.where(is_long, long, short)
    return Spans(customer, starts, starts + lasts)


def nervous(people: People, grid: Grid) -> Bools:
    """Tell at which hours a risk engine declines what would pass; one mood a customer and day."""
    world, odds = people.world, people.world.odds
    chance = world.chance(Draw.MOODS, people.purpose, people.number)
    mood: Floats = chance.random((len(people), DAYS, 1), dtype=np.float32)
    risky = np.isin(grid.of_day, world.setting.risky_hours)
    weekend = (np.arange(DAYS) + ORIGIN.weekday()) % 7 >= 5
    limit = np.where(risky, odds["risky_declines"], odds["calm_declines"])
    limits = limit[None, :] + weekend[:, None] * odds["weekend_declines"]
    found: Bools = mood < limits.astype(np.float32)
    return found.reshape(len(people), len(grid))


def outages(world: World, purpose: Purpose) -> Spans:
    """Draw when each issuer is down, in hours of UTC; the oracle's are others than the stream's."""
    chance, odds = world.chance(Draw.OUTAGES, purpose), world.odds
    often = [odds["outages"] / 30.4 * DAYS * issuer.outages for issuer in world.issuers]
    issuer = np.repeat(np.arange(len(often)), chance.poisson(often))
    start = chance.random(len(issuer)) * (HOURS - 24)
    lasts = chance.exponential(odds["outage_hours"], len(issuer)).clip(1.0)
    return Spans(issuer, start, start + lasts)
