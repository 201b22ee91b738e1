"""A rehearsal as people read it, and as JSON lines."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from recoup_retry_scheduler.rehearsal.rehearse import SUPPOSED, Bite, Planned, Rehearsed
from recoup_retry_scheduler.rehearsal.summary import OfSchedule, Summary
from recoup_retry_scheduler.rehearsal.wire import spelt
from recoup_retry_scheduler.rules.spelling import on

_DAY = timedelta(days=1)
_BAR = 30
"""Characters of the longest bar."""


def as_json(one: Rehearsed) -> dict[str, Any]:
    """Give all that is known of a failure."""
    return {
        "type": "failure",
        "line": one.line,
        "case": one.failure.case,
        "merchant": one.failure.merchant,
        "customer": one.failure.customer,
        "at": spelt(one.failure.at),
        "schedules": {name: _json(planned) for name, planned in one.plans.items()},
        "really": [{"at": spelt(told.at), "success": told.success, "code": told.code} for told in one.really],
    }


def _json(planned: Planned) -> dict[str, Any]:
    return {
        "begins": planned.begins,
        "tries": [
            {"at": spelt(one.at), "reason": one.reason}
            | ({} if one.odds is None else {"models_odds": one.odds})
            for one in planned.tries
        ],
        "rules_that_bit": [
            {"rule": bite.rule, "until": bite.until and spelt(bite.until), "reason": bite.reason}
            for bite in planned.bites
        ],
        "ends": {
            "action": planned.ends,
            "for": planned.waits_for,
            "rule": planned.ended_by,
            "reason": planned.reason,
        },
    }


def summed_up(summary: Summary) -> Iterator[str]:
    """Write the summary, line by line."""
    names = list(summary.schedules)
    yield f"{_many(summary.failures, 'failure')} rehearsed; instants are UTC. {SUPPOSED}"
    if summary.really_tried:
        told = f"{summary.really_tried} were tried, {summary.really_passed} of them with success"
        yield f"What was really done, where it is told: {told}."
    yield ""
    yield from _aligned([["", *names], *_counts(summary)])
    yield from _section("Rules that bit, failures", _rules(summary), names)
    yield from _section("First try, days after the failure", _days(summary), names)


def _counts(summary: Summary) -> Iterator[list[str]]:
    all_of = list(summary.schedules.values())
    begins = dict.fromkeys(what for one in all_of for what in one.begins)
    for what in sorted(begins, key=("retry", "stop").__contains__, reverse=True):
        yield [what, *(str(one.begins[what]) for one in all_of)]
    yield ["tries per failure", *(f"{one.tries / summary.failures:.2f}" for one in all_of)]
    yield ["days to the first try, mean", *(_mean(one.to_first, one) for one in all_of)]
    yield ["days to the last try, mean", *(_mean(one.to_last, one) for one in all_of)]


def _mean(days: float, of: OfSchedule) -> str:
    return f"{days / of.tried:.2f}" if of.tried else "-"


def _section(title: str, rows: list[list[str]], names: Sequence[str]) -> Iterator[str]:
    if rows:
        yield ""
        yield from _aligned([[title, *names], *rows])


def _rules(summary: Summary) -> list[list[str]]:
    all_of = summary.schedules.values()
    rules = dict.fromkeys(rule for one in all_of for rule, _ in one.rules.most_common())
    return [[rule, *(str(one.rules[rule]) for one in all_of)] for rule in rules]


def _days(summary: Summary) -> list[list[str]]:
    """Give counts by day, and a bar for the policy that was asked for."""
    all_of = list(summary.schedules.values())
    days = sorted({day for one in all_of for day in one.first_days})
    most = max(all_of[0].first_days.values(), default=1)
    return [
        [
            f"{day} to {day + 1}",
            *(str(one.first_days[day]) for one in all_of),
            "#" * -(-all_of[0].first_days[day] * _BAR // most),
        ]
        for day in days
    ]


def written(one: Rehearsed, *, odds: bool) -> Iterator[str]:
    """Write one failure, a line for each schedule.

    Args:
        odds: whether to tell what the model thought of each try.
    """
    failure = one.failure
    about = [failure.code or "no code", failure.brand, failure.funding, failure.country]
    yield f"{failure.case}  {on(failure.at)}  {' '.join(filter(None, about))}"
    rows = []
    for name, planned in one.plans.items():
        tries = "; ".join(
            f"{tried.at:%a} {tried.at.day} {tried.at:%b %H:%M} (+{(tried.at - failure.at) / _DAY:.1f} d)"
            + (f" model's odds {100 * tried.odds:.0f} %" if odds and tried.odds is not None else "")
            for tried in planned.tries
        )
        rows.append([f"  {name}", tries or "no try", f"then {_end(planned)}"])
    yield from _aligned(rows)
    bitten: dict[Bite, list[str]] = {}
    for name, planned in one.plans.items():
        for bite in planned.bites:
            bitten.setdefault(bite, []).append(name)
    for bite, names in bitten.items():
        until = f" Until {on(bite.until)}." if bite.until else ""
        yield f"  {bite.rule} ({', '.join(names)}): {bite.reason}{until}"
    if one.really:
        yield "  really: " + "; ".join(
            f"+{(told.at - failure.at) / _DAY:.1f} d {'passed' if told.success else told.code or 'failed'}"
            for told in one.really
        )


def _end(planned: Planned) -> str:
    if planned.ends == "stop":
        return f"stop ({planned.ended_by})"
    return f"wait for {planned.waits_for} ({planned.ended_by})"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Write rows with columns of one width; numbers to the right."""
    widths = [
        max(len(row[place]) for row in rows if place < len(row)) for place in range(max(map(len, rows)))
    ]
    for row in rows:
        cells = [
            cell.rjust(width) if _is_number(cell) else cell.ljust(width)
            for cell, width in zip(row, widths, strict=False)
        ]
        yield "  ".join(cells).rstrip()


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).isdecimal()


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
