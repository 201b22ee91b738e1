"""Steps that follow from the policy alone: the modes that ask no mind."""

from datetime import datetime, timedelta

from recoup_retry_scheduler.mindful.asked import USUAL_P
from recoup_retry_scheduler.rehearsal import wire
from recoup_retry_scheduler.rehearsal.books import Plan
from recoup_retry_scheduler.rules.verdict import Allowed

FIXED = (1.0, 3.0, 7.0)
"""Days after the first failure."""


def step(wish: wire.Policy, tries: int, first_at: datetime, allowed: Allowed) -> Plan | None:
    """Give the next step, no sooner than is allowed, or None where no step is left.

    Args:
        tries: made after the first failure.
    """
    if wish.mode == "even":
        wanted = first_at + (allowed.latest - first_at) * (tries + 1) / wish.max_tries
        of = wish.max_tries
    else:
        days = (wish.mode == "custom" and wish.steps_days) or FIXED
        of = min(len(days), wish.max_tries)
        if tries >= of:
            return None
        wanted = first_at + timedelta(days=days[tries])
    if wanted >= allowed.earliest:
        return (
            Plan(wanted, USUAL_P, 1.0, f"Step {tries + 1} of {of} in mode {wish.mode}.")
            if wanted <= allowed.latest
            else None
        )
    why = f"{allowed.because}." if allowed.because else "It is overdue."
    return Plan(
        allowed.earliest, USUAL_P, 1.0, f"Step {tries + 1} of {of} in mode {wish.mode}, put off: {why}"
    )
