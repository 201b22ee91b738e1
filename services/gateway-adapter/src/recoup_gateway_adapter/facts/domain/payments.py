"""Charges: which payment failed, which succeeded, whose doing it was."""

from datetime import timedelta
from uuid import UUID

from recoup_events.values import (
    Attribution,
    Collection,
    FailureNature,
    InvoiceStatus,
    ReversalKind,
    SettledBy,
    SubscriptionStatus,
)
from recoup_gateway_adapter.facts.domain.facts import (
    GUEST,
    Circumstances,
    Consequences,
    InvoiceRef,
    Join,
    JoinKind,
    PaymentFailed,
    PaymentReversed,
    PaymentSucceeded,
)
from recoup_gateway_adapter.facts.domain.records import (
    ChargeRecord,
    FailureRecord,
    IntentRecord,
    InvoiceRecord,
    Kind,
    Known,
)
from recoup_gateway_adapter.gateways.contract import BY_ITSELF, Charge, ChargeStatus, Decline, Money

SAME_TRY = timedelta(hours=1)
"""A failed collection and a charge of the same invoice that lie no further apart are taken for one try, where
neither names the other: a gateway's own tries are hours apart at least."""

FAILED, SUCCEEDED, RETURNED, PAID = "failed", "succeeded", "returned", "paid"
BLIND = "blind"
"""Names in `told`. What failed and was told without knowing its invoice is told again by that, should it turn up."""

PAST_ITS_START = frozenset({SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID})
"""A subscription that fell behind with its first invoice was not incomplete: API versions before 2019-03-14."""


def charge(known: Known, record: ChargeRecord, circumstances: Circumstances, out: Consequences) -> None:
    """Tell a charge's outcome when it is known what it pays."""
    join = Join(JoinKind.CHARGE, record.charge_id)
    if record.charge is None:
        _only_mentioned(known, record, join, circumstances, out)
    elif not _has_news(record, record.charge):
        out.done.add(join)
    elif (
        FAILED not in record.told and record.charge.status is ChargeStatus.FAILED and SUCCEEDED in record.told
    ):
        _returned(known, record, record.charge, out)
    elif join in circumstances.settle or (_complete(known, record) and _whose(record, circumstances)):
        _tell(known, record, record.charge, circumstances, out)
        out.done.add(join)
    else:
        out.waits.add(join)


def _has_news(record: ChargeRecord, thing: Charge) -> bool:
    match thing.status:
        case ChargeStatus.FAILED:
            return not record.told & {FAILED, RETURNED}
        case ChargeStatus.SUCCEEDED:
            return SUCCEEDED not in record.told
        case ChargeStatus.PENDING | ChargeStatus.AUTHORISED:
            return False


def _complete(known: Known, record: ChargeRecord) -> bool:
    linked, invoice_id = known.invoice_of(record)
    if invoice_id is None:
        return linked
    invoice = known.invoices.get(invoice_id)
    return invoice is not None and invoice.invoice.status is not InvoiceStatus.DRAFT


def _whose(record: ChargeRecord, circumstances: Circumstances) -> bool:
    """Tell whether it is known who made the charge: one that was only read waits for the webhook that says so."""
    return record.origin is not None or record.charge_id in circumstances.attempts


def _only_mentioned(
    known: Known, record: ChargeRecord, join: Join, circumstances: Circumstances, out: Consequences
) -> None:
    if record.told or join not in circumstances.settle:
        (out.done if record.told else out.waits).add(join)
        return
    invoice = known.invoices.get(known.invoice_of(record)[1] or "")
    intent = known.intents.get(record.payment_intent_id or "")
    if invoice is not None and invoice.invoice.status is InvoiceStatus.PAID and PAID not in invoice.told:
        mark(known, record, SUCCEEDED)
        out.facts.append(paid(known, invoice, record, SettledBy.CHARGE, circumstances))
    elif intent is not None and intent.charge_id == record.charge_id and (thing := _as_told_by(intent)):
        _tell(known, record, thing, circumstances, out)
    out.done.add(join)


def _as_told_by(intent: IntentRecord) -> Charge | None:
    """Give the charge that an intent speaks of, as far as the intent knows it."""
    if intent.charge_id is None or intent.amount is None or intent.seen_at is None:
        return None
    if not intent.succeeded and intent.decline is None:
        return None
    return Charge(
        charge_id=intent.charge_id,
        status=ChargeStatus.SUCCEEDED if intent.succeeded else ChargeStatus.FAILED,
        amount=intent.amount,
        created_at=intent.seen_at,
        customer_id=intent.customer_id,
        payment_intent_id=intent.payment_intent_id,
        instrument=intent.instrument,
        decline=intent.decline or Decline(),
    )


