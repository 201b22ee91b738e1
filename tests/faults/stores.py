"""What the stores say, read past every service and past row-level security: the last thing the checker looks at."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from recoup_local.house import ADAPTER, NOTIFIER, PORTAL, SCHEDULER, House

OUTBOX = "SELECT count(*) FROM outbox"
UNDER_WAY = {
    ADAPTER: (
        (
            "webhooks not translated",
            "SELECT count(*) FROM untranslated WHERE merchant_id = $1 AND due_at < now()",
        ),
        (
            "joins overdue",
            "SELECT count(*) FROM joins WHERE merchant_id = $1 AND due_at < now() - interval '5 s'",
        ),
        (
            "works for the gateway under way or overdue",
            """SELECT count(*) FROM gateway_work LEFT JOIN account_flow USING (merchant_id, account_id)
            WHERE merchant_id = $1 AND (lease_id IS NOT NULL OR due_at < now())
              AND coalesce(closed_until, '-infinity') < now()""",
        ),
    ),
    SCHEDULER: (
        (
            "timers due",
            """SELECT count(*) FROM timers JOIN clocks USING (clock_id) WHERE merchant_id = $1
            AND due_at <= origin_merchant + (now() - origin_real) * rate""",
        ),
    ),
    NOTIFIER: (
        ("mails due", "SELECT count(*) FROM mail_queue WHERE merchant_id = $1 AND due_at < now()"),
        ("mails in hand", "SELECT count(*) FROM mail_queue WHERE merchant_id = $1 AND taken_by IS NOT NULL"),
    ),
    PORTAL: (),
}
AWAITED = """
SELECT invoice_id FROM attempts WHERE merchant_id = $1
UNION SELECT invoice_id FROM final_actions WHERE merchant_id = $1 AND outcome IS NULL
"""
WITHOUT_TIMER = """
SELECT invoice_id, state FROM cases WHERE merchant_id = $1 AND state IN ('scheduled', 'trying', 'waiting', 'ending')
AND NOT EXISTS (
    SELECT FROM timers WHERE timers.merchant_id = cases.merchant_id AND timers.subject = cases.case_id::text)
"""
WITHOUT_WORK = """
SELECT invoice_id, state, reason FROM attempts WHERE merchant_id = $1 AND NOT EXISTS (
    SELECT FROM gateway_work w
    WHERE w.merchant_id = attempts.merchant_id AND w.kind = 'attempt' AND w.subject = attempts.attempt_id::text)
UNION ALL
SELECT invoice_id, 'final action', action FROM final_actions WHERE merchant_id = $1 AND outcome IS NULL AND NOT EXISTS (
    SELECT FROM gateway_work w
    WHERE w.merchant_id = final_actions.merchant_id AND w.kind = 'final_action'
      AND w.subject = final_actions.case_id::text)
"""
HELD = "SELECT topic, reason FROM quarantine WHERE merchant_id = $1 AND released_at IS NULL"
WEBHOOKS = "SELECT webhook_id FROM raw_webhooks WHERE merchant_id = $1"


@asynccontextmanager
async def opened(house: House, service: str) -> AsyncIterator[asyncpg.Connection]:
    """Connect to a service's database as the superuser, whom no policy stops."""
    server = urlsplit(house.postgres.admin_dsn)
    name = house.databases[service].name
    connection = await asyncpg.connect(urlunsplit(server._replace(path=f"/{name}")), timeout=10)
    try:
        yield connection
    finally:
        await connection.close()


async def under_way(house: House, merchant_id: str) -> dict[str, int]:
    """Count what is still to be done in each store, by what it is."""
    found = {}
    for service in house.databases:
        async with opened(house, service) as store:
            found[f"{service}: events in the outbox"] = await store.fetchval(OUTBOX)
            for what, query in UNDER_WAY[service]:
                found[f"{service}: {what}"] = await store.fetchval(query, merchant_id)
    return {what: many for what, many in found.items() if many}


async def awaited_invoices(house: House, merchant_id: str) -> set[str]:
    """Give the invoices whose attempt or final action has no outcome yet: their case may outlive its deadline."""
    async with opened(house, ADAPTER) as store:
        return {row["invoice_id"] for row in await store.fetch(AWAITED, merchant_id)}


async def left_alone(house: House, merchant_id: str) -> list[str]:
    """Name what is open and nobody will look at again: cases without a timer, attempts without their turn."""
    async with opened(house, SCHEDULER) as store:
        cases = await store.fetch(WITHOUT_TIMER, merchant_id)
    async with opened(house, ADAPTER) as store:
        attempts = await store.fetch(WITHOUT_WORK, merchant_id)
    return [
        *(f"left alone: {row['invoice_id']} is {row['state']} and has no timer" for row in cases),
        *(
            f"left alone: {row['invoice_id']}: {row['state']}, {row['reason']}, has no turn"
            for row in attempts
        ),
    ]


async def differing(house: House, merchant_id: str, cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """Hold what the merchant is shown against what the scheduler has decided."""
    shown = {case["invoice_id"]: case["state"] for case in cases}
    async with opened(house, SCHEDULER) as store:
        rows = await store.fetch("SELECT invoice_id, state FROM cases WHERE merchant_id = $1", merchant_id)
    decided = {row["invoice_id"]: row["state"] for row in rows}
    return [
        f"differs: {invoice} is {decided.get(invoice)}, shown as {shown.get(invoice)}"
        for invoice in sorted(shown.keys() | decided.keys())
        if decided.get(invoice) != shown.get(invoice)
    ]


async def quarantined(house: House, merchant_id: str, allowed: int) -> list[str]:
    """Name what is in quarantine, where it is more than was put there on purpose."""
    found = []
    for service in house.databases:
        async with opened(house, service) as store:
            found += [(service, row["topic"], row["reason"]) for row in await store.fetch(HELD, merchant_id)]
    return [f"quarantined: {service}: {topic}: {reason}" for service, topic, reason in found][allowed:]


async def webhooks(house: House, merchant_id: str) -> set[str]:
    """Give the ids of all raw webhooks that are kept."""
    async with opened(house, ADAPTER) as store:
        return {row["webhook_id"] for row in await store.fetch(WEBHOOKS, merchant_id)}
