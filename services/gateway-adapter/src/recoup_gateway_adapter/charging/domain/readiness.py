"""Whether an attempt may be sent now, and what a reading of its invoice says of one that was.

Promise: what is not owed, not ours to collect, stopped or held is never sent.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from recoup_events.values import TRY_WITHIN, AttemptState, InvoiceStatus, Precedence
from recoup_gateway_adapter.charging.domain.answers import (
    Absent,
    Captured,
    ChargeResult,
    ChargeSeen,
    Declined,
    Finding,
    InvoiceSeen,
    NeedsAction,
    Payment,
    Processing,
    Unclear,
)
from recoup_gateway_adapter.charging.domain.attempt import Attempt

BLOCKED_AGAIN_AFTER = timedelta(seconds=15)
"""How often an attempt that is stopped, held or locked out looks again."""


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What we know without asking the gateway.

    `stopped`: who stopped charging (`everything`, `merchant`, `account`). `held`: something of the customer's
    is in quarantine. `holder`: the attempt that holds the invoice's lock. `ending`: a final action holds it.
    """

    precedence: Precedence
    stopped: str | None = None
    held: bool = False
    holder: Attempt | None = None
    ending: bool = False


@dataclass(frozen=True)
class Send:
    """It may go out."""


@dataclass(frozen=True)
class TakeOver:
    """It may go out once the attempt that waits for the customer has ended."""

    holder: Attempt


@dataclass(frozen=True)
class NotNow:
    """Something is in its way; look again then. `why` is a word."""

    why: str
    again_at: datetime


@dataclass(frozen=True)
class Never:
    """It must not be sent at all. `reason` is a word."""

    reason: str


def allowed(attempt: Attempt, around: Circumstances, now: datetime) -> Send | TakeOver | NotNow | Never:
    """Judge a planned attempt by what we know ourselves, before each request to the gateway."""
    if attempt.not_after is not None and now > attempt.not_after:
        return Never("too_late")
    if attempt.not_after is not None and now < attempt.not_after - TRY_WITHIN:
        return NotNow(
            "too_early", attempt.not_after - TRY_WITHIN
        )  # the clock that asked for it runs ahead of ours
    if around.precedence is not Precedence.PLATFORM_MANAGEMENT and not attempt.customer_present:
        return Never("gateway_default")
    why = _in_the_way(attempt, around)
    if why:
        return NotNow(why, now + BLOCKED_AGAIN_AFTER)
    return Send() if around.holder is None else TakeOver(around.holder)


def _in_the_way(attempt: Attempt, around: Circumstances) -> str | None:
    if around.stopped:
        return f"stopped_{around.stopped}"
    if around.held:
        return "held"
    if around.ending:
        return "final_action"
    holder = around.holder
    if holder is None or (attempt.customer_present and holder.state is AttemptState.REQUIRES_ACTION):
        return None
    return "locked"


def payable(attempt: Attempt, invoice: InvoiceSeen) -> Never | None:
    """Judge an attempt by its invoice as the gateway has it now."""
    if invoice.customer_id != attempt.customer_id:
        return Never("another_customer")
    if invoice.status is not InvoiceStatus.OPEN:
        return Never(f"invoice_{invoice.status.value}")
    if invoice.owed <= 0:
        return Never("nothing_owed")
    if not invoice.charged_automatically and not attempt.customer_present:
        return Never("send_invoice")
    if invoice.payment in (Payment.PROCESSING, Payment.SUCCEEDED):
        return Never(f"payment_{invoice.payment.value}")
    return None


def finding(attempt: Attempt, invoice: InvoiceSeen) -> Finding:
    """Say what a reading of the invoice and its charges means for an attempt whose outcome is awaited."""
    match attempt.state:
        case AttemptState.REQUIRES_ACTION:
            return _after_authentication(attempt, invoice)
        case AttemptState.PENDING:
            return _of_own_charge(attempt, invoice)
        case _:
            return _by_new_charges(attempt, invoice)


def _after_authentication(attempt: Attempt, invoice: InvoiceSeen) -> Finding:
    intent = invoice.payment_intent_id
    match invoice.payment:
        case Payment.SUCCEEDED:
            return Captured(invoice.latest_charge_id, intent)
        case Payment.PROCESSING:
            return Processing(invoice.latest_charge_id, intent)
        case Payment.NEEDS_ACTION:
            return NeedsAction(intent, invoice.page_url)
        case Payment.NEEDS_METHOD:
            return Declined(None, intent, invoice.failure) if invoice.failure else Absent()
        case Payment.NONE:
            return Absent()


def _of_own_charge(attempt: Attempt, invoice: InvoiceSeen) -> Finding:
    for charge in invoice.charges or ():
        if charge.charge_id == attempt.charge_id:
            return _of_charge(charge, invoice.payment_intent_id)
    return Unclear("charge_not_listed")


def _by_new_charges(attempt: Attempt, invoice: InvoiceSeen) -> Finding:
    """Look among the charges made since the attempt was first sent, on its instrument."""
    if invoice.charges is None:
        return Unclear("charges_not_read")
    ours = [charge for charge in _newer(invoice.charges, attempt.seen_charge_id) if _fits(charge, attempt)]
    for result in (ChargeResult.SUCCEEDED, ChargeResult.PENDING, ChargeResult.FAILED):
        for charge in reversed(ours):
            if charge.result is result:
                return _of_charge(charge, invoice.payment_intent_id)
    if invoice.payment is Payment.NEEDS_ACTION and attempt.customer_present:
        return NeedsAction(invoice.payment_intent_id, invoice.page_url)
    return Absent()


def _newer(charges: tuple[ChargeSeen, ...], seen: str | None) -> list[ChargeSeen]:
    ids = [charge.charge_id for charge in charges]
    return list(charges[: ids.index(seen)] if seen in ids else charges)


def _fits(charge: ChargeSeen, attempt: Attempt) -> bool:
    return attempt.instrument_id is None or charge.instrument_id in (None, attempt.instrument_id)


def _of_charge(charge: ChargeSeen, intent: str | None) -> Finding:
    match charge.result:
        case ChargeResult.SUCCEEDED:
            return Captured(charge.charge_id, intent)
        case ChargeResult.FAILED:
            return Declined(charge.charge_id, intent, charge.code)
        case ChargeResult.PENDING:
            return Processing(charge.charge_id, intent)
        case ChargeResult.REQUIRES_ACTION:
            return NeedsAction(intent)