def _tell(
    known: Known, record: ChargeRecord, thing: Charge, circumstances: Circumstances, out: Consequences
) -> None:
    if thing.status is ChargeStatus.SUCCEEDED:
        mark(known, record, SUCCEEDED)
        out.facts.append(_succeeded(known, record, thing, circumstances))
        return
    mark(known, record, FAILED)
    told_without = [
        failure for failure in known.failures.values() if failure.told and explains(known, failure, record)
    ]
    if told_without:
        told_without[0].charge_id = record.charge_id
        known.touched.add((Kind.FAILURE, told_without[0].failure_id))
        return
    fact = failed_charge(known, record, thing, circumstances)
    if fact.nature is FailureNature.UNKNOWN:
        mark(known, record, BLIND)
    out.facts.append(fact)
    ask_who(known, fact, out)


def mark(known: Known, record: ChargeRecord, what: str) -> None:
    """Note what of a charge is told."""
    record.told.add(what)
    known.touched.add((Kind.CHARGE, record.charge_id))


def _succeeded(
    known: Known, record: ChargeRecord, thing: Charge, circumstances: Circumstances
) -> PaymentSucceeded:
    attributed_to, try_id = attribution(record.charge_id, record.origin, circumstances)
    return PaymentSucceeded(
        identity=record.charge_id,
        at=thing.created_at,
        customer_id=known.customer_of(record) or GUEST + record.charge_id,
        invoice=_invoice_ref(known, record),
        charge_id=record.charge_id,
        payment_intent_id=record.payment_intent_id,
        amount=thing.amount,
        instrument=thing.instrument,
        settled_by=SettledBy.CHARGE,
        attributed_to=attributed_to,
        try_id=try_id,
    )


def failed_charge(
    known: Known, record: ChargeRecord, thing: Charge, circumstances: Circumstances
) -> PaymentFailed:
    """Give the fact that a charge failed."""
    attributed_to, try_id = attribution(record.charge_id, record.origin, circumstances)
    intent = known.intents.get(record.payment_intent_id or "")
    newest = intent if intent is not None and intent.charge_id == record.charge_id else None
    return PaymentFailed(
        identity=record.charge_id,
        at=thing.created_at,
        customer_id=known.customer_of(record) or GUEST + record.charge_id,
        nature=_nature(known, record),
        invoice=_invoice_ref(known, record),
        charge_id=record.charge_id,
        payment_intent_id=record.payment_intent_id,
        amount=thing.amount,
        instrument=thing.instrument or (newest.instrument if newest else None),
        decline=_both(thing.decline, newest.decline if newest else None),
        attributed_to=attributed_to,
        try_id=try_id,
    )


def _both(by_charge: Decline, by_intent: Decline | None) -> Decline:
    """Join what a charge and its intent say of a decline: the intent has the decline code of old versions."""
    if by_intent is None:
        return by_charge
    vague = by_charge.code in {None, "card_declined"}
    return Decline(
        code=(by_intent.code or by_charge.code) if vague else by_charge.code,
        advice=by_charge.advice or by_intent.advice,
        network_code=by_charge.network_code or by_intent.network_code,
        network_advice=by_charge.network_advice or by_intent.network_advice,
        requires_authentication=by_charge.requires_authentication or by_intent.requires_authentication,
    )


def _invoice_ref(known: Known, record: ChargeRecord) -> InvoiceRef | None:
    _, invoice_id = known.invoice_of(record)
    if invoice_id is None:
        return None
    found = known.invoices.get(invoice_id)
    return InvoiceRef(invoice_id, found.invoice if found else None)


def _nature(known: Known, record: ChargeRecord) -> FailureNature:
    linked, invoice_id = known.invoice_of(record)
    if invoice_id is None:
        return FailureNature.STANDALONE if linked else FailureNature.UNKNOWN
    found = known.invoices.get(invoice_id)
    return FailureNature.UNKNOWN if found is None else nature_of(known, found)


