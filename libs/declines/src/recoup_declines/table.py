"""The table of declines, read once from `codes.csv` and `sources.csv`; an unknown word stops the import."""

import csv
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources
from typing import cast

from recoup_declines.model import Decline, DeclineClass, DefaultAction, Row, SoftOrHard

Codes = Mapping[str, Decline]  # one code space, or several merged, by casefolded code


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    yield from csv.DictReader(text.splitlines())


def _spelt(code: str) -> Iterable[str]:
    """Spell out a range: Braintree documents 2109-2999 as one row."""
    first, dash, last = code.partition("-")
    if dash and first.isdigit() and last.isdigit():
        return (str(number) for number in range(int(first), int(last) + 1))
    return (code,)


def _declines() -> Iterator[Decline]:
    sources = {
        row["source"]: (row["document"], dt.date.fromisoformat(row["as_of"])) for row in _rows("sources.csv")
    }
    for row in _rows("codes.csv"):
        document, as_of = sources[row["source"]]
        for code in _spelt(row["code"]):
            yield Decline(
                gateway=row["space"],
                code=code,
                meaning=row["meaning"],
                decline_class=DeclineClass(row["class"]),
                soft_or_hard=cast("SoftOrHard", row["soft_or_hard"]),
                default_action=DefaultAction(row["default_action"]),
                masked=row["masked"] == "yes",
                known=True,
                decided_by=Row(row["space"], code),
                source=document,
                as_of=as_of,
            )


def _by_space() -> dict[str, dict[str, Decline]]:
    spaces: dict[str, dict[str, Decline]] = {}
    for decline in _declines():
        spaces.setdefault(decline.gateway, {})[decline.code.casefold()] = decline
    return spaces


_SPACES = _by_space()


def all_declines() -> Iterator[Decline]:
    """Every code alone, in the table's order, a range spelt out."""
    for codes in _SPACES.values():
        yield from codes.values()


def spaces() -> frozenset[str]:
    """The names of all code spaces."""
    return frozenset(_SPACES)


def merged(*names: str) -> Codes:
    """Several code spaces as one; where they share a code, the space named first wins.

    Raises:
        KeyError: there is no such space.
    """
    return {code: row for name in reversed(names) for code, row in _SPACES[name].items()}
