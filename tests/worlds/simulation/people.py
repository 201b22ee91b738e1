"""Customers, drawn by the thousand: where they live, how they are paid and charged, what they are like.

Promise: whom a block holds depends on the world, its purpose and its number alone, so that a longer stream holds the
customers of a shorter one.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from . import paydays
from .world import BEFORE, Draw, World, pick

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

BLOCK = 2000
"""Customers in a block."""

BRANDS = {"visa": 0.55, "mastercard": 0.37, "amex": 0.05, "discover": 0.03}
SUBSCRIPTIONS = 2
"""The most that a customer has."""


class Funding(IntEnum):
    """What an instrument draws on."""

    DEBIT = 0
    CREDIT = 1
    PREPAID = 2


class Purpose(IntEnum):
    """What a block of customers is for; those of one purpose are never seen by the other."""

    STREAM = 0
    ORACLE = 1


@dataclass(frozen=True)
class People:
    """A block of customers; every array has one entry a customer.

    Args:
        world: whose odds they follow.
        number: of the block, from 0.
        country, zone, kind, issuer, merchant, brand: places in the world's own lists.
        tight: lives from one payday to the next; the others never lack funds.
        appetite: share of what is left that is spent a day.
        fixed: rent and bills, of the income.
        price: of one charge, of a month's income.
        income_minor: a month, in minor units.
        pay_hour: local hour at which pay is booked.
        rent_day: of the month.
        charge_day, charge_minute: of the month, from 1, and of the local day, for each subscription; (n, 2).
        second: has a second subscription.
        joined: local day, since ORIGIN, before which nothing is charged.
        abandoned: local hour, since ORIGIN, after which money never comes again.
        talks: uniform in [0, 1); customers below the share told in advance name their payday when asked.
    """

    world: World
    purpose: Purpose
    number: int
    country: Ints
    zone: Ints
    kind: Ints
    funding: Ints
    issuer: Ints
    merchant: Ints
    brand: Ints
    tight: Bools
    appetite: Floats
    fixed: Floats
    price: Floats
    income_minor: Ints
    pay_hour: Ints
    rent_day: Ints
    charge_day: Ints
    charge_minute: Ints
    second: Bools
    joined: Ints
    abandoned: Ints
    talks: Floats

    def __len__(self) -> int:
        return len(self.kind)


def draw_people(world: World, purpose: Purpose, number: int) -> People:
    """Draw a block of customers."""
    chance, odds, n = world.chance(Draw.PEOPLE, purpose, number), world.odds, BLOCK
    countries = [country for country, _ in world.setting.countries]
    country = pick(chance, [share for _, share in world.setting.countries], n)
    funding = pick(chance, world.setting.funding, n)
    tightness = np.array([odds["tight_debit"], odds["tight_credit"], odds["tight_prepaid"]])
    zone, kind = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    for place, one in enumerate(countries):
        there = np.flatnonzero(country == place)
        zones = [world.zones.index(name) for name in one.timezones]
        zone[there] = np.array(zones)[pick(chance, list(one.timezones.values()), len(there))]
        shares = {
            kind: share * part
            for cycle, share in one.cycles.items()
            for kind, part in paydays.kinds_of(cycle).items()
        }
        kinds = np.array([world.kinds.index(name) for name in shares])
        kind[there] = kinds[pick(chance, list(shares.values()), len(there))]
    credit = np.flatnonzero(funding == Funding.CREDIT)
    repaid = np.array([world.kinds.index(f"day_{day}") for day in range(2, 29, 2)])
    kind[credit] = chance.choice(repaid, len(credit))
    return People(
        world=world,
        purpose=purpose,
        number=number,
        country=country,
        zone=zone,
        kind=kind,
        funding=funding,
        issuer=pick(chance, [issuer.share for issuer in world.issuers], n),
        merchant=pick(chance, [merchant.share for merchant in world.merchants], n),
        brand=pick(chance, list(BRANDS.values()), n),
        tight=chance.random(n) < tightness[funding],
        appetite=(odds["appetite"] * chance.lognormal(0, 0.6, n)).clip(0.05, 2.0).astype(np.float32),
        fixed=(odds["fixed_costs"] + chance.normal(0, 0.08, n)).clip(0.2, 0.95).astype(np.float32),
        price=(odds["price"] * chance.lognormal(0, 0.6, n)).clip(0.002, 0.2).astype(np.float32),
        income_minor=(chance.lognormal(np.log(2600), 0.45, n) * 100).astype(np.int64),
        pay_hour=pick(chance, [4, 2, 1, 1, 1, 2, 3, 3, 2, 1], n),
        rent_day=chance.integers(1, 6, n),
        charge_day=_days(chance, n),
        charge_minute=_minutes(chance, n),
        second=chance.random(n) < odds["second_subscription"],
        joined=BEFORE + (chance.uniform(-365, 365, n)).clip(0).astype(np.int64),
        abandoned=24 * BEFORE + (chance.exponential(1 / odds["abandoned"], n) * 8766).astype(np.int64),
        talks=chance.random(n).astype(np.float32),
    )


def _days(chance: np.random.Generator, n: int) -> Ints:
    """Subscriptions begin on the first and in the middle of a month twice as often as on another day."""
    weights = [2.0 if day in {1, 15} else 1.0 for day in range(1, 29)]
    return 1 + pick(chance, weights, n * SUBSCRIPTIONS).reshape(n, SUBSCRIPTIONS)


def _minutes(chance: np.random.Generator, n: int) -> Ints:
    hours = pick(chance, [1.0] * 6 + [5.0] * 18, n * SUBSCRIPTIONS)
    return (hours * 60 + chance.integers(0, 60, n * SUBSCRIPTIONS)).reshape(n, SUBSCRIPTIONS)
