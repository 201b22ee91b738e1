"""Clears away links, sessions and page actions that nobody can use any more."""

from datetime import timedelta

from recoup_chassis.postgres import Database
from recoup_chassis.process import Loop
from recoup_portal_api.access import store

CLEAR_EVERY = timedelta(minutes=10)
"""Real time."""


def expiry(db: Database) -> Loop:
    """Give the part that clears away."""

    async def once() -> None:
        async with db.transaction(()) as tx:
            await store.purge_expired(tx)

    return Loop("expiry", once, every=CLEAR_EVERY)
