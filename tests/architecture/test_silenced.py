"""Whatever silences a checker says why: noqa, type: ignore, pragma, skip and xfail."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from .house import relative, tracked

PYTHON = [path for path in tracked() if path.suffix == ".py"]
SILENCED = re.compile(
    r"#\s*(ruff:\s*noqa|noqa|type:\s*ignore|pragma:|pyright:|mypy:)(?P<rest>.*)", re.IGNORECASE
)
CODES = re.compile(r"\s*(:\s*)?(\[[\w, -]+\]|[A-Z]+[0-9]+([\s,]+[A-Z]+[0-9]+)*|no cover|no branch)")
A_REASON = re.compile(r"[^\W\d_]{2,}")


def silenced_without_reason(text: str) -> Iterator[str]:
    """Give the comments that silence a checker without a code and a reason behind it."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        found = SILENCED.search(token.string) if token.type == tokenize.COMMENT else None
        if found is None:
            continue
        codes = CODES.match(found["rest"])
        if codes is None or not A_REASON.search(found["rest"][codes.end() :]):
            yield f"{token.start[0]}: {token.string}"


def left_out_without_reason(tree: ast.Module) -> Iterator[str]:
    """Give the tests that are skipped or expected to fail without saying why."""
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr not in {
            "skip",
            "skipif",
            "xfail",
            "importorskip",
        }:
            continue
        if not ast.unparse(node).startswith(("pytest.", "mark.")):
            continue
        call = calls.get(id(node))
        reasons = [word.value for word in call.keywords if word.arg == "reason"] if call else []
        if call and not reasons and node.attr == "skip":
            reasons = call.args
        if not any(not isinstance(reason, ast.Constant) or reason.value for reason in reasons):
            yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", PYTHON, ids=relative)
def test_what_silences_a_checker_says_why(path: Path) -> None:
    text = path.read_text()
    assert [*silenced_without_reason(text), *left_out_without_reason(ast.parse(text))] == []


@pytest.mark.parametrize(
    "line",
    ["x = 1  # noqa", "x = 1  # noqa: E501", "x = 1  # type: ignore", "x = 1  # type: ignore[arg-type]",
     "# ruff: noqa", "# ruff: noqa: D", "x = 1  # noqa: D101, D102  #", "x = 1  # pragma: no cover"],
)  # fmt: skip
def test_a_bare_silence_is_found(line: str) -> None:
    assert list(silenced_without_reason(line)) == [f"1: {line[line.index('#') :]}"]


@pytest.mark.parametrize(
    "line",
    ["x = 1  # noqa: E501  # a table reads across", "x = 1  # noqa: D101, D102 - generated",
     "x = 1  # type: ignore[arg-type]  # ships no types", 's = "# noqa"', "# why noqa is rare"],
)  # fmt: skip
def test_a_silence_with_its_reason_passes(line: str) -> None:
    assert list(silenced_without_reason(line)) == []


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("@pytest.mark.skip\ndef test(): ...", 1),
        ("@pytest.mark.skip(reason='')\ndef test(): ...", 1),
        ("@pytest.mark.xfail(strict=True)\ndef test(): ...", 1),
        ("pytest.importorskip('x')", 1),
        ("@pytest.mark.skipif(windows, reason='no fork')\ndef test(): ...", 0),
        ("pytest.skip('no browser here')", 0),
        ("stack.skip()", 0),
    ],
)
def test_a_test_left_out_says_why(line: str, found: int) -> None:
    assert len(list(left_out_without_reason(ast.parse(line)))) == found
