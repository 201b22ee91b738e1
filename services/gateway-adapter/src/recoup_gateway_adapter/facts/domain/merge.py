"""Add an observation to what is known.

Promise: the result does not depend on the order of observations. A newer instant wins; of two at the same instant
the later state does, by precedence and then by a fixed comparison; what is certain is never made uncertain.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from recoup_events.values import CardChange, InvoiceStatus, SubscriptionStatus
from recoup_gateway_adapter.facts.domain.records import (
    ChargeRecord,
    CustomerRecord,
    FailureRecord,
    InstrumentRecord,
    IntentRecord,
    InvoiceRecord,
    Key,
    Kind,
    Known,
    ReversalRecord,
    SubscriptionRecord,
)
from recoup_gateway_adapter.gateways.contract import (
    Charge,
    ChargeStatus,
    CheckoutSession,
    CollectionFailed,
    Customer,
    Instrument,
    InstrumentRevoked,
    Invoice,
    Observation,
    PaymentIntent,
    PaymentLink,
    PaymentMethod,
    Reversal,
    Subscription,
)

NEVER = datetime.min.replace(tzinfo=UTC)
"""When an object was seen of which only the id was mentioned: anything seen is newer."""

INVOICE_ORDER = {
    status: place
    for place, status in enumerate(
        (
            InvoiceStatus.UNKNOWN,
            InvoiceStatus.DRAFT,
            InvoiceStatus.OPEN,
            InvoiceStatus.UNCOLLECTIBLE,
            InvoiceStatus.VOID,
            InvoiceStatus.PAID,
        )
    )
}
SUBSCRIPTION_ORDER = {
    status: place
    for place, status in enumerate(
        (
            SubscriptionStatus.UNKNOWN,
            SubscriptionStatus.INCOMPLETE,
            SubscriptionStatus.TRIALING,
            SubscriptionStatus.ACTIVE,
            SubscriptionStatus.PAUSED,
            SubscriptionStatus.PAST_DUE,
            SubscriptionStatus.UNPAID,
            SubscriptionStatus.INCOMPLETE_EXPIRED,
            SubscriptionStatus.CANCELED,
        )
    )
}
CHARGE_ORDER = {
    ChargeStatus.PENDING: 0,
    ChargeStatus.AUTHORISED: 1,
    ChargeStatus.FAILED: 2,
    ChargeStatus.SUCCEEDED: 3,
}


def merge(known: Known, observations: Iterable[Observation]) -> set[Key]:
    """Add observations; give the objects that they concern, changed or not."""
    concerned: set[Key] = set()
    for observation in observations:
        concerned |= _merge_one(known, observation)
    return concerned


def _merge_one(known: Known, seen: Observation) -> set[Key]:  # noqa: C901, PLR0911  # one line a thing
    match seen.thing:
        case Charge():
            return _charge(known, seen.thing, seen)
        case PaymentIntent():
            return _intent(known, seen.thing, seen)
        case PaymentLink():
            return _link(known, seen.thing)
        case Invoice():
            return _invoice(known, seen.thing, seen)
        case CollectionFailed():
            return _failure(known, seen.thing, seen)
        case PaymentMethod():
            return _instrument(known, seen.thing, seen.at)
        case InstrumentRevoked():
            return _revoked(known, seen.thing, seen.at)
        case Customer():
            return _customer(known, seen.thing, seen.at)
        case Subscription():
            return _subscription(known, seen.thing, seen.at)
        case Reversal():
            return _reversal(known, seen.thing, seen.at)
        case CheckoutSession():
            return set()


def failure_id(failed: CollectionFailed, request_key: str | None) -> str:
    """Name a failed collection: by its request, for only the gateway's own attempts are counted; else by the count."""
    return f"{failed.invoice_id}:{request_key or failed.attempt}"


