"""What the gateway remembers of each object; the wire's constants are added when it is written out.

Instants are whole Unix seconds on the merchant's clock; amounts are minor units.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from practice_gateway.cards.catalogue import TestCard
from practice_gateway.cards.declines import Decline
from practice_gateway.cards.script import Script

Metadata = dict[str, str]


@dataclass(slots=True, kw_only=True)
class Customer:
    """Someone who pays."""

    id: str
    created: int
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    description: str | None = None
    address: dict[str, str] | None = None
    preferred_locales: list[str] = field(default_factory=list)
    default_payment_method: str | None = None
    invoice_prefix: str
    next_invoice: int = 1
    currency: str | None = None
    delinquent: bool = False
    deleted: bool = False
    metadata: Metadata = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class PaymentMethod:
    """A card, and how it behaves: by its script or else by its test number."""

    id: str
    created: int
    customer: str | None = None
    behaviour: TestCard
    script: Script | None = None
    set_up: bool = False  # saved with 3-D Secure for off-session use
    detached: bool = False  # for good: it can neither be charged nor attached again
    brand: str
    last4: str
    exp_month: int
    exp_year: int
    funding: str
    country: str
    fingerprint: str
    billing_details: dict[str, Any] = field(default_factory=dict)
    metadata: Metadata = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class SetupIntent:
    """An intention to save a card."""

    id: str
    created: int
    client_secret: str
    customer: str | None = None
    payment_method: str | None = None
    candidate: str | None = None  # the card that is being authenticated
    status: str = "requires_payment_method"
    usage: str = "off_session"
    last_error: Decline | None = None
    failed_method: str | None = None
    cancellation_reason: str | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class CheckoutSession:
    """A page where a customer enters a card. It expires by the real clock: a person sits before it."""

    id: str
    created: int
    expires_at: int  # as shown, on the merchant's clock
    expires_real: float
    setup_intent: str
    success_url: str
    cancel_url: str | None = None
    customer: str | None = None
    currency: str | None = None
    status: str = "open"
    locale: str | None = None
    client_reference_id: str | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Product:
    """What is sold."""

    id: str
    created: int
    name: str
    metadata: Metadata = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Price:
    """What it costs, once or each period."""

    id: str
    created: int
    product: str
    currency: str
    unit_amount: int
    interval: str | None = None
    interval_count: int = 1
    metadata: Metadata = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class SubscriptionItem:
    """A price in a subscription."""

    id: str
    created: int
    price: Price
    quantity: int = 1


@dataclass(slots=True, kw_only=True)
class Subscription:
    """Something paid for each period."""

    id: str
    created: int
    customer: str
    items: list[SubscriptionItem]
    status: str
    current_period_start: int
    current_period_end: int
    billing_cycle_anchor: int
    collection_method: str = "charge_automatically"
    days_until_due: int | None = None
    default_payment_method: str | None = None
    cancel_at_period_end: bool = False
    cancel_at: int | None = None
    canceled_at: int | None = None
    ended_at: int | None = None
    cancellation_reason: str | None = None
    pause_collection: dict[str, Any] | None = None
    latest_invoice: str | None = None
    description: str | None = None
    metadata: Metadata = field(default_factory=dict)

    @property
    def currency(self) -> str:
        """Return its currency, the same for all items."""
        return self.items[0].price.currency


@dataclass(slots=True, kw_only=True)
class Line:
    """A line of an invoice."""

    id: str
    amount: int
    description: str
    period_start: int
    period_end: int
    quantity: int = 1
    price: Price | None = None
    subscription_item: str | None = None
    invoice_item: str | None = None


@dataclass(slots=True, kw_only=True)
class Invoice:
    """An obligation. It can be paid once; `lock` holds while a payment of it is being made."""

    id: str
    created: int
    customer: str
    currency: str
    lines: list[Line]
    period_start: int
    period_end: int
    page: str  # secret part of its page's address
    subscription: str | None = None
    status: str = "draft"
    billing_reason: str = "manual"
    collection_method: str = "charge_automatically"
    auto_advance: bool = True
    default_payment_method: str | None = None
    description: str | None = None
    due_date: int | None = None
    number: str | None = None
    amount_paid: int = 0
    attempt_count: int = 0
    attempted: bool = False
    next_payment_attempt: int | None = None
    paid_out_of_band: bool = False
    payment_intent: str | None = None
    charge: str | None = None
    finalized_at: int | None = None
    paid_at: int | None = None
    voided_at: int | None = None
    marked_uncollectible_at: int | None = None
    metadata: Metadata = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def amount_due(self) -> int:
        """Return what it asks for."""
        return sum(line.amount for line in self.lines)

    @property
    def amount_remaining(self) -> int:
        """Return what is still owed."""
        return 0 if self.status == "paid" else self.amount_due - self.amount_paid


@dataclass(slots=True, kw_only=True)
class InvoiceItem:
    """An amount that waits for the customer's next invoice."""

    id: str
    created: int
    customer: str
    amount: int
    currency: str
    description: str | None = None
    invoice: str | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class PaymentIntent:
    """An intention to take money; its charges are the tries."""

    id: str
    created: int
    amount: int
    currency: str
    client_secret: str
    customer: str | None = None
    invoice: str | None = None
    status: str = "requires_payment_method"
    payment_method: str | None = None
    candidate: str | None = None  # the card that waits for its holder to authenticate
    charges: list[str] = field(default_factory=list)
    last_error: Decline | None = None
    failed_method: str | None = None
    failed_charge: str | None = None
    amount_received: int = 0
    description: str | None = None
    canceled_at: int | None = None
    cancellation_reason: str | None = None
    metadata: Metadata = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(slots=True, kw_only=True)
class Charge:
    """One try to take money from one card, succeeded or failed for good."""

    id: str
    created: int
    amount: int
    currency: str
    payment_method: str
    payment_intent: str
    card: dict[str, Any]  # as it was when it was charged
    billing_details: dict[str, Any]
    customer: str | None = None
    invoice: str | None = None
    description: str | None = None
    decline: Decline | None = None
    authenticated: bool = False
    refunds: list[str] = field(default_factory=list)
    amount_refunded: int = 0
    dispute: str | None = None
    metadata: Metadata = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Tell whether it took the money."""
        return self.decline is None


@dataclass(slots=True, kw_only=True)
class Refund:
    """Money given back."""

    id: str
    created: int
    amount: int
    currency: str
    charge: str
    payment_intent: str
    reason: str | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Dispute:
    """A charge that its cardholder contests."""

    id: str
    created: int
    amount: int
    currency: str
    charge: str
    payment_intent: str
    reason: str
    status: str = "needs_response"
    due_by: int
    metadata: Metadata = field(default_factory=dict)
