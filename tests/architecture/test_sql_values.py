"""Values in SQL: what a CHECK lists is an enumeration of the code; ids, amounts and instants have their types."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from recoup_local.databases import Database
from recoup_local.pytest_plugin import ServiceDatabases

from .house import ROOT, package_of, syntax
from .schemas import WITH_A_DATABASE, connected, names, rows

LISTED_ON_PURPOSE = {
    "gateway-adapter": {
        "invoice_locks.held_for": "two kinds of work hold an invoice; the others need no lock"
    },
    "notifier": {
        "cases.told_ask": "what was told; while a try is on its way nothing is",
        "correspondence.state": "moved by its queries alone",
        "merchant_settings.setting": "those of the merchant's settings that mails need",
    },
    "retry-scheduler": {"charges.outcome": "two facts of the domain in one table"},
}
"""Lists that are no enumeration of the code: column and why."""

CHECKS = """
SELECT conrelid::regclass::text AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
WHERE contype = 'c' AND connamespace = 'public'::regnamespace
"""
NARROW = """
SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
  AND (a.attname ~ '(_id|_minor)$' AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'numeric'::regtype)
       OR a.atttypid IN ('varchar'::regtype, 'bpchar'::regtype, 'timestamp'::regtype, 'money'::regtype,
                         'json'::regtype, 'timetz'::regtype)
       OR a.attname ~ '_at$' AND a.atttypid <> 'timestamptz'::regtype)
"""
A_LIST = re.compile(r"\(?\(?\(?(\w+) (?:=|<>) (?:ANY|ALL) \(\(?ARRAY\[([^\]]*)\]")
A_VALUE = re.compile(r"\((\w+) (?:=|<>) '([^']*)'::text\)")
THE_WHOLE = re.compile(r"^CHECK \(\((\w+) = ANY \(ARRAY\[([^\]]*)\]\)\)\)$")


def literals(text: str) -> frozenset[str]:
    """Give the texts in a list of SQL literals."""
    return frozenset(re.findall(r"'([^']*)'", text))


def enumerations(paths: list[Path]) -> Iterator[frozenset[str]]:
    """Give each enumeration and each Literal of these modules, with and without the open one's `unknown`."""
    for path in paths:
        for node in ast.walk(syntax(path)):
            if isinstance(node, ast.ClassDef) and any("Enum" in ast.unparse(base) for base in node.bases):
                found = [item.value for item in node.body if isinstance(item, ast.Assign)]
            elif isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("Literal"):
                found = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            else:
                continue
            values = frozenset(str(value.value) for value in found if isinstance(value, ast.Constant))
            yield values
            yield values - {"unknown"}


def known_to(service: str) -> set[frozenset[str]]:
    """Give every set of values that the service's code knows."""
    shared = [
        ROOT / "libs/events/src/recoup_events/values.py",
        ROOT / "libs/declines/src/recoup_declines/model.py",
    ]
    own = [] if service == "chassis" else sorted(package_of(service).rglob("*.py"))
    return set(enumerations([*shared, *own]))


async def strangers(database: Database, known: set[frozenset[str]]) -> dict[str, set[str]]:
    """Give by column the lists in CHECKs that are no enumeration, and what no list or enumeration has."""
    checks = [(check["name"], check["definition"]) for check in await rows(database, CHECKS)]
    whole = {
        f"{table}.{found[1]}": literals(found[2])
        for table, definition in checks
        if (found := THE_WHOLE.match(definition))
    }
    strange = {column: set(values) for column, values in whole.items() if values not in known}
    for table, definition in checks:
        named = [(column, literals(text)) for column, text in A_LIST.findall(definition)]
        named += [(column, frozenset({value})) for column, value in A_VALUE.findall(definition)]
        for column, values in named:
            fits = [whole[f"{table}.{column}"]] if f"{table}.{column}" in whole else known
            if not any(values <= one for one in fits):
                strange.setdefault(f"{table}.{column}", set()).update(values)
    return strange


@pytest.mark.parametrize("service", WITH_A_DATABASE)
async def test_what_a_check_lists_is_an_enumeration_of_the_code(
    service: str, database: ServiceDatabases
) -> None:
    strange = await strangers(await database(service), known_to(service))
    assert strange.keys() == LISTED_ON_PURPOSE.get(service, {}).keys(), strange


@pytest.mark.parametrize("service", WITH_A_DATABASE)
async def test_ids_amounts_texts_and_instants_have_their_types(
    service: str, database: ServiceDatabases
) -> None:
    assert await names(await database(service), NARROW) == []


PLANTED = """
CREATE TABLE planted (
    charge_id integer, owed_minor integer, made_at timestamp, ended_at date, name varchar(20), done_at timestamptz,
    state text CHECK (state IN ('on', 'off')),
    kind text CHECK (kind IN ('on', 'of')),
    other text,
    CHECK (state <> 'of' OR other IS NULL),
    CHECK (other <> 'on' OR state = 'off'),
    CHECK (state NOT IN ('on', 'gone'))
);
"""


async def test_what_does_not_fit_is_found(database: ServiceDatabases) -> None:
    own = await database.fresh("chassis")
    async with connected(own.owner_dsn) as owner:
        await owner.execute(PLANTED)
    found = await strangers(own, {frozenset({"on", "off"})})
    assert found == {"planted.kind": {"of", "on"}, "planted.state": {"gone", "of", "on"}}
    narrow = sorted(name.split()[0].removeprefix("planted.") for name in await names(own, NARROW))
    assert narrow == ["charge_id", "ended_at", "made_at", "name", "owed_minor"]
    await database.drop(own)
