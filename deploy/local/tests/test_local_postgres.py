"""A real Postgres: it starts as root and as a plain user, survives a crash, and keeps roles apart."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from itertools import chain, repeat
from socket import socket

import asyncpg
import psutil
import pytest
import pytest_asyncio

from recoup_local.databases import Database, Databases
from recoup_local.ports import LOOPBACK, free_port
from recoup_local.postgres import Postgres
from recoup_local.run import Run

pytestmark = pytest.mark.postgres


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[Postgres]:
    async with Run() as run:
        yield await Postgres.start(run)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def ledger(server: Postgres) -> Database:
    database = await Databases(server.admin_dsn).create("ledger")
    await execute(
        database.owner_dsn,
        "CREATE TABLE entries (merchant_id text, amount bigint);"
        "ALTER TABLE entries ENABLE ROW LEVEL SECURITY; ALTER TABLE entries FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY nobody ON entries USING (false) WITH CHECK (true);"
        f"GRANT SELECT, INSERT ON entries TO {database.app_role}",
    )
    return database


async def execute(dsn: str, sql: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()


async def value(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_it_is_postgres_18_with_fsync_on(server: Postgres) -> None:
    assert str(await value(server.admin_dsn, "SHOW server_version")).startswith("18.")
    assert await value(server.admin_dsn, "SHOW fsync") == "on"
    assert await value(server.admin_dsn, "SHOW synchronous_commit") == "on"


async def test_what_was_committed_survives_a_crash(server: Postgres) -> None:
    await execute(server.admin_dsn, "CREATE TABLE crash AS SELECT generate_series(1, 1000) AS number")
    open_connection = await asyncpg.connect(server.admin_dsn)
    transaction = open_connection.transaction()
    await transaction.start()
    await open_connection.execute("DELETE FROM crash")

    await server.crash()
    await server.restart()

    assert await value(server.admin_dsn, "SELECT count(*) FROM crash") == 1000
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await transaction.commit()
    open_connection.terminate()


async def test_the_service_role_owns_nothing_and_cannot_bypass_row_security(
    server: Postgres, ledger: Database
) -> None:
    role = await asyncpg.connect(ledger.app_dsn)
    rights = await role.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
    assert rights is not None
    assert not any(rights[right] for right in ("rolsuper", "rolbypassrls", "rolcreatedb", "rolcreaterole"))
    assert await role.fetchval("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole") == 0
    await role.execute("INSERT INTO entries VALUES ('m_1', 100)")
    assert await role.fetchval("SELECT count(*) FROM entries") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await role.execute("CREATE TABLE mine (number int)")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await role.execute("ALTER TABLE entries DISABLE ROW LEVEL SECURITY")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await role.execute("CREATE TEMP TABLE scratch (number int)")
    await role.close()


async def test_a_service_cannot_enter_the_database_of_another(server: Postgres, ledger: Database) -> None:
    other = await Databases(server.admin_dsn).create("stranger")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(other.app_dsn.rpartition("/")[0] + "/" + ledger.name)


async def test_nobody_enters_without_the_password_not_even_by_the_socket(server: Postgres) -> None:
    for place in (LOOPBACK, str(server.sockets)):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(
                host=place, port=server.port, user="postgres", database="postgres", password="guess"
            )


async def test_a_copy_of_a_template_has_its_tables_and_its_rights(server: Postgres, ledger: Database) -> None:
    databases = Databases(server.admin_dsn)
    original = await databases.create("copied")
    await execute(original.owner_dsn, f"CREATE TABLE t (n int); GRANT SELECT ON t TO {original.app_role}")
    copy = await databases.create("copied", "copied_2", template=original.name)
    assert await value(copy.app_dsn, "SELECT count(*) FROM t") == 0
    await databases.close()
    assert await value(server.admin_dsn, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'copied%'") == 0
    assert await value(server.admin_dsn, "SELECT count(*) FROM pg_database WHERE datname LIKE 'copied%'") == 0


async def test_no_password_shows_in_process_listings_or_representations(
    server: Postgres, ledger: Database
) -> None:
    secrets = [dsn.split("@")[0].rpartition(":")[2] for dsn in (server.admin_dsn, ledger.app_dsn)]
    postmaster = psutil.Process(server.process.pid)
    shown = [str(postmaster.cmdline()), str(postmaster.environ()), repr(server), repr(ledger)]
    for child in postmaster.children():
        with suppress(psutil.NoSuchProcess):  # it has ended since, as they do
            shown.append(str(child.cmdline()))
    shown.append(server.process.log.read_text())
    assert all(secret not in text for secret in secrets for text in shown)


async def test_the_socket_has_a_short_path(server: Postgres) -> None:
    path = server.sockets / f".s.PGSQL.{server.port}"
    assert path.is_socket()
    assert len(str(path)) < 108


async def test_a_port_that_is_taken_is_replaced_by_another() -> None:
    with socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        choices: Iterator[int] = chain([taken.getsockname()[1]], (free_port() for _ in repeat(None)))
        async with Run() as run:
            server = await Postgres.start(run, port=lambda: next(choices))
            assert await value(server.admin_dsn, "SELECT 1") == 1
            assert server.port != taken.getsockname()[1]


async def test_root_without_user_namespaces_runs_it_as_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    monkeypatch.setenv("PATH", "")  # no unshare
    async with Run() as run:
        server = await Postgres.start(run)
        assert await value(server.admin_dsn, "SELECT 1") == 1
        assert psutil.Process(server.process.pid).username() == "nobody"
        home = server.sockets
    assert not home.exists()


@pytest.mark.parametrize("name", ["Ledger", "led ger", "1st", 'x"; DROP DATABASE postgres', ""])
async def test_a_name_that_is_none_is_refused(server: Postgres, name: str) -> None:
    with pytest.raises(ValueError, match="is no service"):
        await Databases(server.admin_dsn).create(name)
