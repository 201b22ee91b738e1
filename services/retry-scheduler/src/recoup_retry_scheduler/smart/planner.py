"""Which slots to try at: the plan of several tries that is worth most, over what may be true of the customer.

A plan is worth the odds that one of its tries passes, less what its tries cost. What may be true (when they are paid)
makes a failed try tell about the next one: a plan covers the likely truths one after the other instead of trying the
likeliest again and again. Coordinate ascent: each try is moved to its best slot until none moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SWEEPS = 4
"""At most; most plans stand after two."""

NEARLY = 2e-4
"""What a plan must gain for a try to be moved, as a share of what a recovery is worth."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the odds of a case's tries follow from. Slot 0 is the failure; tries may be made at those from 1 on.

    Args:
        truths: what may be true, by a number of the caller's.
        share: of each truth, adding up to 1.
        against: odds against a try, had nothing been tried before; by slot from 0, one row for every truth.
        crossed: the same when a payday lies between the try and the one before it; by truth and slot from 0.
        paydays: how many there were, by truth and slot from 0.
        faded: what odds are multiplied by, for each try of the plan and by whole hours since the one before it; 0 where
            that is too soon.
        at: the instants, by slot from 0, increasing; hours since 1970.
        hours: whole hours since slot 0.
        cost: of a try, by slot from 0, as a share of what a recovery is worth.
    """

    truths: NDArray[np.int64]
    share: Floats
    against: Floats
    crossed: Floats
    paydays: NDArray[np.int16]
    faded: Floats
    at: NDArray[np.float64]
    hours: NDArray[np.int64]
    cost: Floats

    def fails(self, number: int, before: slice, at: slice) -> Floats:
        """Give by truth how likely a try of the plan fails; of the slots of it and of the one before, one is one."""
        paid = self.paydays[:, at] > self.paydays[:, before]
        against = np.where(paid, self.crossed[:, at], self.against[:, at])
        fails: Floats = against / (against + self.faded[number, self.hours[at] - self.hours[before]])
        return fails


def best(outlook: Outlook, starts: Sequence[int]) -> tuple[list[int], float] | None:
    """Give the slots of the best plan and the odds that its first try passes; None where no try is worth its cost.

    Args:
        starts: the slots to start from, one for each try, increasing, from 1 on. The plan has fewer where the first
            one would not be worth its cost.
    """
    plan, still, first = list(starts), 0, outlook.share
    for _ in range(SWEEPS):
        rest = _rest(outlook, plan)
        alive = outlook.share
        for place, slot in enumerate(plan):
            plan[place], failed = _best_slot(outlook, plan, place, alive, rest)
            still = still + 1 if plan[place] == slot else 1
            if not place:
                first = failed
            if still >= len(plan):
                break
            alive = alive * failed
        if still >= len(plan):
            break
    p = 1 - float(outlook.share @ first)
    if p > outlook.cost[plan[0]]:
        return plan, p
    return best(outlook, plan[1:]) if len(plan) > 1 else None


def _one(slot: int) -> slice:
    return slice(slot, slot + 1)


def _rest(outlook: Outlook, plan: Sequence[int]) -> list[Floats]:
    """Give by truth what a plan is still worth when it has come to its third try, its fourth, and so on to its end."""
    rest = [np.zeros_like(outlook.share)]
    for place in range(len(plan) - 1, 1, -1):
        failed = outlook.fails(place, _one(plan[place - 1]), _one(plan[place]))[:, 0]
        rest.append(1 - failed - outlook.cost[plan[place]] + failed * rest[-1])
    rest.reverse()
    return rest


def _best_slot(
    outlook: Outlook, plan: Sequence[int], place: int, alive: Floats, rest: Sequence[Floats]
) -> tuple[int, Floats]:
    """Give the slot at which a try of the plan is worth most, and by truth the odds that it fails there."""
    low = plan[place - 1] + 1 if place else 1
    high = plan[place + 1] if place + 1 < len(plan) else len(outlook.cost)
    slots = slice(low, high)
    failed = outlook.fails(place, _one(low - 1), slots)
    lost = failed
    if place + 1 < len(plan):
        lost = outlook.fails(place + 1, slots, _one(high)) * (1 - rest[place])[:, None]
        lost += outlook.cost[high]
        lost *= failed
    value = alive @ lost + outlook.cost[slots] * alive.sum()
    found, stays = int(value.argmin()), plan[place] - low
    if value[stays] - value[found] < NEARLY:
        found = stays
    return low + found, failed[:, found]
