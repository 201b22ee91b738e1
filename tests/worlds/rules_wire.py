"""The wire of `retry-scheduler decide`, as its readers' contract says it: what a line is, and what is none."""

import datetime as dt
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

Line = dict[str, Any]
Given = Line | str
"""An input: a line already parsed, or the text of one that may be anything."""


class Step(NamedTuple):
    """One input line and what was answered to it, in order."""

    given: Given
    answers: list[Line]


class Reading(NamedTuple):
    """How an input line is to be taken.

    Attributes:
        line: None when nobody knows what it means.
        at: Its instant; None where it has none.
        state: `fine` must not be refused; `odd` may be answered or refused; `bad` must be refused.
    """

    line: Line | None
    at: dt.datetime | None
    state: Literal["fine", "odd", "bad"]


BAD = Reading(None, None, "bad")
UNHEARD = Reading(None, None, "odd")
"""Of a type that may come one day, or with a number for a name."""

NEEDS = {
    "policy": (),
    "failure": ("at", "case"),
    "outcome": ("at", "case", "success"),
    "payment": ("at", "customer"),
    "card_updated": ("at", "customer", "instrument"),
    "customer_payday": ("at", "customer"),
    "sync": (),
}
USUAL = {"failure": ("merchant", "customer", "instrument", "gateway"), "policy": ("merchant",)}
NAMES = ("case", "merchant", "customer", "instrument")
TEXTS = (
    *("gateway", "brand", "country", "funding", "currency"),
    *("code", "advice", "network_code", "network_advice"),
)


def instant(value: object) -> dt.datetime | None:
    """An instant as the wire spells it, with its zone; None when it is none."""
    if not isinstance(value, str):
        return None
    try:
        read = dt.datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if read.tzinfo is None else read


def number(value: object) -> float | None:
    """A finite number; a truth value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def read(given: Given) -> Reading:
    """Take one input line as it may be taken."""
    line = _parsed(given) if isinstance(given, str) else given
    kind = line.get("type") if line is not None else None
    if line is None or not isinstance(kind, str):
        return BAD
    needs = NEEDS.get(kind)
    if needs is None or not _texts(line, NAMES):
        return UNHEARD
    at = instant(line.get("at")) if "at" in needs else None
    lacks = any(line.get(name) in (None, "") for name in needs)
    if (
        lacks
        or ("at" in needs and at is None)
        or ("success" in needs and not isinstance(line["success"], bool))
    ):
        return BAD
    return Reading(line, at, "odd" if _odd(kind, line) else "fine")


def _parsed(given: str) -> Line | None:
    try:
        line = json.loads(given)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _texts(line: Mapping[str, Any], names: Iterable[str]) -> bool:
    for name in names:
        value = line.get(name)
        if value is not None and not isinstance(value, str):
            return False
    return True


def _odd(kind: str, line: Mapping[str, Any]) -> bool:
    if not all(line.get(name) for name in USUAL.get(kind, ())) or not _texts(line, TEXTS):
        return True
    if kind == "failure":
        amount, currency = line.get("amount_minor"), line.get("currency")
        return not (
            isinstance(amount, int) and amount > 0 and isinstance(currency, str) and len(currency) == 3
        )
    return kind == "customer_payday" and not _says_a_day(line)


def _says_a_day(line: Mapping[str, Any]) -> bool:
    day, weekday, date = line.get("day_of_month"), line.get("weekday"), line.get("date")
    if date is not None:
        try:
            dt.date.fromisoformat(date)
        except (TypeError, ValueError):
            return False
        return True
    return (isinstance(day, int) and 1 <= day <= 31) or (isinstance(weekday, int) and 0 <= weekday <= 6)


class Policy(NamedTuple):
    """What a merchant wants: tries after the first failure, days from it, hours between."""

    max_tries: float = 3
    window: dt.timedelta = dt.timedelta(days=14)
    min_gap: dt.timedelta = dt.timedelta(hours=10)


def policy_of(line: Mapping[str, Any]) -> Policy | None:
    """Read a policy; None for one that has to be refused: numbers out of range, or no numbers."""
    tries, window, gap = (
        number(usual if line.get(name) is None else line[name])
        for name, usual in (("max_tries", 3), ("window_days", 14), ("min_gap_hours", 10))
    )
    if tries is None or window is None or gap is None or tries < 0 or gap < 0 or not 1 <= window <= 60:
        return None
    return Policy(tries, dt.timedelta(days=window), dt.timedelta(hours=min(gap, 1 << 20)))


def pair(inputs: Iterable[str], outputs: Iterable[str]) -> list[Step]:
    """Put together two recorded streams by the number in each answer.

    An answer without such a number goes with the last line that was answered, where it will be complained about.
    """
    steps = [Step(given.rstrip("\n"), []) for given in inputs]
    last = 1
    for output in outputs:
        answer = json.loads(output)
        said = answer.get("line")
        if isinstance(said, int) and last <= said <= len(steps):
            last = said
        steps[last - 1].answers.append(answer)
    return steps
