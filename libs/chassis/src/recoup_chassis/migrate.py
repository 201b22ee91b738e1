"""Migrations: forward only, one transaction each, one runner at a time; the chassis' own first, then the service's.

Promise: a migration that was applied and then edited stops the program; what is applied is what is written.
"""

import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files

import asyncpg

_ONE_AT_A_TIME = 7_263_051
_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""


class MigrationEdited(Exception):
    """A migration that was applied reads differently now; write a new one instead."""


def migrations(package: str) -> Iterator[tuple[str, str]]:
    """Give name and text of each migration that ships with the chassis and with a service, in order."""
    for owner in dict.fromkeys(("recoup_chassis", package)):
        folder = files(owner).joinpath("migrations")
        for file in sorted(folder.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".sql"):
                yield f"{owner}/{file.name}", file.read_text()


async def migrate(dsn: str, package: str, roles: Mapping[str, str]) -> list[str]:
    """Bring a database up to date as its owner; give the names of what was applied. Safe to run at any time.

    Args:
        package: the service's package, for instance `recoup_notifier`.
        roles: `app` may read and write every table; others (`http`) get what a migration grants them by
            `current_setting('recoup.role_http')`.
    """
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _ONE_AT_A_TIME)
        for role, name in roles.items():
            await connection.execute("SELECT set_config($1, $2, false)", f"recoup.role_{role}", name)
        await _grant_app(connection, roles["app"])
        await connection.execute(_LEDGER)
        applied = {row["name"]: row["sha256"] for row in await connection.fetch("TABLE schema_migrations")}
        done = []
        for name, text in migrations(package):
            digest = hashlib.sha256(text.encode()).hexdigest()
            if applied.get(name, digest) != digest:
                raise MigrationEdited(name)
            if name not in applied:
                async with connection.transaction():
                    await connection.execute(text)
                    await connection.execute(
                        "INSERT INTO schema_migrations (name, sha256) VALUES ($1, $2)", name, digest
                    )
                done.append(name)
        return done
    finally:
        await connection.close()


async def _grant_app(connection: asyncpg.Connection, role: str) -> None:
    quoted = '"' + role.replace('"', '""') + '"'
    for what, rights in (("TABLES", "SELECT, INSERT, UPDATE, DELETE"), ("SEQUENCES", "USAGE")):
        await connection.execute(
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {rights} ON {what} TO {quoted}"
        )
    await connection.execute(f"GRANT USAGE ON SCHEMA public TO {quoted}")