def _charge(known: Known, thing: Charge, seen: Observation) -> set[Key]:
    record = known.charges.setdefault(thing.charge_id, ChargeRecord(thing.charge_id))
    before = record.charge
    if (
        before is None
        or record.seen_at is None
        or (
            (seen.at, CHARGE_ORDER[thing.status], repr(thing))
            > (record.seen_at, CHARGE_ORDER[before.status], repr(before))
        )
    ):
        record.charge, record.seen_at = thing, seen.at
    record.origin = _origin(record.origin, seen.request_key)
    record.payment_intent_id = record.payment_intent_id or thing.payment_intent_id
    record.invoice_id = record.invoice_id or thing.invoice_id
    record.linked = record.linked or thing.invoice_known
    return _touch(known, (Kind.CHARGE, thing.charge_id))


def _origin(known: str | None, told: str | None) -> str | None:
    """A request's key is more certain than "by itself", which is more certain than nothing; then the smaller one."""
    named = sorted(filter(None, (known, told)))
    return named[0] if named else told if known is None else known


def _intent(known: Known, thing: PaymentIntent, seen: Observation) -> set[Key]:
    record = known.intents.setdefault(thing.payment_intent_id, IntentRecord(thing.payment_intent_id))
    if record.seen_at is None or (
        (seen.at, thing.succeeded, thing.charge_id or "", repr(thing.decline))
        > (record.seen_at, record.succeeded, record.charge_id or "", repr(record.decline))
    ):
        record.seen_at, record.charge_id = seen.at, thing.charge_id or record.charge_id
        record.decline, record.instrument = thing.decline, thing.instrument or record.instrument
    record.succeeded = record.succeeded or thing.succeeded
    record.amount = record.amount or thing.amount
    record.created_at = record.created_at or thing.created_at
    record.customer_id = record.customer_id or thing.customer_id
    record.invoice_id = record.invoice_id or thing.invoice_id
    record.linked = record.linked or thing.invoice_known
    record.origin = _origin(record.origin, seen.request_key)
    concerned = _touch(known, (Kind.INTENT, thing.payment_intent_id))
    if thing.charge_id:
        concerned |= _mention(known, thing.charge_id, seen.request_key, intent=thing.payment_intent_id)
    return concerned


def _mention(
    known: Known, charge_id: str, key: str | None, *, intent: str | None = None, invoice: str | None = None
) -> set[Key]:
    record = known.charges.setdefault(charge_id, ChargeRecord(charge_id))
    record.origin = _origin(record.origin, key)
    record.payment_intent_id = record.payment_intent_id or intent
    record.invoice_id = record.invoice_id or invoice
    record.linked = record.linked or invoice is not None
    return _touch(known, (Kind.CHARGE, charge_id))


def _link(known: Known, thing: PaymentLink) -> set[Key]:
    concerned = set[Key]()
    if thing.payment_intent_id:
        intent = known.intents.setdefault(thing.payment_intent_id, IntentRecord(thing.payment_intent_id))
        intent.invoice_id, intent.linked = intent.invoice_id or thing.invoice_id, True
        concerned |= _touch(known, (Kind.INTENT, thing.payment_intent_id))
    if thing.charge_id:
        concerned |= _mention(known, thing.charge_id, None, invoice=thing.invoice_id)
        known.charges[thing.charge_id].linked = True
    return concerned


def _invoice(known: Known, thing: Invoice, seen: Observation) -> set[Key]:
    record = known.invoices.get(thing.invoice_id)
    if record is None:
        known.invoices[thing.invoice_id] = InvoiceRecord(thing, seen.at)
    elif (seen.at, *_invoice_rank(thing)) > (record.seen_at, *_invoice_rank(record.invoice)):
        record.invoice, record.seen_at = thing, seen.at
    concerned = _touch(known, (Kind.INVOICE, thing.invoice_id))
    if thing.payment_intent_id:
        concerned |= _link(known, PaymentLink(thing.invoice_id, thing.payment_intent_id))
    if thing.charge_id:
        intent = thing.payment_intent_id
        concerned |= _mention(
            known, thing.charge_id, seen.request_key, intent=intent, invoice=thing.invoice_id
        )
    return concerned