def nature_of(known: Known, record: InvoiceRecord) -> FailureNature:
    """Tell what kind of failure this is: only a finalised, automatically charged invoice is a renewal."""
    invoice = record.invoice
    if invoice.status is InvoiceStatus.DRAFT:
        return FailureNature.UNKNOWN
    if invoice.collection is not Collection.AUTOMATIC:
        return FailureNature.OVERDUE
    subscription = known.subscriptions.get(invoice.subscription_id or "")
    fell_behind = subscription is not None and subscription.subscription.status in PAST_ITS_START
    if invoice.first_of_subscription and not fell_behind:
        return FailureNature.SETUP_UNFINISHED
    return FailureNature.RENEWAL


def attribution(
    charge_id: str | None, origin: str | None, circumstances: Circumstances
) -> tuple[Attribution, UUID | None]:
    """Tell who made a charge: the stored charge decides, else the request of the event."""
    attempt = circumstances.attempts.get(charge_id or "") or circumstances.attempts.get(origin or "")
    if attempt is not None:
        return (Attribution.CUSTOMER if attempt.customer_present else Attribution.RECOUP), attempt.try_id
    if origin is None:
        return Attribution.UNKNOWN, None
    return (Attribution.GATEWAY if origin == BY_ITSELF else Attribution.MERCHANT), None


def _returned(known: Known, record: ChargeRecord, thing: Charge, out: Consequences) -> None:
    """The money had come in and went back with the bank; the charge itself says so."""
    mark(known, record, RETURNED)
    _, invoice_id = known.invoice_of(record)
    invoice = known.invoices.get(invoice_id or "")
    out.facts.append(
        PaymentReversed(
            reversal_id=f"{record.charge_id}:return",
            at=record.seen_at or thing.created_at,
            customer_id=known.customer_of(record) or GUEST + record.charge_id,
            kind=ReversalKind.BANK_RETURN,
            charge_id=record.charge_id,
            invoice_id=invoice_id,
            amount=thing.amount,
            payable_again=invoice is not None and invoice.invoice.status is InvoiceStatus.OPEN,
        )
    )


def ask_who(known: Known, fact: PaymentFailed, out: Consequences) -> None:
    """Want to know customer and subscription of a failed invoice: we may never have seen them."""
    if fact.invoice is None:
        return
    if not fact.customer_id.startswith(GUEST) and fact.customer_id not in known.customers:
        out.waits.add(Join(JoinKind.CUSTOMER, fact.customer_id))
    subscription = fact.invoice.invoice.subscription_id if fact.invoice.invoice else None
    if subscription is not None and subscription not in known.subscriptions:
        out.waits.add(Join(JoinKind.SUBSCRIPTION, subscription))


def explains(known: Known, failure: FailureRecord, record: ChargeRecord) -> bool:
    """Tell whether this charge is the one that a failed collection speaks of."""
    named = failure.failed.charge_id or failure.charge_id
    if named is not None:
        return named == record.charge_id
    thing = record.charge
    if thing is None or thing.status is not ChargeStatus.FAILED:
        return False
    if known.invoice_of(record)[1] != failure.failed.invoice_id:
        return False
    if failure.origin is not None and record.origin is not None and (failure.origin or record.origin):
        return failure.origin == record.origin
    return abs(failure.at - thing.created_at) <= SAME_TRY


def paid(
    known: Known,
    found: InvoiceRecord,
    record: ChargeRecord | None,
    settled_by: SettledBy,
    circumstances: Circumstances,
) -> PaymentSucceeded:
    """Tell that an invoice was settled, by what the invoice itself says; marks it as told."""
    found.told.add(PAID)
    invoice = found.invoice
    known.touched.add((Kind.INVOICE, invoice.invoice_id))
    charge_id = record.charge_id if record else None
    attributed_to, try_id = attribution(charge_id, record.origin if record else None, circumstances)
    settled = invoice.paid_minor or invoice.due_minor or invoice.total_minor
    return PaymentSucceeded(
        identity=charge_id or f"{invoice.invoice_id}:{invoice.attempt_count}",
        at=invoice.paid_at or found.seen_at,
        customer_id=invoice.customer_id or GUEST + invoice.invoice_id,
        invoice=InvoiceRef(invoice.invoice_id, invoice),
        charge_id=charge_id,
        payment_intent_id=invoice.payment_intent_id,
        amount=Money(settled, invoice.owed.currency),
        instrument=None,
        settled_by=settled_by,
        attributed_to=attributed_to,
        try_id=try_id,
    )
