"""Whether a try may be made at an instant: stops, gaps, waits, sliding limits, by the books as they stand.

Promise: a limit is counted at the instant of the try, over every decline of the credential that was told, whoever
made the charge.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import NamedTuple

from .rules_books import Books, Case
from .rules_table import RULES, Verdict

WORKING_DAY = dt.timedelta(days=1)
NOTHING = dt.timedelta(0)


class Problem(NamedTuple):
    """A rule that a try breaks, and how."""

    rule: str
    sentence: str


Forbid = Callable[[str], list[Problem]]


def forbid_plan(books: Books, case: Case, at: dt.datetime) -> Iterator[Problem]:
    """Say what a plan breaks. A case may keep the policy it was opened under, or follow the merchant's present one."""
    if case.settled:
        yield Problem("after_success", "a try is planned for a case that has been paid")
    opened, present = case.policy, books.policy(case.merchant)
    tries = max(opened.max_tries, present.max_tries)
    if case.tries + 1 > tries and books.uses_a_step(case):
        yield Problem("max_tries", f"try {case.tries + 1} of {tries:g}")
    end = case.first_at + max(opened.window, present.window)
    if at > end:
        yield Problem("window", f"{at} is after the window's end, {end}")
    gap = min(opened.min_gap, present.min_gap)

    def on(instrument: str) -> list[Problem]:
        return [
            *_stops_and_limits(books, case, instrument, at),
            *_too_soon(case, instrument, at, gap),
            *_too_soon_in_brazil(books, case, instrument, at),
            *_scheme(books, case, instrument, at),
        ]

    yield from _on_any(case, on)


def forbid_try(books: Books, case: Case, at: dt.datetime) -> list[Problem]:
    """Say what a try breaks that is made as it was planned: what was told since then counts."""
    return _on_any(case, lambda instrument: [*_stops_and_limits(books, case, instrument, at)])


def _on_any(case: Case, forbid: Forbid) -> list[Problem]:
    """What is allowed on one of the instruments in question is allowed; else tell of the one with the least to tell."""
    found = forbid(case.instruments[-1])
    for instrument in case.instruments[:-1]:
        if found:
            found = min(found, forbid(instrument), key=len)
    return found


def _stops_and_limits(books: Books, case: Case, instrument: str, at: dt.datetime) -> Iterator[Problem]:
    credential = (case.merchant, instrument)
    if stopped := books.stopped.get(credential):
        yield Problem(stopped.rule, f"{stopped.sentence} on {instrument}")
    for stop in case.stops.get(instrument, ()):
        yield Problem(stop.rule, f"{stop.sentence} on {instrument}")
    declines = books.declines.get(credential)
    if not declines:
        return
    match books.schemes.get(credential, case.scheme):  # a new card is taken for one of the same network
        case "visa":
            rule = "visa_limit_stripe" if case.gateway == "stripe" else "visa_limit"
            yield from _reattempts(rule, declines, at)
        case "mastercard":
            for rule in ("mastercard_24h", "mastercard_30d"):
                if (made := _within(rule, declines, at)) >= RULES[rule].limit:
                    yield Problem(rule, f"{made} declines of {instrument} before {at}")
            if books.readings.brazil and case.country in RULES["mastercard_brazil"].countries:
                yield from _reattempts("mastercard_brazil", declines, at)
        case _:
            pass


def _within(rule: str, declines: list[dt.datetime], at: dt.datetime) -> int:
    """Count the declines in the window that ends at this instant, which it includes; not its first instant."""
    limit = RULES[rule]
    if len(declines) < limit.limit:
        return 0
    start = at - limit.window
    return sum(start < one <= at for one in declines)


def _reattempts(rule: str, declines: list[dt.datetime], at: dt.datetime) -> Iterator[Problem]:
    made = _within(rule, declines, at)  # the first decline is no reattempt; this try would be one
    if made > RULES[rule].limit:
        yield Problem(rule, f"reattempt {made} in 30 days at {at}")


