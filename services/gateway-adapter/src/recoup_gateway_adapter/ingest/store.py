"""Raw webhooks: stored many at a time, kept for 90 days."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from recoup_chassis.postgres import Database, Tx, columns
from recoup_chassis.queries import load
from recoup_gateway_adapter.ingest.domain import Webhook

KEPT_FOR = timedelta(days=90)
"""From arrival. Later repeats of a webhook fall on the facts, which are told once."""

sql = load(__package__)


async def store(database: Database, webhooks: Sequence[Webhook]) -> int:
    """Commit webhooks; give how many were new. Repeats change nothing."""
    # In the same order for everybody, so that nobody deadlocks.
    in_order = sorted(webhooks, key=lambda w: (w.account_id, w.webhook_id, w.event_at))
    rows = [
        (w.merchant_id, w.account_id, w.webhook_id, w.event_at, w.event_type, w.customer_id, w.body)
        for w in in_order
    ]
    async with database.pool.acquire(timeout=5) as connection:
        added: int = await connection.fetchval(sql.store, *columns(rows, 7), timeout=10)
    return added


async def known(
    database: Database, account_id: str, named: Sequence[tuple[str, datetime]]
) -> set[tuple[str, datetime]]:
    """Give those of an account's webhooks, each named by its id and its event's time, that are stored already."""
    async with database.pool.acquire(timeout=5) as connection:
        rows = await connection.fetch(sql.known, account_id, *columns(named, 2), timeout=10)
    return {(row["webhook_id"], row["event_at"]) for row in rows}


async def prune(tx: Tx) -> int:
    """Drop what is old enough, some at a time; give how many."""
    gone: int = await tx.fetchval(sql.prune, KEPT_FOR)
    return gone
