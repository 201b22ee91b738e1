"""Raw webhooks: stored many at a time, kept for 90 days."""

from collections.abc import Sequence
from datetime import timedelta

from recoup_chassis.postgres import Database, Tx, columns
from recoup_chassis.queries import load
from recoup_gateway_adapter.ingest.domain import Webhook

KEPT_FOR = timedelta(days=90)
"""From arrival. Later repeats of a webhook fall on the facts, which are told once."""

sql = load(__package__)


async def store(database: Database, webhooks: Sequence[Webhook]) -> int:
    """Commit webhooks; give how many were new. Repeats change nothing."""
    rows = sorted(
        (w.merchant_id, w.account_id, w.webhook_id, w.event_at, w.event_type, w.body) for w in webhooks
    )
    return await insert_rows(database, rows)


async def insert_rows(database: Database, rows: Sequence[tuple[object, ...]]) -> int:
    """Commit rows in their order, which is the same for everybody, so that nobody deadlocks."""
    async with database.pool.acquire(timeout=5) as connection:
        added: int = await connection.fetchval(sql.store, *columns(rows, 6), timeout=10)
    return added


async def prune(tx: Tx) -> int:
    """Drop what is old enough, some at a time; give how many."""
    gone: int = await tx.fetchval(sql.prune, KEPT_FOR)
    return gone