def _too_soon(case: Case, instrument: str, at: dt.datetime, gap: dt.timedelta) -> Iterator[Problem]:
    """Gap and advised wait since the case's last charge on this instrument."""
    last = case.last.get(instrument)
    if last is None:
        return
    then, verdict = last
    technical = RULES["technical_gap"].wait
    if verdict.technical and technical < gap:
        if at < then + technical:
            yield Problem("technical_gap", f"{at - then} after a technical failure")
    elif at < then + gap:
        yield Problem("min_gap", f"{at - then} after the last charge instead of {gap}")
    if verdict.wait and at < then + RULES[verdict.wait].wait:
        yield Problem(verdict.wait, f"{at - then} after an advice to wait {RULES[verdict.wait].wait}")


def _too_soon_in_brazil(books: Books, case: Case, instrument: str, at: dt.datetime) -> Iterator[Problem]:
    rule, last = RULES["mastercard_brazil"], case.last.get(instrument)
    if last is None or case.country not in rule.countries or not books.readings.brazil:
        return
    if books.schemes.get((case.merchant, instrument)) == "mastercard" and at < last[0] + rule.wait:
        yield Problem("mastercard_brazil", f"{at - last[0]} after the last decline in Brazil")


def _scheme(books: Books, case: Case, instrument: str, at: dt.datetime) -> Iterator[Problem]:
    """What gateways and bank schemes want of one payment."""
    again = case.charges.get(instrument, 0) - 1
    last = case.last.get(instrument)
    if case.gateway == "gocardless" and again >= RULES["gocardless_limit"].limit:
        yield Problem("gocardless_limit", f"retry {again + 1} of one payment")
    scheme = books.schemes.get((case.merchant, instrument), "")
    if scheme in NOTICES and books.readings.notice:
        yield from NOTICES[scheme](case.planned or at, at)
    if scheme == "bacs" and at > case.first_at + RULES["bacs_month"].window:
        yield Problem("bacs_month", f"{at} is more than a month after the first presentation")
    if last is None:
        return
    verdict = last[1]
    match scheme:
        case "ach":
            yield from _ach(verdict, again, funds_only=books.readings.ach_funds_only)
        case "sepa_dd":
            yield from _sepa(verdict, case.country)
        case "becs" | "pad" if case.gateway != "gocardless":
            rule = f"{scheme}_limit"
            if verdict.scheme_code in RULES[rule].codes and again >= RULES[rule].limit:
                yield Problem(rule, f"presented again {again + 1} times")
        case _:
            pass


def _ach(verdict: Verdict, again: int, *, funds_only: bool) -> Iterator[Problem]:
    if again >= RULES["ach_limit"].limit:
        yield Problem("ach_limit", f"reinitiation {again + 1}")
    code = verdict.scheme_code
    if funds_only and not (code in RULES["ach_reason"].codes if code else verdict.no_funds):
        yield Problem("ach_reason", f"reinitiated after {code or 'no return code'}")


def _sepa(verdict: Verdict, country: str) -> Iterator[Problem]:
    rule, code = RULES["sepa_country"], verdict.scheme_code
    if code in rule.codes and country not in rule.countries:
        yield Problem("sepa_country", f"{code} is not tried again in {country or 'no known country'}")


def _bacs_notice(planned: dt.datetime, at: dt.datetime) -> Iterator[Problem]:
    """A working day has 24 hours here, and Saturdays and Sundays none."""
    left, ready = RULES["bacs_notice"].wait, planned
    while left > NOTHING:
        ready += WORKING_DAY
        if ready.weekday() < 5:
            left -= WORKING_DAY
    if at < ready:
        yield Problem("bacs_notice", f"planned at {planned} for {at}")


def _upi_notice(planned: dt.datetime, at: dt.datetime) -> Iterator[Problem]:
    if at < planned + RULES["upi_notice"].wait:
        yield Problem("upi_notice", f"planned at {planned} for {at}")


NOTICES = {"bacs": _bacs_notice, "upi": _upi_notice}
