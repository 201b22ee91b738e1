"""Find the slots that recover most, given paths that the tries may meet.

Promise: the value of a set of slots is exact for the paths given, fatigue included; the set is found greedily and then
improved by exchanging one slot at a time, so it is a maximum that no single exchange improves.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Passes = npt.NDArray[np.float32]
Weights = npt.NDArray[np.float32]
ROUNDS = 4
"""Exchanges of every slot, at most."""


def worth(passes: Passes, weights: Weights, slots: Sequence[int], lasting: float) -> float:
    """Give the share of the weight that a set of slots recovers.

    Args:
        passes: 1 where a try would pass, 0 elsewhere; (paths, slots).
        slots: ascending.
        lasting: chance that a failed try doesn't block for good; 1 without fatigue.
    """
    if not slots:
        return 0.0
    return float(weights @ _reached(passes, slots, lasting) / weights.sum())


def _reached(passes: Passes, slots: Sequence[int], lasting: float) -> npt.NDArray[np.float32]:
    """Give for each path the chance that the first slot that passes is reached unblocked; 0 when none passes."""
    chosen = passes[:, list(slots)] > 0
    first = chosen.argmax(axis=1)
    reached = np.power(np.float32(lasting), first.astype(np.float32))
    return np.where(chosen.any(axis=1), reached, np.float32(0))


def gains(passes: Passes, weights: Weights, slots: Sequence[int], lasting: float) -> npt.NDArray[np.float32]:
    """Give what is recovered with each slot added to a set, as weight.

    Args:
        slots: ascending.
    """
    chosen = passes[:, list(slots)] > 0
    first = (
        np.where(chosen.any(axis=1), chosen.argmax(axis=1), len(slots))
        if slots
        else np.zeros(len(passes), int)
    )
    found = np.empty(passes.shape[1], dtype=np.float32)
    edges = [0, *slots, passes.shape[1]]
    none = len(slots)
    for place in range(len(slots) + 1):
        here = slice(edges[place], edges[place + 1])
        later = first >= place
        delayed = np.where(later & (first < none), lasting ** (first + 1.0), 0)
        sooner = np.where(~later, lasting ** first.astype(float), 0)
        change = (weights * np.where(later, lasting**place - delayed, 0)).astype(np.float32)
        found[here] = float(weights @ (delayed + sooner)) + change @ passes[:, here]
    return found


def choose(
    passes: Passes,
    weights: Weights,
    tries: int,
    *,
    allowed: npt.NDArray[np.bool_],
    apart: int,
    lasting: float = 1.0,
) -> list[int]:
    """Give at most so many slots that recover most, ascending.

    Args:
        allowed: slots that may be used.
        apart: the least distance of two slots.
    """
    slots: list[int] = []
    for _ in range(tries):
        _add_best(passes, weights, slots, allowed, apart, lasting)
    value = worth(passes, weights, slots, lasting)
    for _ in range(ROUNDS):
        for slot in list(slots):
            slots.remove(slot)
            _add_best(passes, weights, slots, allowed, apart, lasting)
        better = worth(passes, weights, slots, lasting)
        if better <= value + 1e-6:
            break
        value = better
    return slots


def _add_best(
    passes: Passes,
    weights: Weights,
    slots: list[int],
    allowed: npt.NDArray[np.bool_],
    apart: int,
    lasting: float,
) -> None:
    """Add the slot that recovers most, the earliest of equals; none when none is left or all would do harm."""
    free = allowed.copy()
    for slot in slots:
        free[max(0, slot - apart + 1) : slot + apart] = False
    if not free.any():
        return
    gained = np.where(free, gains(passes, weights, slots, lasting), -np.inf)
    best = int(gained.argmax())
    if not slots or gained[best] > worth(passes, weights, slots, lasting) * weights.sum() * (1 - 1e-6):
        slots.append(best)
        slots.sort()
