"""What facts say about a case that stands: its first and last failure, its try's outcome, its end.

Promise: pure, and the same whatever order the facts came in.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from recoup_events.values import (
    AttemptState,
    Attribution,
    CaseState,
    FinalActionOutcome,
    InvoiceStatus,
    RecoveryWay,
    ReversalKind,
    SettledBy,
    SubscriptionStatus,
    TryKind,
    fact_id,
)
from recoup_retry_scheduler.cases.domain import sentences
from recoup_retry_scheduler.cases.domain.book import LASTING, Book
from recoup_retry_scheduler.cases.domain.case import TO_REACT, Case, Try, WakeKind
from recoup_retry_scheduler.cases.domain.facts import Bill, Failed, Succeeded
from recoup_retry_scheduler.cases.domain.money import Money, money_of

TO_SAY_HOW: Final = timedelta(minutes=2)
"""Real time for which an invoice may read as paid before its case closes without knowing by which charge."""

BACK_OFF: Final = timedelta(hours=1)
LONGEST_BACK_OFF: Final = timedelta(hours=24)
"""After a try that was given back unsent: doubled each time, up to this."""

GONE = frozenset({SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED})


@dataclass(frozen=True, slots=True)
class Now:
    """The two instants of a decision, UTC: the merchant's and the real one."""

    merchant: datetime
    real: datetime


@dataclass(frozen=True, slots=True)
class Closing:
    """How a case ends."""

    state: CaseState
    reason: str
    recovered: int | None = None
    recovered_by: RecoveryWay | None = None


@dataclass(frozen=True, slots=True)
class PaidUntold:
    """The invoice reads as paid; by what is to be told until `until` (real), and nothing is tried before."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Declined:
    """The outstanding try was declined."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The outstanding try was not sent, or not processed: it does not count."""

    why: str


def opened(book: Book, invoice_id: str, now: Now) -> Case:
    """Open the case of an invoice that has a failure."""
    failures = book.failures_of(invoice_id)
    first, last = failures[0], failures[-1]
    return Case(
        owner=book.owner,
        case_id=fact_id(book.owner.account_id, "case", invoice_id),
        gateway=first.gateway,
        bill=_bill(failures),
        policy=book.policy,
        failed_at=first.at,
        anchor_at=first.at,
        learnt_at=now.merchant,
        last_failed_at=last.at,
        card=last.card,
        verdict=last.verdict,
        final_action=book.policy.action_at_the_end,
    )


def adopted(case: Case, book: Book, now: Now) -> Case:
    """Let an open case follow the newest policy that is for open cases too.

    A plan that stood is made anew. A deadline that moves nearer leaves a day to react, or what was left of the old one.
    """
    policy = book.open_policy
    if (
        policy is None
        or policy.version <= case.policy.version
        or case.closed
        or case.state is CaseState.ENDING
    ):
        return case
    soonest = min(case.resolve_by, now.merchant + TO_REACT)
    return replace(
        case,
        policy=policy,
        planned=None,
        final_action=policy.action_at_the_end,
        learnt_at=max(case.learnt_at, soonest - TO_REACT),
    )


def informed(case: Case, book: Book, now: Now) -> Case:
    """Bring a case's account of its failures up to date; a bank's return starts its ladder anew."""
    invoice_id = case.bill.invoice_id
    failures = book.failures_of(invoice_id)
    if not failures:
        return case
    first, last = failures[0].at, book.declines_of(invoice_id, failures)[-1]
    returned = max((back.at for back in book.reversals_of(invoice_id) if back.reopens), default=first)
    bill, anchor = _bill(failures), max(first, returned)
    news = (bill, first, last.at, last.card, last.verdict, anchor)
    if news == (case.bill, case.failed_at, case.last_failed_at, case.card, case.verdict, case.anchor_at):
        return case
    told = replace(
        case,
        bill=bill,
        failed_at=first,
        last_failed_at=last.at,
        card=last.card,
        verdict=last.verdict,
        anchor_at=anchor,
    )
    if returned > max(first, case.anchor_at):
        return replace(told, position=0, refusals=0, not_before=None, learnt_at=now.merchant)
    return told


def _bill(failures: list[Failed]) -> Bill:
    bills = [failure.bill for failure in failures if failure.bill is not None]
    owed = max(bill.owed for bill in bills)
    return bills[-1] if bills[-1].owed == owed else replace(bills[-1], owed=owed)


def money(case: Case, book: Book) -> Money:
    """Add up a case's invoice."""
    bill = case.bill
    return money_of(
        book.successes_of(bill.invoice_id), book.reversals_of(bill.invoice_id), bill.owed, bill.currency
    )


def heard(case: Case, book: Book) -> tuple[Case, Declined | GivenBack | None]:
    """Give the case with what was heard of its outstanding try, and the try's outcome if it has one."""
    if case.trying is None:
        return case, None
    asked = case.trying
    for failure in book.failures.values():
        if _is_about(failure, asked, case.bill.invoice_id):
            return case, Declined() if failure.counts else GivenBack(failure.verdict.meaning)
    news = sorted((a.revision, a.state, a.reason) for a in book.attempts if a.try_id == asked.try_id)
    for revision, state, reason in news:
        if state is AttemptState.NOT_SENT:
            return case, GivenBack(reason.replace("_", " "))
        if revision > asked.seen:
            asked = replace(asked, seen=revision, state=state if state in LASTING else asked.state)
    return replace(case, trying=asked), None


def _is_about(failure: Failed, asked: Try, invoice_id: str) -> bool:
    if failure.try_id is not None:
        return failure.try_id == asked.try_id
    return (
        failure.attributed_to is Attribution.RECOUP
        and failure.bill is not None
        and failure.bill.invoice_id == invoice_id
        and failure.at >= asked.asked_at.replace(microsecond=0)
    )


