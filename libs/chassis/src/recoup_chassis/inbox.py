"""The inbox: which events were handled already.

Promise: of an event that two members of a group handle at once, one waits for the other's commit and then
finds it done.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from recoup_chassis.postgres import Tx
from recoup_events.models import Event

E = TypeVar("E", bound=Event)

KEPT = timedelta(days=97)
"""A week longer than the topics keep their records."""

_CLAIM = """
INSERT INTO inbox (event_id) SELECT unnest($1::uuid[])
ON CONFLICT DO NOTHING RETURNING event_id
"""

_FORGET = "DELETE FROM inbox WHERE event_id = ANY ($1::uuid[])"

_PRUNE = """
DELETE FROM inbox WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM inbox WHERE seen_at < now() - $1::interval LIMIT 10000))
"""


async def unseen(tx: Tx, events: Sequence[E]) -> list[E]:
    """Mark events as handled by this transaction; give those that were not handled before, each once, in order."""
    first = {event.id: event for event in reversed(events)}
    claimed = {row["event_id"] for row in await tx.fetch(_CLAIM, sorted(first))}
    return [event for event in events if event.id in claimed and first[event.id] is event]


async def forget(tx: Tx, events: Sequence[UUID]) -> None:
    """Let these be handled anew, for instance after their replay from quarantine."""
    await tx.execute(_FORGET, list(events))


async def prune(tx: Tx) -> None:
    """Drop what can't come again, at most 10,000 rows a call."""
    await tx.execute(_PRUNE, KEPT)
