"""Paid invoices and succeeded payment intents that name no charge: how they came to be settled."""

from recoup_events.values import InvoiceStatus, SettledBy
from recoup_gateway_adapter.facts.domain.facts import (
    GUEST,
    Circumstances,
    Consequences,
    Join,
    JoinKind,
    PaymentSucceeded,
)
from recoup_gateway_adapter.facts.domain.payments import PAID, SUCCEEDED, attribution, paid
from recoup_gateway_adapter.facts.domain.records import IntentRecord, InvoiceRecord, Kind, Known
from recoup_gateway_adapter.gateways.contract import ChargeStatus


def invoice(known: Known, record: InvoiceRecord, circumstances: Circumstances, out: Consequences) -> None:
    """Tell that an invoice was settled, unless one of its charges tells it."""
    join = Join(JoinKind.PAID, record.invoice.invoice_id)
    if record.invoice.status is not InvoiceStatus.PAID or PAID in record.told:
        out.done.add(join)
        return
    charges = known.charges_of(record.invoice.invoice_id)
    if any(charge.charge and charge.charge.status is ChargeStatus.SUCCEEDED for charge in charges):
        _mark(known, record)
        out.done.add(join)
    elif (settled_by := _without_charge(record, join, circumstances)) is not None:
        out.facts.append(paid(known, record, None, settled_by, circumstances))
        out.done.add(join)
    elif record.invoice.total_minor == 0:
        _mark(known, record)  # nothing was ever due: a trial, or a change of plan
        out.done.add(join)
    elif not any(charge.charge is None for charge in charges):
        out.waits.add(join)
    # else the charge that it names is waited for, and tells


def _mark(known: Known, record: InvoiceRecord) -> None:
    record.told.add(PAID)
    known.touched.add((Kind.INVOICE, record.invoice.invoice_id))


def _without_charge(record: InvoiceRecord, join: Join, circumstances: Circumstances) -> SettledBy | None:
    if record.invoice.paid_out_of_band:
        return SettledBy.OUT_OF_BAND
    if record.invoice.total_minor > 0 and record.invoice.due_minor == 0:
        return SettledBy.CREDIT
    if record.invoice.total_minor > 0 and join in circumstances.settle:
        return SettledBy.UNKNOWN if join in circumstances.unanswered else SettledBy.OUT_OF_BAND
    return None


def intent(known: Known, record: IntentRecord, circumstances: Circumstances, out: Consequences) -> None:
    """Tell a succeeded payment intent by itself where no charge of it turns up."""
    join = Join(JoinKind.INTENT, record.payment_intent_id)
    has_charge = any(
        charge.payment_intent_id == record.payment_intent_id for charge in known.charges.values()
    )
    if not record.succeeded or record.told or has_charge or record.charge_id:
        out.done.add(join)
    elif join not in circumstances.settle:
        out.waits.add(join)
    else:
        record.told.add(SUCCEEDED)
        known.touched.add((Kind.INTENT, record.payment_intent_id))
        out.done.add(join)
        if (fact := _by_intent(record, circumstances)) is not None:
            out.facts.append(fact)


def _by_intent(record: IntentRecord, circumstances: Circumstances) -> PaymentSucceeded | None:
    if record.amount is None or record.seen_at is None:
        return None
    attributed_to, try_id = attribution(None, record.origin, circumstances)
    return PaymentSucceeded(
        identity=f"{record.payment_intent_id}:0",
        at=record.created_at or record.seen_at,
        customer_id=record.customer_id or GUEST + record.payment_intent_id,
        invoice=None,
        charge_id=None,
        payment_intent_id=record.payment_intent_id,
        amount=record.amount,
        instrument=record.instrument,
        settled_by=SettledBy.CHARGE,
        attributed_to=attributed_to,
        try_id=try_id,
    )
