"""A large population of the same world, other people than the stream's: what the oracle knows of everybody.

Promise: asked about an instant, it gives those who would still be charged then, as if each were renewed at that
instant and every month before; nothing of the stream's own people is in it.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from .labels import odds_of
from .paths import Cause, Causes, causes_of
from .people import BLOCK, Ints, Purpose, draw_people
from .stream import HOPELESS_HOURS
from .troubles import NEVER, cards_of
from .world import Grid, World

Likely = npt.NDArray[np.float32]

GRID = Grid(phase=2, step=4)
"""Six slots a day, at 2, 6, 10, 14, 18 and 22 local time."""
A_DAY = 24 // GRID.step
MONTH = 365.25 / 12 * A_DAY
BLOCKS, BLOCKS_OF_MANY = 15, 25
"""Of a world of one country, and of several."""
FUNDING = (0.5, 0.35, 0.15)
"""Rare kinds are drawn more often than they are met, so that their odds are known as well."""


@dataclass(frozen=True)
class Cell:
    """Those of one country and funding.

    Args:
        causes: on GRID; (people, slots).
        hopeless: no try within two weeks of this slot would pass; (slots, people).
        joined: the first slot at which each is charged.
    """

    causes: Causes
    hopeless: npt.NDArray[np.bool_]
    joined: Ints

    def charged(self, slot: int) -> npt.NDArray[np.bool_]:
        """Tell who would still be charged at a slot: nobody who was hopeless a month or more before."""
        still = self.joined <= slot
        for months in range(1, int(slot / MONTH) + 1):
            before = slot - round(months * MONTH)
            still &= ~(self.hopeless[before] & (self.joined <= before))
        return still


class Population:
    """Everybody, by country and funding; made when it is first asked."""

    def __init__(self, world: World, blocks: int | None = None) -> None:
        self.world = world
        self.blocks = blocks or (BLOCKS if len(world.setting.countries) == 1 else BLOCKS_OF_MANY)
        self._charged: dict[tuple[int, int, int], Ints] = {}

    @cached_property
    def cells(self) -> dict[tuple[int, int], Cell]:
        """Everybody, by the places of country and funding."""
        setting = self.world.setting
        even = tuple((country, 1.0) for country, _ in setting.countries)
        world = replace(self.world, setting=replace(setting, countries=even, funding=FUNDING))
        parts: dict[tuple[int, int], list[Cell]] = {}
        for number in range(self.blocks):
            people = draw_people(world, Purpose.ORACLE, number)
            cards = replace(cards_of(people), renewed=np.full(BLOCK, NEVER))
            causes = causes_of(people, GRID, cards)
            hopeless = _hopeless(causes)
            for country in range(len(even)):
                for funding in range(len(FUNDING)):
                    there = (people.country == country) & (people.funding == funding)
                    part = Cell(causes[there], hopeless[there], people.joined[there] * A_DAY)
                    parts.setdefault((country, funding), []).append(part)
        return {
            key: Cell(
                np.concatenate([part.causes for part in some]),
                np.ascontiguousarray(np.concatenate([part.hopeless for part in some]).T),
                np.concatenate([part.joined for part in some]),
            )
            for key, some in parts.items()
        }

    def paths(
        self, country: int, funding: int, slot: int, ahead: int, likely: Likely
    ) -> tuple[Causes, Likely]:
        """Give paths from a slot on, so many slots, of those who would be charged then, with how likely each is.

        Args:
            likely: of each cause at the slot, how likely what is known of the case is with it.
        """
        key = (country, funding, slot)
        cell = self.cells[country, funding]
        if key not in self._charged:
            self._charged[key] = np.flatnonzero(cell.charged(slot))
        weights = likely[cell.causes[self._charged[key], slot]]
        some = np.flatnonzero(weights)
        return cell.causes[self._charged[key][some], slot : slot + ahead], weights[some]


def _hopeless(causes: Causes) -> npt.NDArray[np.bool_]:
    passes = np.zeros((len(causes), causes.shape[1] + 1), dtype=np.int16)
    np.cumsum(causes == Cause.NONE, axis=1, out=passes[:, 1:])
    ahead = np.minimum(np.arange(causes.shape[1]) + HOPELESS_HOURS // GRID.step, causes.shape[1])
    found: npt.NDArray[np.bool_] = passes[:, ahead] == passes[:, :-1]
    return found


def told_by(world: World, issuer: int, code: str) -> Likely:
    """Give for each cause how likely an issuer tells it by this code; 0 for none."""
    odds = [
        0.0,
        *(odds_of(world, issuer, cause).get(code, 0.0) for cause in Cause if cause is not Cause.NONE),
    ]
    return np.array(odds, dtype=np.float32)


def with_new_card() -> Likely:
    """Give for each cause whether a card that was just given may meet it: all but those of ended cards."""
    return np.array([1.0 if cause < Cause.EXPIRED else 0.0 for cause in Cause], dtype=np.float32)
