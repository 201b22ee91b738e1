"""Words: the chassis speaks of merchants, clocks, timers and messages; a domain asks nobody what time it is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .house import ROOT, relative, syntax

CHASSIS = ROOT / "libs/chassis/src/recoup_chassis"
OF_SERVICES = {
    "case",
    "charge",
    "card",
    "mail",
    "email",
    "invoice",
    "decline",
    "dunning",
    "ladder",
    "gateway",
}
IN_SQL = OF_SERVICES - {"case"}  # there CASE is an expression

PURE = sorted(
    path
    for package in ROOT.glob("services/*/src/*")
    for pattern in ("*/domain.py", "*/domain/**/*.py", "rules/**/*.py", "gateways/contract.py")
    for path in package.glob(pattern)
)
CLOCKS = {"now", "utcnow", "today", "fromtimestamp"}
CHANCE = {"uuid1", "uuid4", "uuid6", "uuid7"}


def words_of(identifier: str) -> set[str]:
    """Give the words in an identifier, singular: `CardSessions` and `card_sessions` are card and session."""
    pieces = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)
    return {word for piece in pieces for word in (piece.lower(), piece.lower().removesuffix("s"))}


def identifiers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Give every name that a module uses or makes, with its line."""
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
                yield line, name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield line, name
            case ast.keyword(arg=str(name)):
                yield line, name
            case _:
                pass


def asks_the_time(tree: ast.Module) -> Iterator[str]:
    """Give every look at a clock or at chance, which a pure module must not take."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=value, attr=attr) if attr in CLOCKS:
                if words_of(ast.unparse(value)) & {"datetime", "date", "dt", "time"}:
                    yield f"{node.lineno}: {ast.unparse(node)}"
            case ast.Name(id=name) | ast.Attribute(attr=name) if name in CHANCE:
                yield f"{node.lineno}: {name}"
            case _:
                pass


@pytest.mark.parametrize("path", sorted(CHASSIS.rglob("*.py")), ids=relative)
def test_the_chassis_knows_no_word_of_a_service(path: Path) -> None:
    assert [(line, name) for line, name in identifiers(syntax(path)) if words_of(name) & OF_SERVICES] == []


@pytest.mark.parametrize("path", sorted(CHASSIS.rglob("*.sql")), ids=relative)
def test_the_chassis_sql_knows_no_word_of_a_service(path: Path) -> None:
    code = re.sub(r"--.*|'[^']*'", "", path.read_text())
    assert [name for name in re.findall(r"\w+", code) if words_of(name) & IN_SQL] == []


def test_a_pure_module_asks_neither_clock_nor_chance() -> None:
    assert [(relative(path), found) for path in PURE for found in asks_the_time(syntax(path))] == []


@pytest.mark.parametrize(
    "line",
    [
        "datetime.now(UTC)",
        "dt.datetime.utcnow()",
        "date.today()",
        "datetime.datetime.now",
        "uuid4()",
        "uuid.uuid4()",
    ],
)
def test_a_look_at_the_clock_is_found(line: str) -> None:
    assert len(list(asks_the_time(ast.parse(line)))) == 1


@pytest.mark.parametrize(
    "line", ["tx.now", "now + timedelta(days=1)", "clock.now(merchant)", "uuid5(NAMESPACE, name)"]
)
def test_a_clock_that_is_an_argument_is_in_order(line: str) -> None:
    assert list(asks_the_time(ast.parse(line))) == []


@pytest.mark.parametrize(
    "line", ["charges = 1", "class CardSession: ...", "f(mail=1)", "def open_case(): ...", "x.invoice_id"]
)
def test_a_word_of_a_service_is_found(line: str) -> None:
    assert any(words_of(name) & OF_SERVICES for _, name in identifiers(ast.parse(line)))


@pytest.mark.parametrize("line", ["discharge = 1", "cardinality", "x.casefold()", "mailbox"])
def test_a_word_that_only_sounds_alike_is_left_alone(line: str) -> None:
    assert not any(words_of(name) & OF_SERVICES for _, name in identifiers(ast.parse(line)))
