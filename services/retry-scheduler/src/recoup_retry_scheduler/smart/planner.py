"""Which slots to try at: the plan of several tries that is worth most, over what may be true of the customer.

A plan is worth the odds that one of its tries passes, less what its tries cost. What may be true (when they are paid)
makes a failed try tell about the next one: a plan covers the likely truths one after the other instead of trying the
likeliest again and again. Coordinate ascent: each try is moved to its best slot until none moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# `dot`, not `@`: OpenBLAS raises the processor's flag for an invalid value now and then though every number is finite
# (numpy's issue 24067), and `@` warns of it.

Floats = NDArray[np.float32]

SWEEPS = 2
"""At most; what further ones find is less than what chance decides (measured: no world recovered more with four)."""

NEARLY = 2e-4
"""What a plan must gain for a try to be moved, as a share of what a recovery is worth."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the worth of a plan follows from. Slot 0 is the failure; tries may be made at those from 1 on.

    Args:
        share: how likely each truth is, adding up to 1.
        fails: how likely a try fails: by number of the try in the plan; then by slot of the one before it, slot, and
            truth. Of the first try by slot 0 alone.
        cost: of a try, by slot from 0, as a share of what a recovery is worth.
    """

    share: Floats
    fails: Sequence[Floats]
    cost: Floats


def best(outlook: Outlook, starts: Sequence[int]) -> list[int] | None:
    """Give the slots of the best plan; None where no try is worth its cost.

    Args:
        starts: the slots to start from, one for each try, increasing, from 1 on. The plan has fewer where the first
            one would not be worth its cost.
    """
    plan, still = list(starts), 0
    for _ in range(SWEEPS):
        rest, alive = _rest(outlook, plan), outlook.share
        for place, slot in enumerate(plan):
            low, after = _after(outlook, plan, place, rest)
            failed = outlook.fails[place][plan[place - 1] if place else 0]
            slots = slice(low, low + len(after))
            lost = (failed[slots] * after).dot(alive) + outlook.cost[slots] * float(alive.sum())
            plan[place] = _moved(slot, low, lost)
            still = still + 1 if plan[place] == slot else 1
            if still >= len(plan):
                break
            alive = alive * failed[plan[place]]
        if still >= len(plan):
            break
    if odds(outlook, plan[0]) > outlook.cost[plan[0]]:
        return plan
    return best(outlook, plan[1:]) if len(plan) > 1 else None


def after_first(outlook: Outlook, plan: Sequence[int]) -> Floats:
    """Give what is lost once the first try of a plan has failed, by slots that it may have, from 1 on, and truth."""
    return _after(outlook, plan, 0, _rest(outlook, plan))[1]


def odds(outlook: Outlook, slot: int) -> float:
    """Give the odds that the first try passes at a slot."""
    return 1 - float(outlook.fails[0][0, slot].dot(outlook.share))


def _moved(slot: int, low: int, worse: Floats) -> int:
    found = int(worse.argmin())
    return slot if worse[slot - low] - worse[found] < NEARLY else low + found


def _rest(outlook: Outlook, plan: Sequence[int]) -> list[Floats]:
    """Give by truth what is lost when a plan has come to its second try, its third, and so on to its end."""
    rest = [np.ones_like(outlook.share)]
    for place in range(len(plan) - 1, 0, -1):
        slot = plan[place]
        rest.append(outlook.cost[slot] + outlook.fails[place][plan[place - 1], slot] * rest[-1])
    rest.reverse()
    return rest


def _after(outlook: Outlook, plan: Sequence[int], place: int, rest: Sequence[Floats]) -> tuple[int, Floats]:
    """Give the first slot that a try may have, and what is lost once it has failed there or at those after it."""
    low = plan[place - 1] + 1 if place else 1
    if place + 1 == len(plan):
        return low, np.ones((len(outlook.cost) - low, len(outlook.share)), dtype=np.float32)
    high = plan[place + 1]
    return low, outlook.fails[place + 1][low:high, high] * rest[place + 1] + outlook.cost[high]
