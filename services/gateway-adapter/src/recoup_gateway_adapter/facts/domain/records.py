"""What is remembered of each gateway object, so that later messengers can be joined to it.

Promise: records only grow more certain; `told` names the facts of an object that were announced, so that each is
announced once, however many messengers bring it.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from recoup_events.values import CardChange
from recoup_gateway_adapter.gateways.contract import (
    Charge,
    CollectionFailed,
    Customer,
    Decline,
    Instrument,
    Invoice,
    Money,
    Reversal,
    Subscription,
)


class Kind(StrEnum):
    """Of a remembered object."""

    CHARGE = "charge"
    INTENT = "intent"
    INVOICE = "invoice"
    FAILURE = "failure"
    INSTRUMENT = "instrument"
    CUSTOMER = "customer"
    SUBSCRIPTION = "subscription"
    REVERSAL = "reversal"


Key = tuple[Kind, str]
"""Which object, within its account."""


@dataclass(slots=True)
class ChargeRecord:
    """A charge; `charge` is None while only its id was mentioned.

    Args:
        origin: the key of the request that made it, see `Observation.request_key`.
        linked: whether it is known what it pays; `invoice_id` None is then "no invoice".
    """

    charge_id: str
    charge: Charge | None = None
    seen_at: datetime | None = None
    origin: str | None = None
    payment_intent_id: str | None = None
    invoice_id: str | None = None
    linked: bool = False
    told: set[str] = field(default_factory=set)


@dataclass(slots=True)
class IntentRecord:
    """A payment intent: what binds an invoice and its charges."""

    payment_intent_id: str
    seen_at: datetime | None = None
    origin: str | None = None
    customer_id: str | None = None
    invoice_id: str | None = None
    linked: bool = False
    charge_id: str | None = None
    succeeded: bool = False
    amount: Money | None = None
    created_at: datetime | None = None
    instrument: Instrument | None = None
    decline: Decline | None = None
    told: set[str] = field(default_factory=set)


@dataclass(slots=True)
class InvoiceRecord:
    """An invoice as it is now. `version` counts the snapshots announced, from 1."""

    invoice: Invoice
    seen_at: datetime
    version: int = 0
    told: set[str] = field(default_factory=set)


@dataclass(slots=True)
class FailureRecord:
    """A collection that failed, of which the messenger did not say by which charge."""

    failure_id: str
    failed: CollectionFailed
    at: datetime
    origin: str | None = None
    told: bool = False
    codeless: bool = False
    """Told without a decline code: told again when one is heard of, for it may forbid any try."""
    told_at: datetime | None = None
    """The instant that was told; `at` may become earlier when another webhook about the same try is heard."""
    charge_id: str | None = None
    """The charge that turned up after the failure had been told without one."""


@dataclass(slots=True)
class InstrumentRecord:
    """A customer's instrument. A removed one stays removed. `pending`: changes that wait to be told."""

    instrument: Instrument
    seen_at: datetime
    customer_id: str | None = None
    removed: bool = False
    pending: dict[CardChange, datetime] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)


@dataclass(slots=True)
class CustomerRecord:
    """A customer as they are now."""

    customer: Customer
    seen_at: datetime
    version: int = 0


@dataclass(slots=True)
class SubscriptionRecord:
    """A subscription as it is now."""

    subscription: Subscription
    seen_at: datetime
    version: int = 0


@dataclass(slots=True)
class ReversalRecord:
    """A refund, a dispute or a return."""

    reversal: Reversal
    seen_at: datetime
    told: bool = False


Record = (
    ChargeRecord
    | IntentRecord
    | InvoiceRecord
    | FailureRecord
    | InstrumentRecord
    | CustomerRecord
    | SubscriptionRecord
    | ReversalRecord
)


@dataclass(slots=True)
class Known:
    """All that is remembered around the objects of one batch, of one account."""

    charges: dict[str, ChargeRecord] = field(default_factory=dict)
    intents: dict[str, IntentRecord] = field(default_factory=dict)
    invoices: dict[str, InvoiceRecord] = field(default_factory=dict)
    failures: dict[str, FailureRecord] = field(default_factory=dict)
    instruments: dict[str, InstrumentRecord] = field(default_factory=dict)
    customers: dict[str, CustomerRecord] = field(default_factory=dict)
    subscriptions: dict[str, SubscriptionRecord] = field(default_factory=dict)
    reversals: dict[str, ReversalRecord] = field(default_factory=dict)
    touched: set[Key] = field(default_factory=set)
    """What has changed and must be saved."""

    def put(self, record: Record) -> None:
        """Remember a record that was loaded."""
        match record:
            case ChargeRecord():
                self.charges[record.charge_id] = record
            case IntentRecord():
                self.intents[record.payment_intent_id] = record
            case InvoiceRecord():
                self.invoices[record.invoice.invoice_id] = record
            case FailureRecord():
                self.failures[record.failure_id] = record
            case InstrumentRecord():
                self.instruments[record.instrument.instrument_id] = record
            case CustomerRecord():
                self.customers[record.customer.customer_id] = record
            case SubscriptionRecord():
                self.subscriptions[record.subscription.subscription_id] = record
            case ReversalRecord():
                self.reversals[record.reversal.reversal_id] = record

    def get(self, key: Key) -> Record | None:  # noqa: PLR0911  # one line a kind
        """Give the record of a key."""
        kind, object_id = key
        match kind:
            case Kind.CHARGE:
                return self.charges.get(object_id)
            case Kind.INTENT:
                return self.intents.get(object_id)
            case Kind.INVOICE:
                return self.invoices.get(object_id)
            case Kind.FAILURE:
                return self.failures.get(object_id)
            case Kind.INSTRUMENT:
                return self.instruments.get(object_id)
            case Kind.CUSTOMER:
                return self.customers.get(object_id)
            case Kind.SUBSCRIPTION:
                return self.subscriptions.get(object_id)
            case Kind.REVERSAL:
                return self.reversals.get(object_id)

    def invoice_of(self, record: ChargeRecord) -> tuple[bool, str | None]:
        """Tell whether it is known what a charge pays, and the invoice if it is one."""
        intent = self.intents.get(record.payment_intent_id or "")
        if record.invoice_id or intent is None:
            return record.linked or record.invoice_id is not None, record.invoice_id
        return record.linked or intent.linked, intent.invoice_id

    def charges_of(self, invoice_id: str) -> list[ChargeRecord]:
        """Give the known charges of an invoice."""
        return [record for record in self.charges.values() if self.invoice_of(record)[1] == invoice_id]

    def customer_of(self, record: ChargeRecord) -> str | None:
        """Give whose a charge is, by itself, its intent or its invoice."""
        intent = self.intents.get(record.payment_intent_id or "")
        invoice = self.invoices.get(self.invoice_of(record)[1] or "")
        return (
            (record.charge.customer_id if record.charge else None)
            or (intent.customer_id if intent else None)
            or (invoice.invoice.customer_id if invoice else None)
        )
