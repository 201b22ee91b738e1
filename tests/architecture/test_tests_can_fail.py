"""Every test can fail: it asserts, expects an exception, or calls something that does."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from .house import is_test, relative, syntax, tracked

Function = ast.FunctionDef | ast.AsyncFunctionDef
TESTS = [path for path in tracked() if path.suffix == ".py" and is_test(path)]
EXPECTING = {"raises", "warns", "fail", "deprecated_call", "RaisesGroup"}
ASSERTING_ELSEWHERE = {"eventually"}
"""recoup_local.eventually raises AssertionError when it never held."""


def functions(tree: ast.AST) -> Iterator[Function]:
    """Give every function in a tree, methods and inner ones too."""
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def is_true_anyway(assertion: ast.Assert) -> bool:
    """Tell whether an assertion holds whatever the code under test does."""
    match assertion.test:
        case ast.Constant(value=value):
            return bool(value)
        case ast.Tuple(elts=elements):
            return bool(elements)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.Is() | ast.LtE() | ast.GtE()], comparators=[right]):
            return ast.unparse(left) == ast.unparse(right) and not any(
                isinstance(node, ast.Call) for node in ast.walk(left)
            )
        case _:
            return False


def called(function: Function) -> set[str]:
    """Give the names of what a function calls, or passes on to be called, methods by their last name."""
    names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute)}


def asserts(function: Function) -> bool:
    """Tell whether a function itself can fail on purpose."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assert) and not is_true_anyway(node):
            return True
        if isinstance(node, ast.Raise) and node.exc and "AssertionError" in ast.unparse(node.exc):
            return True
        if isinstance(node, ast.Attribute) and node.attr in EXPECTING and ast.unparse(node.value) == "pytest":
            return True
    return False


def asserting(trees: list[ast.Module]) -> set[str]:
    """Give the names of helpers that assert, or call one that does."""
    known = set(ASSERTING_ELSEWHERE)
    helpers = [f for tree in trees for f in functions(tree) if not f.name.startswith("test_")]
    while True:
        more = {f.name for f in helpers if f.name not in known and (asserts(f) or called(f) & known)}
        if not more:
            return known
        known |= more


def cannot_fail(tree: ast.Module, known: set[str]) -> list[str]:
    """Give the tests of a module in which nothing is asserted."""
    return [
        f"{test.lineno}: {test.name}"
        for test in functions(tree)
        if test.name.startswith("test_") and not asserts(test) and not called(test) & known
    ]


def idle_assertions(tree: ast.Module) -> list[int]:
    """Give the lines of assertions that always hold."""
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert) and is_true_anyway(node)]


@pytest.fixture(scope="module")
def known() -> set[str]:
    return asserting([syntax(path) for path in TESTS])


@pytest.mark.parametrize("path", TESTS, ids=relative)
def test_every_test_of_this_file_can_fail(path: Path, known: set[str]) -> None:
    assert cannot_fail(syntax(path), known) == []
    assert idle_assertions(syntax(path)) == []


CANNOT = """
def test_calls_only(): do()
def test_true(): assert True
def test_itself():
    x = do()
    assert x == x
def test_tuple(): assert (do(), "message")
"""
CAN = """
def test_asserts(): assert do() == 1
def test_twice(): assert do() == do()
def test_raises():
    with pytest.raises(ValueError): do()
async def test_waits(): await eventually(lambda: do())
def test_by_a_helper(): holds(do())
def holds(x): check(x)
def check(x): assert x
"""


def test_a_test_that_cannot_fail_is_found() -> None:
    tree = ast.parse(CANNOT)
    assert len(cannot_fail(tree, asserting([tree]))) == 4
    assert len(idle_assertions(tree)) == 3


def test_a_test_that_can_fail_is_left_alone() -> None:
    tree = ast.parse(CAN)
    assert cannot_fail(tree, asserting([tree])) == []
    assert idle_assertions(tree) == []