def _invoice_rank(thing: Invoice) -> tuple[int, int, int, bool, str]:
    place = INVOICE_ORDER.get(thing.status, 0)
    return (place, thing.attempt_count, thing.paid_minor, not thing.collected_by_gateway, repr(thing))


def _failure(known: Known, thing: CollectionFailed, seen: Observation) -> set[Key]:
    name = failure_id(thing, seen.request_key)
    record = known.failures.setdefault(name, FailureRecord(name, thing, seen.at, seen.request_key))
    both = record.failed.requires_authentication or thing.requires_authentication
    charge = record.failed.charge_id or thing.charge_id
    record.failed = replace(record.failed, requires_authentication=both, charge_id=charge)
    record.at = min(record.at, seen.at)
    return _touch(known, (Kind.FAILURE, name))


def _instrument(known: Known, thing: PaymentMethod, at: datetime) -> set[Key]:
    found = thing.instrument.instrument_id
    record = known.instruments.setdefault(found, InstrumentRecord(thing.instrument, at))
    if (at, repr(thing.instrument)) > (record.seen_at, repr(record.instrument)):
        record.instrument, record.seen_at = thing.instrument, at
    record.customer_id = record.customer_id or thing.customer_id
    if thing.change is not None:
        _change(record, thing.change, at)
    return _touch(known, (Kind.INSTRUMENT, found))


def _change(record: InstrumentRecord, change: CardChange, at: datetime) -> None:
    if change is CardChange.REMOVED:
        record.removed, record.pending = True, {change: at}
    elif not record.removed:
        record.pending[change] = max(at, record.pending.get(change, at))


def _revoked(known: Known, thing: InstrumentRevoked, at: datetime) -> set[Key]:
    bare = InstrumentRecord(Instrument(thing.instrument_id), NEVER)
    record = known.instruments.setdefault(thing.instrument_id, bare)
    _change(record, CardChange.REMOVED, at)
    return _touch(known, (Kind.INSTRUMENT, thing.instrument_id))


def _customer(known: Known, thing: Customer, at: datetime) -> set[Key]:
    record = known.customers.get(thing.customer_id)
    if record is None:
        known.customers[thing.customer_id] = CustomerRecord(thing, at)
    elif (thing.erased, at, repr(thing)) > (record.customer.erased, record.seen_at, repr(record.customer)):
        record.customer, record.seen_at = thing, at
    return _touch(known, (Kind.CUSTOMER, thing.customer_id))


def _subscription(known: Known, thing: Subscription, at: datetime) -> set[Key]:
    record = known.subscriptions.get(thing.subscription_id)
    if record is None:
        known.subscriptions[thing.subscription_id] = SubscriptionRecord(thing, at)
    elif (at, SUBSCRIPTION_ORDER.get(thing.status, 0), repr(thing)) > (
        record.seen_at,
        SUBSCRIPTION_ORDER.get(record.subscription.status, 0),
        repr(record.subscription),
    ):
        record.subscription, record.seen_at = thing, at
    return _touch(known, (Kind.SUBSCRIPTION, thing.subscription_id))


def _reversal(known: Known, thing: Reversal, at: datetime) -> set[Key]:
    record = known.reversals.get(thing.reversal_id)
    if record is None:
        known.reversals[thing.reversal_id] = ReversalRecord(thing, at)
    elif (at, thing.effective, repr(thing)) > (
        record.seen_at,
        record.reversal.effective,
        repr(record.reversal),
    ):
        record.reversal, record.seen_at = thing, at
    return _touch(known, (Kind.REVERSAL, thing.reversal_id))


def _touch(known: Known, key: Key) -> set[Key]:
    known.touched.add(key)
    return {key}
