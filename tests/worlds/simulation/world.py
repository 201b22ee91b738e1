"""A world: its odds drawn from the setting's ranges, and its issuers and merchants, by name and seed.

Promise: nothing here is about a single customer; what stands here is what the population oracle may know.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import cached_property
from typing import TypeVar
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from . import paydays
from .settings import RANGES, SETTINGS, Setting

T = TypeVar("T")

FIRST = date(2025, 1, 1)
"""The first local day on which something is charged."""
BEFORE = 60
"""Days that balances run before the first day, so that they have forgotten how they began."""
MONTHS = 12
LONGEST_WINDOW = 60
"""Days."""
DAYS = BEFORE + 365 + LONGEST_WINDOW + 2
HOURS = 24 * DAYS
ORIGIN = FIRST - timedelta(days=BEFORE)
"""The day whose local midnight is hour 0 of every path."""


class Draw(IntEnum):
    """What random numbers are drawn for: each has its own, so that one more of this changes nothing of that."""

    PEOPLE = 0
    BALANCES = 1
    CARDS = 2
    HOLDS = 3
    MOODS = 4
    OUTAGES = 5
    CHARGES = 6
    FATIGUE = 7


@dataclass(frozen=True)
class Grid:
    """The local hours that paths are kept at: every `step` hours, from `phase` on; step divides 24."""

    phase: int = 0
    step: int = 1

    def __len__(self) -> int:
        return HOURS // self.step

    @property
    def of_day(self) -> npt.NDArray[np.int64]:
        """Hours of a day that are kept."""
        return np.arange(self.phase, 24, self.step)

    def place(self, hour: float) -> int:
        """Give the place of the first hour kept that is not before this one, since ORIGIN's local midnight."""
        return min(max(0, math.ceil((hour - self.phase) / self.step)), len(self))

    def places(self, hours: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Give the places of the hours kept that are nearest to these."""
        return np.clip((hours - self.phase + self.step // 2) // self.step, 0, len(self) - 1)


HOURLY = Grid()


@dataclass(frozen=True)
class Issuer:
    """A bank that issues cards.

    Args:
        vague: share of its declines for lack of funds that it calls do_not_honor.
        outages: how many it has, next to the others.
    """

    name: str
    share: float
    vague: float
    outages: float


@dataclass(frozen=True)
class Merchant:
    """A merchant: passes the network's codes on or not."""

    name: str
    share: float
    codes_passed: bool


@dataclass(frozen=True)
class World:
    """What a population has in common.

    Args:
        odds: by the names of RANGES.
    """

    setting: Setting
    seed: int
    odds: Mapping[str, float]
    issuers: tuple[Issuer, ...]
    merchants: tuple[Merchant, ...]

    @property
    def name(self) -> str:
        """As in SETTINGS."""
        return self.setting.name

    def chance(self, draw: Draw, purpose: int = 0, block: int = 0) -> np.random.Generator:
        """Give random numbers for a part of the world, the same ones each time."""
        return np.random.default_rng([zlib.crc32(self.name.encode()), self.seed, purpose, block, draw])

    @cached_property
    def zones(self) -> tuple[str, ...]:
        """Timezones of the world, by the number that a customer carries."""
        return tuple(zone for country, _ in self.setting.countries for zone in country.timezones)

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of payday, by the number that a customer carries; the last are days on which credit is repaid."""
        cycles = [cycle for country, _ in self.setting.countries for cycle in country.cycles]
        kinds = [kind for cycle in cycles for kind in paydays.kinds_of(cycle)]
        return tuple(dict.fromkeys([*kinds, *(f"day_{day}" for day in range(2, 29, 2))]))

    @cached_property
    def offsets(self) -> npt.NDArray[np.int64]:
        """For each zone and hour of UTC from ORIGIN's midnight, how many hours local time is ahead."""
        midnight = datetime(ORIGIN.year, ORIGIN.month, ORIGIN.day, tzinfo=UTC)
        hours = [midnight + timedelta(hours=hour) for hour in range(HOURS + 24)]
        return np.array([[_ahead(hour, ZoneInfo(zone)) for hour in hours] for zone in self.zones])


def _ahead(at: datetime, zone: ZoneInfo) -> int:
    ahead = at.astimezone(zone).utcoffset()
    assert ahead is not None
    return round(ahead.total_seconds() / 3600)


def draw(name: str, seed: int) -> World:
    """Make the world of this name and seed."""
    setting = SETTINGS[name]
    chance = np.random.default_rng([zlib.crc32(name.encode()), seed])
    odds = {key: chance.uniform(*(setting.ranges.get(key, usual))) for key, usual in RANGES.items()}
    shares = chance.dirichlet(np.full(12, 3.0))
    vague = chance.beta(odds["vague"] * 4, (1 - odds["vague"]) * 4, size=12)
    vague *= odds["vague"] / float(shares @ vague)
    issuers = tuple(
        Issuer(
            f"bank-{i + 1:02d}", float(shares[i]), float(min(vague[i], 0.97)), float(chance.uniform(0.3, 1.7))
        )
        for i in range(12)
    )
    sizes = chance.dirichlet(np.full(6, 2.0))
    merchants = tuple(
        Merchant(f"m{i + 1}", float(sizes[i]), bool(chance.random() < odds["codes_passed"])) for i in range(6)
    )
    return World(setting, seed, odds, issuers, merchants)


def pick(chance: np.random.Generator, shares: Sequence[float], n: int) -> npt.NDArray[np.int64]:
    """Draw n numbers below the count of shares, by these shares."""
    total = np.cumsum(np.asarray(shares, dtype=np.float64))
    return np.searchsorted(total / total[-1], chance.random(n), side="right")
