"""From decisions to events: the edge where the domain's words become the contract's.

Promise: an event's id is its decision's: merchant, type, case and revision.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, assert_never

from recoup_events import models as m
from recoup_events.parts import Instrument, Invoice, Money
from recoup_events.values import Collection, fact_id
from recoup_retry_scheduler.cases.domain.case import Case
from recoup_retry_scheduler.cases.domain.decisions import Announcement, Changed, FinalAsked, TryAsked
from recoup_retry_scheduler.cases.domain.facts import Card
from recoup_retry_scheduler.cases.domain.settle import Now


def events_of(announcements: Iterable[Announcement], now: dict[str, Now]) -> Iterator[m.Event]:
    """Give the events of decisions, in order."""
    for said in announcements:
        clocks = now[said.case.owner.merchant_id]
        at = clocks.merchant
        match said:
            case Changed():
                yield _changed(said, at)
            case TryAsked():
                yield _try_asked(said, at)
            case FinalAsked():
                yield _final_asked(said, clocks)
            case _:
                assert_never(said)


def _head(case: Case, event: type[m.Event], at: datetime) -> dict[str, Any]:
    merchant, account, customer = case.owner
    return {
        "id": fact_id(merchant, event.TOPIC.name, str(case.case_id), str(case.revision)),
        "time": at,
        "merchant_id": merchant,
        "account_id": account,
        "customer_id": customer,
        "case_id": case.case_id,
        "revision": case.revision,
    }


def _changed(said: Changed, at: datetime) -> m.RecoveryChanged:
    case = said.case
    return m.RecoveryChanged(
        **_head(case, m.RecoveryChanged, at),
        state=case.state,
        transition=said.transition,
        reason=case.reason,
        invoice=_invoice(case),
        instrument=_instrument(case.card),
        failed_at=case.failed_at,
        resolve_by=case.resolve_by,
        next_try_at=case.next_try_at,
        waiting_for=case.waiting_for,
        final_action=case.final_action,
        decline_code=case.verdict.code,
        decline_class=case.verdict.decline_class.value,
        decline_action=case.verdict.action.value,
        masked=case.verdict.masked,
        tries_made=case.tries_made,
        tries_planned=0 if case.closed else max(case.steps_left, 0),
        recovered_amount=None
        if case.recovered is None
        else Money(minor=case.recovered, currency=case.bill.currency),
        recovered_by=case.recovered_by,
    )


def _try_asked(said: TryAsked, at: datetime) -> m.RetryDue:
    case, asked = said.case, said.asked
    return m.RetryDue(
        **_head(case, m.RetryDue, at),
        try_id=asked.try_id,
        invoice_id=case.bill.invoice_id,
        instrument_id=asked.card.instrument_id if asked.card else None,
        kind=asked.kind,
        step=asked.step,
        not_after=asked.not_after,
        reason=case.reason,
    )


def _final_asked(said: FinalAsked, now: Now) -> m.FinalActionDue:
    case = said.case
    return m.FinalActionDue(
        **_head(case, m.FinalActionDue, now.merchant),
        invoice_id=case.bill.invoice_id,
        subscription_id=case.bill.subscription_id,
        action=case.final_action,
        not_before=now.real,
    )


def _invoice(case: Case) -> Invoice:
    bill = case.bill
    return Invoice(
        invoice_id=bill.invoice_id,
        number=bill.number,
        subscription_id=bill.subscription_id,
        owed=Money(minor=bill.owed, currency=bill.currency),
        collection=Collection(bill.collection),
        next_gateway_try_at=bill.next_gateway_try_at,
    )


def _instrument(card: Card | None) -> Instrument | None:
    if card is None:
        return None
    return Instrument(
        instrument_id=card.instrument_id,
        kind=card.kind,
        brand=card.brand,
        funding=card.funding,
        country=card.country,
        fingerprint=card.fingerprint,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
    )