def given_back(case: Case, now: Now) -> Case:
    """Give the case back the try that was not sent: no step is used, and the next comes later each time.

    Past the deadline a step stays used: nothing must hold a case open for ever.
    """
    asked = case.trying
    wait = min(BACK_OFF * 2 ** min(case.refusals, 10), LONGEST_BACK_OFF)
    unused = asked is not None and asked.step is not None and now.merchant < case.resolve_by
    return replace(
        case,
        trying=None,
        position=asked.step - 1 if unused and asked and asked.step else case.position,
        tries_made=case.tries_made - 1,
        refusals=case.refusals + 1,
        not_before=now.merchant + wait,
    )


def closing_of(case: Case, book: Book, now: Now) -> Closing | PaidUntold | None:
    """Say whether and how the case ends, from money first and then from what is known of its invoice."""
    sum_ = money(case, book)
    if sum_.settled and sum_.last is not None:
        way = _way(case, book, sum_.last)
        late = sentences.LATE if case.state is CaseState.ENDED else ""
        return Closing(CaseState.RECOVERED, sentences.RECOVERED[way] + late, sum_.net, way)
    if sum_.taken_back is not None:
        return _taken_back(case, book, sum_, sum_.taken_back.kind)
    if sum_.returned_at is None:
        paid = _paid(case, book, now)
        if paid is not None:
            return paid
    return _final(case, book) if case.state is CaseState.ENDING else _elsewhere(case, book)


def _taken_back(case: Case, book: Book, sum_: Money, kind: ReversalKind) -> Closing:
    """A part given back leaves the case recovered, with less; all of it reverses the recovery."""
    if sum_.net > 0 and sum_.gross >= sum_.owed and sum_.last is not None:
        return Closing(CaseState.RECOVERED, sentences.PARTLY_BACK, sum_.net, _way(case, book, sum_.last))
    return Closing(CaseState.REVERSED, sentences.reversed_by(kind), sum_.net or None)


def _paid(case: Case, book: Book, now: Now) -> Closing | PaidUntold | None:
    if book.invoice(case.bill.invoice_id).status is not InvoiceStatus.PAID:
        return None
    waits = case.wake if case.wake and case.wake.kind is WakeKind.SETTLE else None
    if waits is None or now.real < waits.at:
        return PaidUntold(waits.at if waits else now.real + TO_SAY_HOW)
    return Closing(CaseState.RECOVERED, sentences.PAID_UNTOLD, case.bill.owed, RecoveryWay.UNKNOWN)


def _final(case: Case, book: Book) -> Closing | None:
    fact = book.finals.get(case.case_id)
    match fact.outcome if fact else FinalActionOutcome.UNKNOWN:
        case FinalActionOutcome.DONE:
            return Closing(CaseState.ENDED, sentences.ENDED_DONE[case.final_action])
        case FinalActionOutcome.OVERTAKEN:
            return Closing(CaseState.ENDED, sentences.ENDED_OVERTAKEN)
        case FinalActionOutcome.REFUSED:
            return Closing(CaseState.ENDED, sentences.ENDED_REFUSED)
        case FinalActionOutcome.UNKNOWN:
            return None


def _elsewhere(case: Case, book: Book) -> Closing | None:
    match book.invoice(case.bill.invoice_id).status:
        case InvoiceStatus.VOID:
            return Closing(CaseState.ENDED, sentences.ENDED_VOID)
        case InvoiceStatus.UNCOLLECTIBLE:
            return Closing(CaseState.ENDED, sentences.ENDED_UNCOLLECTIBLE)
        case InvoiceStatus.DRAFT | InvoiceStatus.OPEN | InvoiceStatus.PAID | InvoiceStatus.UNKNOWN:
            gone = book.subscription_status(case.bill.subscription_id) in GONE
            return Closing(CaseState.ENDED, sentences.ENDED_CANCELLED) if gone else None


_WITHOUT_CHARGE: Final = {
    SettledBy.OUT_OF_BAND: RecoveryWay.OUT_OF_BAND,
    SettledBy.CREDIT: RecoveryWay.MERCHANT,
}


def _way(case: Case, book: Book, paid: Succeeded) -> RecoveryWay:
    if paid.settled_by in _WITHOUT_CHARGE:
        return _WITHOUT_CHARGE[paid.settled_by]
    match paid.attributed_to:
        case Attribution.RECOUP:
            return _way_of_try(case, paid)
        case Attribution.CUSTOMER:
            return _way_of_customer(case, book, paid)
        case Attribution.GATEWAY:
            return RecoveryWay.GATEWAY_RETRY
        case Attribution.MERCHANT:
            return RecoveryWay.MERCHANT
        case Attribution.UNKNOWN:
            return RecoveryWay.UNKNOWN


def _way_of_try(case: Case, paid: Succeeded) -> RecoveryWay:
    match case.kind_of(paid.try_id):
        case TryKind.NEW_CARD:
            return RecoveryWay.NEW_CARD
        case TryKind.REQUESTED:
            return RecoveryWay.CUSTOMER_PAYMENT
        case TryKind.SCHEDULED | TryKind.UNKNOWN:
            return RecoveryWay.SCHEDULED_RETRY


def _way_of_customer(case: Case, book: Book, paid: Succeeded) -> RecoveryWay:
    """A card other than the one that failed first is a new one; with the same, the customer paid."""
    failures = book.failures_of(case.bill.invoice_id)
    first = failures[0].card if failures else None
    if paid.card is None or first is None or paid.card.is_same_edition(first):
        return RecoveryWay.CUSTOMER_PAYMENT
    return RecoveryWay.NEW_CARD
