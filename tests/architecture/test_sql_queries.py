"""Every named query fits the migrated schema, may be run by its service, names its parameters and is used."""

import ast
import re
from pathlib import Path

import asyncpg
import pytest

from recoup_chassis.queries import Queries
from recoup_local.databases import Database
from recoup_local.pytest_plugin import ServiceDatabases

from .house import ROOT, package_of, relative, syntax, tracked
from .schemas import WITH_A_DATABASE, connected

PACKAGES = {
    name: ROOT / "libs/chassis/src/recoup_chassis" if name == "chassis" else package_of(name)
    for name in WITH_A_DATABASE
}
FILES = [
    (service, path)
    for service, package in PACKAGES.items()
    for path in tracked()
    if path.suffix == ".sql" and path.is_relative_to(package) and path.parent.name != "migrations"
    and path.name != "schema.sql"
]  # fmt: skip
PARAMETER = re.compile(r"\$(\d+)")
A_RANGE = re.compile(r"\$(\d+)[^$]*?(?:…|\.\.)\s*\$(\d+)")
A_STATEMENT = re.compile(
    r"\s*(SELECT\s.*\sFROM\s|INSERT\s+INTO\s|UPDATE\s.*\sSET\s|DELETE\s+FROM\s|WITH\s.*\bAS\s*\()", re.DOTALL
)


def queries_of(path: Path) -> dict[str, str]:
    """Give a file's queries by name."""
    return Queries(path.read_text()).by_name


def comment_of(query: str) -> str:
    """Give the comment above a query."""
    lines = query.splitlines()
    return "\n".join(line for line in lines if line.lstrip().startswith("--"))


def unnamed(query: str) -> set[int]:
    """Give the parameters that the comment does not name; `$1 … $9` names all between."""
    comment, code = comment_of(query), re.sub(r"--.*", "", query)
    named = {int(n) for n in PARAMETER.findall(comment)}
    for first, last in A_RANGE.findall(comment):
        named |= set(range(int(first), int(last) + 1))
    return {int(n) for n in PARAMETER.findall(code)} - named


def superfluous(query: str) -> set[int]:
    """Give the parameters that the comment names and the query does not have."""
    code = re.sub(r"--.*", "", query)
    return {int(n) for n in PARAMETER.findall(comment_of(query))} - {int(n) for n in PARAMETER.findall(code)}


async def refusal(database: Database, query: str) -> str | None:
    """Prepare a query and plan it as the service, or else as its HTTP side; say why neither may run it."""
    reason = None
    for dsn in (database.app_dsn, database.http_dsn):
        async with connected(dsn) as connection:
            try:
                await connection.prepare(query)
                await connection.execute(f"EXPLAIN (GENERIC_PLAN) {query}")
            except asyncpg.InsufficientPrivilegeError as denied:
                reason = str(denied)
            except asyncpg.PostgresError as wrong:
                return str(wrong)
            else:
                return None
    return reason


@pytest.mark.parametrize(
    ("service", "path"), FILES, ids=lambda value: relative(value) if isinstance(value, Path) else ""
)
async def test_every_query_fits_the_migrated_schema(
    service: str, path: Path, database: ServiceDatabases
) -> None:
    queries = queries_of(path)
    own = await database(service)
    refused = {name: found for name, query in queries.items() if (found := await refusal(own, query))}
    assert queries
    assert refused == {}


@pytest.mark.parametrize("path", [path for _, path in FILES], ids=relative)
def test_every_parameter_is_named_in_the_comment(path: Path) -> None:
    queries = queries_of(path)
    assert {name: found for name, query in queries.items() if (found := unnamed(query))} == {}
    assert {name: found for name, query in queries.items() if (found := superfluous(query))} == {}


@pytest.mark.parametrize("path", [path for _, path in FILES], ids=relative)
def test_every_query_has_a_name_of_its_own_and_is_used(path: Path) -> None:
    written = re.findall(r"^-- name: (\w+)$", path.read_text(), re.MULTILINE)
    trees = [syntax(module) for module in path.parent.rglob("*.py")]
    used = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert sorted(written) == sorted(queries_of(path))
    assert set(written) - used == set()


@pytest.mark.parametrize("service", [name for name in PACKAGES if name != "chassis"] or ["notifier"])
def test_sql_lives_in_sql_files(service: str) -> None:
    written = [
        f"{relative(path)}:{node.lineno}"
        for path in package_of(service).rglob("*.py")
        for node in ast.walk(syntax(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and A_STATEMENT.match(node.value)
    ]
    assert written == []


async def test_a_query_that_does_not_fit_is_found(database: ServiceDatabases) -> None:
    chassis = await database("chassis")
    assert (
        await refusal(chassis, "SELECT nothing FROM timers WHERE timer_id = $1")
        == 'column "nothing" does not exist'
    )
    assert await refusal(chassis, "SELECT timer_id FROM timers WHERE timer_id = $1") is None
    assert await refusal(chassis, "DROP TABLE timers") is not None
    assert await refusal(chassis, "SELECT pg_read_file($1)") is not None


def test_a_parameter_that_nobody_named_is_found() -> None:
    assert unnamed("-- $1 text: who\nSELECT $1, $2, $3") == {2, 3}
    assert unnamed("-- $1 who … $3 when\nSELECT $1, $2, $3") == set()
    assert superfluous("-- $1 who, $2 when\nSELECT $1") == {2}
