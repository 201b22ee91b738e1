"""Row-level security alone: what a service's own role sees and may change, on tables that a life has filled.

The queries here name no merchant. Only the list that a transaction sets stands between them and everything.
"""

import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import pytest
from tests.conftest import OpenSandbox

from recoup_local.databases import Database
from recoup_local.house import PORTAL, House
from recoup_local.pytest_plugin import eventually
from recoup_local.sandbox import Sandbox

from .tally import Tally

PART = "passes"
DAY = 86_400.0
COUNT = 12
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow, pytest.mark.part(PART)]

SECURED = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relrowsecurity
ORDER BY c.relname
"""
FEWEST_FILLED = 4
"""Tables of each service that must have rows of both merchants, or nothing was shown."""

NONE: list[str] = []
Connection = Any


@pytest.mark.timeout(600)
async def test_a_role_sees_and_changes_the_listed_merchants_rows_and_no_other(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    one, other = await merchant(), await merchant()
    for sandbox in (one, other):
        await sandbox.renewals(COUNT, seed=16)
        await sandbox.run_clock(DAY / 4)
    for sandbox in (one, other):
        await eventually(partial(_some_closed, sandbox), within=180)
        await sandbox.run_clock(0)
    for service, database in house.databases.items():
        roles = [database.app_dsn, *([database.http_dsn] if service == PORTAL else [])]
        for role in roles:
            filled = await _look(house, database, role, (one.merchant_id, other.merchant_id))
            sys.stdout.write(f"{service}: {filled} tables with rows of both\n")
            assert filled >= FEWEST_FILLED, service
    tally.did(PART)


async def _some_closed(sandbox: Sandbox) -> bool:
    cases = await sandbox.api.cases()
    return len(cases) == COUNT and any(case["state"] == "recovered" for case in cases)


async def _look(house: House, database: Database, dsn: str, merchants: tuple[str, str]) -> int:
    """Try every secured table; give how many had rows of both."""
    one, other = merchants
    filled = 0
    async with _connected(_superuser(house, database)) as mighty, _connected(dsn) as role:
        for (table,) in await mighty.fetch(SECURED):
            truth = Counter(dict(await mighty.fetch(f"SELECT merchant_id, count(*) FROM {table} GROUP BY 1")))  # noqa: S608  # ours
            filled += bool(truth[one] and truth[other])
            assert await _seen(role, table, None) == {}, table
            assert await _seen(role, table, NONE) == {}, table
            assert await _seen(role, table, ["*"]) == {}, table
            assert await _seen(role, table, ["nobody"]) == {}, table
            for listed in ([one], [other], [one, other]):
                wanted = {name: truth[name] for name in listed if truth[name]}
                assert await _seen(role, table, listed) in (wanted, None), table
            if truth[one] and truth[other]:
                await _changes(role, table, one, other, truth)
    return filled


async def _seen(role: Connection, table: str, listed: list[str] | None) -> dict[str, int] | None:
    """Count the rows that are seen, by merchant; nothing where the role may not look at all."""
    async with _rolled_back(role, listed):
        try:
            rows = await role.fetch(f"SELECT merchant_id, count(*) FROM {table} GROUP BY 1")  # noqa: S608  # ours
        except asyncpg.InsufficientPrivilegeError:
            return {} if listed in (None, NONE, ["*"], ["nobody"]) else None
        return dict(rows)


async def _changes(role: Connection, table: str, one: str, other: str, truth: Counter[str]) -> None:
    """Change everything that is seen, and hand rows to another merchant: neither may reach beyond the list."""
    copy = f"(jsonb_populate_record(t, jsonb_build_object('merchant_id', '{other}'))).*"
    wishes = {
        f"UPDATE {table} SET merchant_id = merchant_id": truth[one],  # noqa: S608  # our own names
        f"UPDATE {table} SET merchant_id = '{other}'": None,  # noqa: S608  # our own names
        f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT {copy} FROM {table} t": None,  # noqa: S608  # our own names
    }
    for wish, reaches in wishes.items():
        async with _rolled_back(role, [one]):
            try:
                done = await role.execute(wish)
            except asyncpg.InsufficientPrivilegeError:
                continue  # row security, or no right to this table at all
            except asyncpg.CheckViolationError:
                assert reaches is None, wish  # a trigger keeps whose row it is, before row security looks
                continue
            assert reaches is not None, f"{wish}: {done}"
            assert int(done.rpartition(" ")[2]) <= reaches, wish


@asynccontextmanager
async def _rolled_back(role: Connection, listed: list[str] | None) -> AsyncIterator[None]:
    """Open a transaction that lists merchants, or sets no list; nothing of it stays."""
    transaction = role.transaction()
    await transaction.start()
    try:
        if listed is not None:
            await role.execute("SELECT set_config('recoup.merchants', $1::text[]::text, true)", listed)
        yield
    finally:
        await transaction.rollback()


def _superuser(house: House, database: Database) -> str:
    base, _, _ = house.postgres.admin_dsn.rpartition("/")
    return f"{base}/{database.name}"


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()
