"""Past events from a file, in a stream: JSON lines of the wire of `decide`, or CSV with a column for each field.

Promise: what cannot be taken is given with its line and its reason, and the rest goes on.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO, NamedTuple

from recoup_retry_scheduler.rehearsal import wire

_BOM = b"\xef\xbb\xbf"
_DELIMITERS = ",;\t|"
_WHOLE = frozenset({"amount_minor", "day_of_month", "weekday"})
_YES_OR_NO = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


class NoTable(Exception):
    """The file is no CSV that could be read; its message says what is wanted."""


class Row(NamedTuple):
    """An event, and the number of the line (from 1) where it ended."""

    line: int
    told: wire.Line


class Bad(NamedTuple):
    """A line that could not be taken, and why."""

    line: int
    why: str


def read(file: BinaryIO, names: Mapping[str, str]) -> Iterator[Row | Bad]:
    """Give what a file tells, line by line.

    Args:
        file: UTF-8, with or without its mark; it can peek.
        names: other names of columns, by field.

    Raises:
        NoTable: it is neither JSON lines nor a CSV that has a column `at`.
    """
    begin: bytes = file.peek(wire.LONGEST_LINE)  # type: ignore[attr-defined]  # buffered readers can
    if begin.removeprefix(_BOM).lstrip()[:1] in {b"{", b""}:
        return _json_lines(file)
    return _table(file, names)


def _json_lines(file: BinaryIO) -> Iterator[Row | Bad]:
    for number, line in wire.lines(file):
        if line is None:
            yield Bad(number, wire.TOO_LONG)
            continue
        raw = line.removeprefix(_BOM).strip() if number == 1 else line.strip()
        if raw:
            yield _taken(raw, number)


def _taken(raw: bytes, number: int) -> Row | Bad:
    try:
        return Row(number, wire.read(raw))
    except wire.Unreadable as why:
        refused = str(why)
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return Bad(number, refused)
    if not isinstance(fields, dict):
        return Bad(number, "a JSON object is wanted")
    return _filled(fields, number)


def _filled(fields: dict[str, Any], number: int) -> Row | Bad:
    """Take an event, a failure where nothing else is said; whom it names by default, `docs/rehearse.md` says."""
    fields = {"type": "failure"} | fields
    if fields["type"] == "failure":
        fields.setdefault("case", f"line {number}")
        fields.setdefault("merchant", "merchant")
        fields.setdefault("customer", fields["case"])
        fields.setdefault("instrument", f"of {fields['customer']}"[: wire.LONGEST_NAME])
    try:
        return Row(number, wire.read(json.dumps(fields)))
    except wire.Unreadable as why:
        return Bad(number, str(why))


def _table(file: BinaryIO, names: Mapping[str, str]) -> Iterator[Row | Bad]:
    # what is no UTF-8 comes through as surrogates, which no text has
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    header = text.readline(wire.LONGEST_LINE)
    delimiter = max(_DELIMITERS, key=header.count)
    columns = _columns(next(csv.reader([header], delimiter=delimiter), []), names)
    rows = csv.reader(text, delimiter=delimiter)
    while True:
        try:
            cells = next(rows, None)
        except csv.Error as why:
            yield Bad(rows.line_num + 1, f"no row: {why}")
            continue
        if cells is None:
            return
        if any(cells):
            yield _row(columns, cells, rows.line_num + 1)


def _columns(header: list[str], names: Mapping[str, str]) -> list[str]:
    fields = {_plain(name): field for field, name in names.items()}
    plain = [_plain(name) for name in header]
    columns = [fields.get(name, "" if name in names else name) for name in plain]
    known = f"its columns are: {', '.join(header)[: wire.LONGEST_ERROR]}"
    if not known.isprintable():
        raise NoTable("neither JSON lines nor CSV in UTF-8")
    for name in names.values():
        if _plain(name) not in plain:
            raise NoTable(f"no column is called {name}; {known}")
    if "at" not in columns:
        raise NoTable(f"no column `at`, when a payment failed; {known}. Name it with --columns at=NAME")
    for column in columns:
        if column and columns.count(column) > 1:
            raise NoTable(f"two columns are for `{column}`; {known}")
    return columns


def _plain(name: str) -> str:
    return "_".join(name.casefold().replace("-", " ").split())


def _row(columns: list[str], cells: list[str], number: int) -> Row | Bad:
    if len(cells) != len(columns):
        return Bad(number, f"{len(columns)} cells are wanted, as in the header, and not {len(cells)}")
    fields = {
        name: _value(name, cell.strip()) for name, cell in zip(columns, cells, strict=True) if cell.strip()
    }
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        return Bad(number, "not UTF-8")
    return _filled(fields, number)


def _value(name: str, cell: str) -> Any:
    """Read a cell; one that is not what its field wants stays as it is and is refused like any other."""
    if name in _WHOLE and len(cell) < 20 and cell.removeprefix("-").isdecimal():
        return int(cell)
    return _YES_OR_NO.get(cell.casefold(), cell) if name == "success" else cell
