"""Why a try is planned for its instant, in one sentence: its odds, and what they owe to what.

Each part says by how many percentage points it moves the odds, with all parts named before it already counted in; parts
of less than a point are left out.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from recoup_retry_scheduler.smart.paydays import CYCLES, LAST_BUSINESS_DAY, Cycle
from recoup_retry_scheduler.smart.planner import Outlook
from recoup_retry_scheduler.smart.tables import Failing, Tables

MOST = 3
"""Parts that are told."""

LEAST = 0.01
"""Below which a part is left out."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Scene:
    """What a plan was made from, by slot from 0, the failure.

    Args:
        truths: pay cycles that are likely, by their place.
        aged: days since the last payday; by slot and truth.
        paid: what a payday since the last try multiplies odds by; by slot and truth.
        crossed: whether one lies between the failure and the slot; by slot and truth.
        hours: whole hours since the failure.
        local: instants, hours since 1970.
        constant: what the odds of the first try are multiplied by at every slot.
        daily: the first slot of those that have the hour of a day.
    """

    truths: NDArray[np.int64]
    aged: NDArray[np.int16]
    paid: NDArray[np.float32]
    crossed: NDArray[np.bool_]
    hours: NDArray[np.int64]
    local: NDArray[np.float64]
    constant: float
    daily: int
    outlook: Outlook


def why(tables: Tables, failing: Failing, effect: float, scene: Scene, slot: int, p: float) -> str:
    """Write a reason, such as "Fri 7 Mar 12:00, 38 %: Friday payday +9, 3 days since the last try +6, 3rd try -2".

    Args:
        effect: the customer's own.
        p: the odds of a try at this slot, with all that is believed of paydays.
    """
    kind, gap, soonest = tables.kinds[failing.kind], int(scene.hours[slot]), int(scene.hours[1])
    local = float(scene.local[slot])
    odds = float(kind.faded[soonest]) * tables.usual
    before, points = _p(odds), []
    for what, factor in (
        (_since(gap), float(kind.faded[gap] / kind.faded[soonest])),
        (f"{ordinal(failing.number)} try", failing.number**kind.number),
        ("the hour", float(tables.by_hour(scene.local[slot : slot + 1])[0]) / tables.usual),
        ("this customer's past", math.exp(tables.customer * effect)),
        ("time since the failure", math.exp(kind.late * (local - failing.offset - failing.first_at))),
    ):
        odds *= factor
        points.append((_p(odds) - before, what))
        before = _p(odds)
    points.append((p - before, _payday(scene, slot) if abs(p - before) >= LEAST else ""))
    told = sorted((one for one in points if abs(one[0]) >= LEAST), key=lambda one: -abs(one[0]))[:MOST]
    because = ", ".join(
        f"{what} {'+' if gained > 0 else '-'}{abs(100 * gained):.0f}" for gained, what in told
    )
    when = datetime.fromtimestamp(local * 3600, UTC)
    return f"{when:%a} {when.day} {when:%b %H:%M}, {100 * p:.0f} %{': ' if because else ''}{because}"


def _p(odds: float) -> float:
    return odds / (1 + odds)


def _since(hours: int) -> str:
    return (
        f"{hours} hours since the last try" if hours < 36 else f"{round(hours / 24)} days since the last try"
    )


def _payday(scene: Scene, slot: int) -> str:
    """Name the payday that the odds owe most to."""
    owed = scene.outlook.share * scene.crossed[slot] * scene.paid[slot]
    return name(CYCLES[scene.truths[int(owed.argmax())]])


def name(cycle: Cycle) -> str:
    """Write a payday."""
    match cycle.name:
        case "weekly" | "biweekly":
            return f"{WEEKDAYS[cycle.of[0]]} payday"
        case "monthly" | "semi_monthly" if cycle.of[-1] == LAST_BUSINESS_DAY:
            return "payday at the end of the month"
        case "monthly":
            return f"payday on the {ordinal(cycle.of[0])}"
        case "semi_monthly":
            return f"payday on the {ordinal(cycle.of[0])} and {ordinal(cycle.of[1])}"
        case _:
            return "money that comes in"


def ordinal(day: int) -> str:
    """Write 1st, 2nd, 3rd, 4th."""
    ending = "th" if 10 < day < 14 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
    return f"{day}{ending}"
