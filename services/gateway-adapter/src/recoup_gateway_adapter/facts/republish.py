"""Emit every snapshot again, for bootstrap and repair: readers ignore a version that they have or have passed."""

from recoup_chassis.postgres import Database
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import AccountRef
from recoup_gateway_adapter.facts.domain.records import (
    CustomerRecord,
    InvoiceRecord,
    SubscriptionRecord,
)
from recoup_gateway_adapter.facts.events import snapshot_of
from recoup_gateway_adapter.facts.store import read, sql

AT_ONCE = 500


async def republish(database: Database) -> int:
    """Emit all snapshots of all enabled accounts in their present version; give how many."""
    async with database.transaction(()) as tx:
        enabled = await accounts.enabled(tx)
    return sum([await _account(database, account) for account in enabled])


async def _account(database: Database, account: AccountRef) -> int:
    done, last = 0, ("", "")
    while True:
        async with database.transaction([account.merchant_id]) as tx:
            rows = await tx.fetch(sql.next_snapshots, account.account_id, *last, AT_ONCE)
            records = [read(row["kind"], row["record"]) for row in rows]
            await tx.emit(
                snapshot_of(account, record)
                for record in records
                if isinstance(record, InvoiceRecord | CustomerRecord | SubscriptionRecord)
            )
        done += len(rows)
        if len(rows) < AT_ONCE:
            return done
        last = rows[-1]["kind"], rows[-1]["object_id"]
