"""The only door to the mind: facts and cases go in, decisions come out.

Promise: pure. Every change of a case is announced once, with a revision of its own; an open case has exactly one
live timer, a closed one none; at most one try of a case is outstanding.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import UUID

from recoup_events.values import CaseState
from recoup_retry_scheduler.cases.domain.act import Situation, proceed
from recoup_retry_scheduler.cases.domain.book import Book, Books
from recoup_retry_scheduler.cases.domain.case import Case
from recoup_retry_scheduler.cases.domain.choosing import Choose
from recoup_retry_scheduler.cases.domain.decisions import Decisions, Saved
from recoup_retry_scheduler.cases.domain.facts import Fact, Failed
from recoup_retry_scheduler.cases.domain.settle import (
    Closing,
    Declined,
    GivenBack,
    Now,
    PaidUntold,
    adopted,
    closing_of,
    given_back,
    heard,
    informed,
    money,
    opened,
)


def fold(books: Books, facts: Iterable[Fact], now: Mapping[str, Now], choose: Choose) -> Decisions:
    """Apply facts to the books of the customers concerned and say what follows.

    Args:
        books: one for each owner that a fact names; they are brought up to date.
        now: the instants, by merchant.
        choose: the instants of tries in mode smart; it must be pure.
    """
    for fact in facts:
        books[fact.owner].learn(fact)
    decisions = Decisions()
    for book in books.values():
        _decide(book, now[book.owner.merchant_id], choose, decisions)
    return decisions


def _decide(book: Book, now: Now, choose: Choose, decisions: Decisions) -> None:
    before = dict(book.cases)
    for case in _opened(book, now):
        book.cases[case.case_id] = case
    situations: dict[UUID, Situation] = {}
    for case_id, case in book.cases.items():
        book.cases[case_id], situations[case_id] = _settled(case, book, now)
    for case in sorted(book.cases.values(), key=lambda case: (case.failed_at, case.case_id)):
        known = before.get(case.case_id)
        after = proceed(known, case, situations[case.case_id], book, now, decisions, choose=choose)
        book.cases[case.case_id] = after
        fired = case.case_id in book.fired
        if after != known or fired:
            armed = None if known is None or fired else known.wake
            decisions.cases.append(Saved(after, armed))


def _opened(book: Book, now: Now) -> list[Case]:
    """Open a case for each invoice with a new failure that has none."""
    known = {case.bill.invoice_id for case in book.cases.values()}
    failed = dict.fromkeys(
        fact.bill.invoice_id
        for fact in book.new
        if isinstance(fact, Failed) and fact.opens and fact.counts and fact.bill is not None
    )
    return [opened(book, invoice_id, now) for invoice_id in failed if invoice_id not in known]


def _settled(case: Case, book: Book, now: Now) -> tuple[Case, Situation]:
    """Bring a case up to the facts: its failures, its end, its try."""
    case = informed(adopted(case, book, now), book, now)
    closing = closing_of(case, book, now)
    match closing:
        case Closing():
            return _closed(case, closing, book), Situation()
        case PaidUntold():
            case, outcome = _heard(case, book, now)
            return case, Situation(outcome, untold_until=closing.until)
        case None if case.closed:
            return _reopened(case, book)
        case None:
            case, outcome = _heard(case, book, now)
            return case, Situation(outcome)


def _heard(case: Case, book: Book, now: Now) -> tuple[Case, Declined | GivenBack | None]:
    case, outcome = heard(case, book)
    match outcome:
        case Declined():
            case = replace(case, trying=None, refusals=0, not_before=None)
        case GivenBack():
            case = given_back(case, now)
        case None:
            pass
    return case, outcome


def _closed(case: Case, closing: Closing, book: Book) -> Case:
    """Close a case. One that is closed ends no more, unless what recovered it went back."""
    if case.closed and closing.state is CaseState.ENDED and not _lost_again(case, book):
        return case
    if (case.state, case.recovered, case.recovered_by) == (
        closing.state,
        closing.recovered,
        closing.recovered_by,
    ):
        return case
    return replace(
        case,
        state=closing.state,
        recovered=closing.recovered,
        recovered_by=closing.recovered_by,
        reason=closing.reason,
        waiting_for=None,
        next_try_at=None,
        trying=None,
        wake=None,
    )


def _lost_again(case: Case, book: Book) -> bool:
    return case.state is CaseState.RECOVERED and money(case, book).returned_at is not None


def _reopened(case: Case, book: Book) -> tuple[Case, Situation]:
    if not _lost_again(case, book):
        return case, Situation()
    reopened = replace(case, state=CaseState.SCHEDULED, recovered=None, recovered_by=None)
    return reopened, Situation(reopened=True)
