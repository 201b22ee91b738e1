"""Why a charge would fail, for each customer at each hour: what all schedules are judged by.

Promise: a path is drawn before anybody tries; the outcome of a try is read from it.
"""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from .balances import enough
from .people import Funding, People
from .troubles import Cards, holds, nervous, outages
from .world import HOURS, Grid

Causes = npt.NDArray[np.uint8]


class Cause(IntEnum):
    """Why a charge fails; the later ones hide the earlier ones."""

    NONE = 0
    NERVOUS = 1
    FUNDS = 2
    HELD = 3
    DOWN = 4
    EXPIRED = 5
    LOST = 6
    CLOSED = 7
    REVOKED = 8
    BLOCKED = 9
    """By earlier tries."""


def causes_of(people: People, grid: Grid, cards: Cards | None = None) -> Causes:
    """Give the cause for each customer at each hour of the grid; (customers, hours).

    Args:
        cards: how they end; None for customers whose cards never do.
    """
    causes: Causes = nervous(people, grid).view(np.uint8)
    tight = np.flatnonzero(people.tight)
    causes[tight] = np.where(enough(people, tight, grid), causes[tight], np.uint8(Cause.FUNDS))
    for i in np.flatnonzero(people.abandoned < HOURS):
        empty = Cause.HELD if people.funding[i] == Funding.CREDIT else Cause.FUNDS
        causes[i, grid.place(people.abandoned[i]) :] = empty
    held = holds(people)
    for i, start, end in zip(held.row, held.start, held.end, strict=True):
        causes[i, grid.place(start) : grid.place(end)] = Cause.HELD
    _put_outages(causes, people, grid)
    if cards is not None:
        for i in np.flatnonzero(cards.ends < HOURS):
            ended = slice(grid.place(cards.ends[i]), grid.place(cards.renewed[i]))
            causes[i, ended] = Cause.EXPIRED + cards.how[i]
    return causes


def _put_outages(causes: Causes, people: People, grid: Grid) -> None:
    """Let all customers of an issuer fail at once, each in local hours."""
    down = outages(people.world, people.purpose)
    for zone, offsets in enumerate(people.world.offsets):
        for issuer in range(len(people.world.issuers)):
            rows = np.flatnonzero((people.zone == zone) & (people.issuer == issuer))
            for k in np.flatnonzero(down.row == issuer) if len(rows) else ():
                ahead = offsets[int(down.start[k])]
                first, last = grid.place(down.start[k] + ahead), grid.place(down.end[k] + ahead)
                if first < last:
                    causes[rows, first:last] = Cause.DOWN
