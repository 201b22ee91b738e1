"""The queue of what gateways are to be asked, by lease; and each account's standing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from recoup_chassis.postgres import Database, Tx, columns
from recoup_chassis.queries import load
from recoup_gateway_adapter.work import domain
from recoup_gateway_adapter.work.domain import Flow, Health, Healthy, Kind, Pace

LOOKED_AT = 1000
"""Rows that a look at the queue reads, before it looks account by account."""

ACCOUNTS_AT_ONCE = 200

sql = load(__package__)


@dataclass(frozen=True)
class Item:
    """Something to ask. `subject` is the attempt's, session's or action's id, or the invoice's."""

    kind: Kind
    merchant_id: str
    account_id: str
    subject: str
    customer_id: str
    priority: int
    due_at: datetime


@dataclass(frozen=True)
class Work:
    """Something that was claimed. `failures`: how often in a row it ended in a surprise."""

    kind: Kind
    merchant_id: str
    account_id: str
    subject: str
    customer_id: str
    priority: int
    failures: int
    lease_id: UUID


async def put(tx: Tx, items: Sequence[Item]) -> None:
    """Queue items; one that is there already becomes due at the new time, whoever has it. The last of equals counts."""
    if not items:
        return
    once = {(i.kind, i.merchant_id, i.account_id, i.subject): i for i in items}
    listed = columns(
        [
            (i.kind.value, i.merchant_id, i.account_id, i.subject, i.customer_id, int(i.priority), i.due_at)
            for i in once.values()
        ],
        7,
    )
    await tx.execute(sql.open_flows, listed[1], listed[2], domain.BURST)
    await tx.execute(sql.put, *listed)


async def any_due(database: Database) -> bool:
    """Tell whether anything is due, in one statement: an executor without work looks twenty times a second."""
    async with database.pool.acquire(timeout=10) as connection:
        return bool(await connection.fetchval(sql.any_due))


async def claim(
    tx: Tx, lease_id: UUID, until: datetime, slots: int, pace: Pace = domain.STANDARD
) -> list[Work]:
    """Take up to `slots` items that are due, dealt out fairly over their accounts."""
    now = tx.real_now
    found = await tx.fetch(sql.accounts_due, now, LOOKED_AT)
    if sum(row["found"] for row in found) >= LOOKED_AT:
        found = await tx.fetch(sql.every_account_due, now)
    if not found:
        return []
    due = columns([(row["merchant_id"], row["account_id"]) for row in found], 2)
    taken = await tx.fetch(sql.take_flows, *due, now, ACCOUNTS_AT_ONCE)
    flows = [domain.refilled(_flow(row), now, pace) for row in taken]
    allowed = [
        domain.allowance(flow, row["leased"], now, pace) for flow, row in zip(flows, taken, strict=True)
    ]
    dealt = zip(flows, domain.shares(allowed, slots), strict=True)
    chosen = [(flow, share) for flow, share in dealt if share]
    if not chosen:
        return []
    asked = columns([(flow.merchant_id, flow.account_id, share) for flow, share in chosen], 3)
    rows = await tx.fetch(sql.claim, *asked, now, until, lease_id)
    claimed = [Work(**{**row, "kind": Kind(row["kind"])}) for row in rows]
    await _spend(tx, [flow for flow, _ in chosen], claimed)
    return sorted(claimed, key=lambda work: work.priority)


async def _spend(tx: Tx, flows: Sequence[Flow], claimed: Sequence[Work]) -> None:
    used: dict[tuple[str, str], int] = {}
    for work in claimed:
        account = work.merchant_id, work.account_id
        used[account] = used.get(account, 0) + 1
    left = [
        (f.merchant_id, f.account_id, f.tokens - used.get((f.merchant_id, f.account_id), 0)) for f in flows
    ]
    await tx.execute(sql.spend, *columns(left, 3), tx.real_now)


async def renew(tx: Tx, leases: Sequence[UUID], until: datetime) -> None:
    """Hold leases longer."""
    await tx.execute(sql.renew, list(leases), until)


async def again(tx: Tx, later: Iterable[tuple[Work, datetime]]) -> None:
    """Give items back, each to be taken again at its time."""
    rows = [(*_name(work), at) for work, at in later]
    if rows:
        await tx.execute(sql.again, *columns(rows, 5))


async def failed(tx: Tx, work: Work, at: datetime) -> None:
    """Give an item back after a surprise, unless somebody else has it by now."""
    await tx.execute(
        sql.failed, work.merchant_id, work.account_id, work.kind.value, work.subject, at, work.lease_id
    )


async def done(tx: Tx, items: Iterable[Work | Item]) -> None:
    """Take items off the queue."""
    rows = [_name(item) for item in items]
    if rows:
        await tx.execute(sql.done, *columns(rows, 4))


async def report(tx: Tx, merchant_id: str, account_id: str, health: Health) -> Flow | None:
    """Remember what an answer says of the account; give its new standing where it is not simply well."""
    if isinstance(health, Healthy):
        await tx.execute(sql.well, merchant_id, account_id)
        return None
    row = await tx.fetchrow(sql.lock_flow, merchant_id, account_id)
    if row is None:
        return None
    flow = domain.heard(domain.refilled(_flow(row), tx.real_now), health, tx.real_now)
    standing = (flow.tokens, flow.failures, flow.closed_until, flow.closed_because)
    await tx.execute(sql.save_flow, merchant_id, account_id, *standing)
    return flow


async def reopen(tx: Tx, merchant_id: str, account_id: str) -> None:
    """Ask an account again at once: somebody has mended it, for instance by a new key."""
    await report(tx, merchant_id, account_id, Healthy())
    await tx.execute(sql.hasten, merchant_id, account_id, tx.real_now)


def _name(item: Work | Item) -> tuple[str, str, str, str]:
    return item.merchant_id, item.account_id, item.kind.value, item.subject


def _flow(row: Mapping[str, Any]) -> Flow:
    return Flow(**{name: value for name, value in row.items() if name != "leased"})
