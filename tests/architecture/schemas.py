"""Databases as their migrations make them, looked at through the catalogue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from recoup_local.databases import Database

from .house import SERVICES, package_of

WITH_A_DATABASE = ("chassis", *(name for name in SERVICES if (package_of(name) / "migrations").is_dir()))
"""Services that have migrations; `chassis` is what all of them share."""

TABLES = """
SELECT c.oid, c.relname AS name, c.relrowsecurity AND c.relforcerowsecurity AS secured,
       ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) AS columns
FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> 'schema_migrations'
ORDER BY c.relname
"""


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Open a connection and close it."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def rows(database: Database, query: str, *args: object) -> list[asyncpg.Record]:
    """Ask the catalogue, as the owner."""
    async with connected(database.owner_dsn) as connection:
        return list(await connection.fetch(query, *args))


async def names(database: Database, query: str, *args: object) -> list[str]:
    """Ask for one column of text."""
    return [str(row[0]) for row in await rows(database, query, *args)]
