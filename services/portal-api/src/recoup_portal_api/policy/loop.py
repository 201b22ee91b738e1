"""Moves sandbox clocks on, step by step, and clears away what has expired."""

from datetime import timedelta

from recoup_chassis.postgres import Database
from recoup_chassis.process import Loop
from recoup_portal_api.policy import handlers, store

LOOK_EVERY = timedelta(milliseconds=250)
"""Real time between two looks at the clocks; a step follows the one before after a second at the earliest."""


def clock_steps(db: Database) -> Loop:
    """Give the part that moves sandbox clocks on."""

    async def once() -> None:
        async with db.transaction(()) as tx:
            merchants = await store.due_advances(tx)
        for merchant_id in merchants:
            await handlers.step_clock(db, merchant_id)

    return Loop("clock_steps", once, every=LOOK_EVERY)
