"""What to ask a gateway for when a twin has not come."""

from dataclasses import dataclass

from recoup_events.values import InvoiceStatus
from recoup_gateway_adapter.facts.domain.facts import Join, JoinKind
from recoup_gateway_adapter.facts.domain.records import IntentRecord, Known


@dataclass(frozen=True, slots=True)
class NeedCharge:
    """The charge itself."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class NeedLink:
    """Which invoice a payment intent pays, if any; `charge_id` is one of its charges."""

    payment_intent_id: str
    charge_id: str


@dataclass(frozen=True, slots=True)
class NeedInvoice:
    """The invoice itself."""

    invoice_id: str


@dataclass(frozen=True, slots=True)
class NeedPayments:
    """Which payment intents or charges pay an invoice."""

    invoice_id: str


@dataclass(frozen=True, slots=True)
class NeedIntent:
    """The payment intent with its newest charge."""

    payment_intent_id: str


@dataclass(frozen=True, slots=True)
class NeedRefunds:
    """The refunds of a charge."""

    charge_id: str


@dataclass(frozen=True, slots=True)
class NeedInstrument:
    """The instrument, and whose it is."""

    instrument_id: str


@dataclass(frozen=True, slots=True)
class NeedCustomer:
    """The customer."""

    customer_id: str


@dataclass(frozen=True, slots=True)
class NeedSubscription:
    """The subscription."""

    subscription_id: str


Need = (
    NeedCharge
    | NeedLink
    | NeedInvoice
    | NeedPayments
    | NeedIntent
    | NeedRefunds
    | NeedInstrument
    | NeedCustomer
    | NeedSubscription
)


def needs(known: Known, join: Join) -> list[Need]:  # noqa: C901, PLR0911  # one line a kind
    """Say what would end a wait; nothing when nothing that we know to ask for would."""
    subject = join.subject
    match join.kind:
        case JoinKind.CHARGE:
            return _charge(known, subject)
        case JoinKind.FAILURE:
            failure = known.failures.get(subject)
            if failure is None:
                return []
            if failure.failed.charge_id is not None:
                return _charge(known, failure.failed.charge_id)
            return _payments(known, failure.failed.invoice_id)
        case JoinKind.PAID:
            return _payments(known, subject)
        case JoinKind.INTENT:
            return [NeedIntent(subject)]
        case JoinKind.REVERSAL:
            record = known.reversals.get(subject)
            return _charge(known, record.reversal.charge_id) if record else []
        case JoinKind.REFUNDS:
            return [NeedRefunds(subject)]
        case JoinKind.INSTRUMENT:
            instrument = known.instruments.get(subject)
            return [NeedInstrument(subject)] if instrument and instrument.customer_id is None else []
        case JoinKind.CUSTOMER:
            return [] if subject in known.customers else [NeedCustomer(subject)]
        case JoinKind.SUBSCRIPTION:
            return [] if subject in known.subscriptions else [NeedSubscription(subject)]


def _charge(known: Known, charge_id: str) -> list[Need]:
    record = known.charges.get(charge_id)
    if record is None or record.charge is None:
        return [NeedCharge(charge_id)]
    linked, invoice_id = known.invoice_of(record)
    if invoice_id is not None:
        invoice = known.invoices.get(invoice_id)
        stale = invoice is None or invoice.invoice.status is InvoiceStatus.DRAFT
        return [NeedInvoice(invoice_id)] if stale else []
    if linked or record.payment_intent_id is None:
        return []
    return [NeedLink(record.payment_intent_id, charge_id)]


def _payments(known: Known, invoice_id: str) -> list[Need]:
    intents = [intent for intent in known.intents.values() if intent.invoice_id == invoice_id]
    if not intents:
        return [NeedPayments(invoice_id)]
    return [_newest(known, intent) for intent in intents]


def _newest(known: Known, intent: IntentRecord) -> Need:
    charge = known.charges.get(intent.charge_id or "")
    if intent.charge_id is not None and (charge is None or charge.charge is None):
        return NeedCharge(intent.charge_id)
    return NeedIntent(intent.payment_intent_id)
