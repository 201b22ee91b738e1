"""What a gateway can tell, in our words: the observations that every gateway module produces.

Promise: the standard library and `recoup_events.values` only; an observation is what one object looked like
at one instant, and says nothing about what follows from it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from recoup_events.values import CardChange, Collection, InvoiceStatus, ReversalKind, SubscriptionStatus

BY_ITSELF = ""
"""The request key of what a gateway did by itself, without anybody's request."""


class ChargeStatus(StrEnum):
    """Where a charge stands. `AUTHORISED` is not yet captured, so no money has come in."""

    PENDING = "pending"
    AUTHORISED = "authorised"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Money:
    """Integer minor units of an ISO 4217 currency, upper case."""

    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Instrument:
    """A card or a bank mandate, without its number; months from 1."""

    instrument_id: str
    kind: str = "card"
    brand: str | None = None
    funding: str | None = None
    country: str | None = None
    fingerprint: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a charge failed, in the gateway's own words."""

    code: str | None = None
    advice: str | None = None
    network_code: str | None = None
    network_advice: str | None = None
    requires_authentication: bool = False


@dataclass(frozen=True, slots=True)
class Charge:
    """One try to move money.

    Args:
        created_at: the charge's own time, which is the fact's.
        invoice_known: whether the object says what it pays; `invoice_id` None is then "no invoice".
    """

    charge_id: str
    status: ChargeStatus
    amount: Money
    created_at: datetime
    customer_id: str | None = None
    payment_intent_id: str | None = None
    invoice_id: str | None = None
    invoice_known: bool = False
    instrument: Instrument | None = None
    decline: Decline = Decline()
    refunded_minor: int = 0


@dataclass(frozen=True, slots=True)
class PaymentIntent:
    """What binds an invoice and its charges. `charge_id` is its newest charge."""

    payment_intent_id: str
    succeeded: bool
    amount: Money | None
    created_at: datetime | None = None
    customer_id: str | None = None
    invoice_id: str | None = None
    invoice_known: bool = False
    charge_id: str | None = None
    instrument: Instrument | None = None
    decline: Decline | None = None


@dataclass(frozen=True, slots=True)
class PaymentLink:
    """Which invoice a payment intent, or a charge without one, pays; `invoice_id` None: certainly none."""

    invoice_id: str | None
    payment_intent_id: str | None = None
    charge_id: str | None = None


@dataclass(frozen=True, slots=True)
class Invoice:
    """What is owed. `first_of_subscription`: it starts a subscription."""

    invoice_id: str
    customer_id: str | None
    status: InvoiceStatus
    collection: Collection
    owed: Money
    due_minor: int
    paid_minor: int
    total_minor: int
    attempt_count: int
    number: str | None = None
    subscription_id: str | None = None
    first_of_subscription: bool = False
    collected_by_gateway: bool = False
    next_gateway_try_at: datetime | None = None
    charge_id: str | None = None
    payment_intent_id: str | None = None
    paid_out_of_band: bool = False
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CollectionFailed:
    """The gateway says that an invoice could not be collected; which charge failed, it may not say.

    Args:
        attempt: the gateway's count of attempts, from 1; not every charge raises it.
    """

    invoice_id: str
    attempt: int
    charge_id: str | None = None
    requires_authentication: bool = False


@dataclass(frozen=True, slots=True)
class PaymentMethod:
    """A customer's instrument. `change` is None where the messenger only mentions it."""

    instrument: Instrument
    customer_id: str | None
    change: CardChange | None = None


@dataclass(frozen=True, slots=True)
class InstrumentRevoked:
    """An instrument may not be charged any more; what it is and whose, the messenger does not say."""

    instrument_id: str


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as the gateway knows them: personal data, for `customer.updated` alone."""

    customer_id: str
    erased: bool = False
    email: str | None = None
    name: str | None = None
    locale: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription. `current_period_end` is the earliest of its items'."""

    subscription_id: str
    customer_id: str
    status: SubscriptionStatus
    cancel_at_period_end: bool = False
    collection_paused: bool = False
    current_period_end: datetime | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Reversal:
    """Money on its way back, or gone. Only an `effective` one is told."""

    reversal_id: str
    kind: ReversalKind
    charge_id: str
    amount: Money
    created_at: datetime
    effective: bool
    payment_intent_id: str | None = None
    customer_id: str | None = None


@dataclass(frozen=True, slots=True)
class CheckoutSession:
    """A page of the gateway's that a customer completed, or that expired."""

    session_id: str
    customer_id: str | None
    setup: bool
    status: str


Thing = (
    Charge
    | PaymentIntent
    | PaymentLink
    | Invoice
    | CollectionFailed
    | PaymentMethod
    | InstrumentRevoked
    | Customer
    | Subscription
    | Reversal
    | CheckoutSession
)


@dataclass(frozen=True, slots=True)
class Observation:
    """What one object looked like.

    Args:
        at: the instant that `thing` shows, UTC, whole seconds, on the gateway's (the merchant's) clock: a webhook's
            own time, or the merchant's time *before* a request whose answer this is.
        request_key: the idempotency key of the request that made the payment; `BY_ITSELF` when nobody asked;
            None when the messenger does not know.
    """

    thing: Thing
    at: datetime
    request_key: str | None = None
