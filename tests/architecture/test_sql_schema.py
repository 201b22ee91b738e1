"""schema.sql beside each service's migrations is what they add up to; `make schema` writes it anew."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from recoup_local.databases import Database
from recoup_local.postgres import binaries
from recoup_local.pytest_plugin import ServiceDatabases

from .house import ROOT, package_of
from .schemas import WITH_A_DATABASE

PG_DUMP = binaries() / "pg_dump"
HEADER = (
    "-- What the migrations add up to. Written by `make schema`, held by a test; read it, don't run it.\n"
)
CHASSIS_BELOW = "-- The chassis' tables stand in its own schema.sql.\n"
A_BLOCK = re.compile(r"^--\n-- Name: .*\n--\n", re.MULTILINE)


def statements(database: Database) -> list[str]:
    """Give a database's statements in pg_dump's order, without what differs from run to run."""
    dump = subprocess.run(
        [PG_DUMP, "--schema-only", "--no-owner", "--no-privileges", "--exclude-table=schema_migrations",
         f"--dbname={database.owner_dsn}"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    roles = {
        database.app_role: "app",
        database.http_role: "http",
        database.app_role[: -len("_app")] + "_owner": "owner",
    }
    for name, role in roles.items():
        dump = re.sub(rf"\b{name}\b", role, dump)
    blocks = A_BLOCK.split(dump.replace("public.", ""))[1:]
    kept = ["\n".join(line for line in block.splitlines() if not _is_noise(line)) for block in blocks]
    return [block.strip() for block in kept if block.strip()]


def _is_noise(line: str) -> bool:
    return line.startswith(("SET ", "--", "\\restrict", "\\unrestrict", "SELECT pg_catalog.set_config"))


def path_of(service: str) -> Path:
    """Give where a service's schema.sql lies."""
    package = ROOT / "libs/chassis/src/recoup_chassis" if service == "chassis" else package_of(service)
    return package / "schema.sql"


def text_of(service: str, own: list[str], shared: list[str]) -> str:
    """Give the text of a service's schema.sql: its own statements, without those of the chassis."""
    if service == "chassis":
        return HEADER + "\n" + "\n\n".join(own) + "\n"
    return HEADER + CHASSIS_BELOW + "\n" + "\n\n".join(block for block in own if block not in shared) + "\n"


@pytest.mark.parametrize("service", WITH_A_DATABASE)
async def test_schema_is_what_the_migrations_add_up_to(service: str, database: ServiceDatabases) -> None:
    shared = statements(await database("chassis"))
    replayed = text_of(service, statements(await database(service)), shared)
    if os.environ.get("WRITE_SCHEMAS"):
        path_of(service).write_text(replayed)
    assert path_of(service).is_file(), "run: make schema"
    assert path_of(service).read_text() == replayed, "run: make schema"
