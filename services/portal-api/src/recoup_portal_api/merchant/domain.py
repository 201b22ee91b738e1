"""Cursors of lists, and the sum of all cases. Pure."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID


def cursor(failed_at: datetime, case_id: UUID) -> str:
    """Write down where a page of cases ended."""
    return base64.urlsafe_b64encode(f"{failed_at.isoformat()} {case_id}".encode()).decode()


def read_cursor(text: str) -> tuple[datetime, UUID]:
    """Read where a page of cases ended.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        at, _, case_id = base64.b64decode(text, b"-_", validate=True).decode().partition(" ")
        instant = datetime.fromisoformat(at)
        found = instant, UUID(case_id)
    except (binascii.Error, UnicodeDecodeError, ValueError) as wrong:
        raise ValueError("cursor: not one of ours") from wrong
    if instant.tzinfo is None:
        raise ValueError("cursor: not one of ours")
    return found


@dataclass
class Way:
    """What came in by one way. Amounts in integer minor units."""

    cases: int = 0
    amount_minor: int = 0


@dataclass
class Totals:
    """Cases of one currency. Amounts in integer minor units."""

    currency: str
    failures: int = 0
    failed_minor: int = 0
    open: int = 0
    open_minor: int = 0
    lost: int = 0
    lost_minor: int = 0
    reversed: int = 0
    tries: int = 0
    tries_of_recovered: int = 0
    open_past_deadline: int = 0
    recovered: Way = field(default_factory=Way)
    recovered_by: dict[str, Way] = field(default_factory=dict)


def totals(rows: Iterable[Mapping[str, Any]]) -> list[Totals]:
    """Add up groups of cases (currency, state, way) to totals by currency, in the order of their names."""
    by_currency: dict[str, Totals] = {}
    for row in rows:
        total = by_currency.setdefault(row["currency"], Totals(row["currency"]))
        total.failures += row["cases"]
        total.failed_minor += row["owed_minor"]
        total.tries += row["tries"]
        total.open_past_deadline += row["past_deadline"]
        _add(total, row)
    return [by_currency[currency] for currency in sorted(by_currency)]


def _add(total: Totals, row: Mapping[str, Any]) -> None:
    match row["state"]:
        case "recovered":
            way = total.recovered_by.setdefault(row["recovered_by"] or "unknown", Way())
            for tally in (total.recovered, way):
                tally.cases += row["cases"]
                tally.amount_minor += row["recovered_minor"]
            total.tries_of_recovered += row["tries"]
        case "ended":
            total.lost += row["cases"]
            total.lost_minor += row["owed_minor"]
        case "reversed":
            total.reversed += row["cases"]
        case _:
            total.open += row["cases"]
            total.open_minor += row["owed_minor"]
