"""An account: one API key with its own objects, clock, events, webhook endpoints and ways to fail."""

from dataclasses import dataclass, field
from typing import Any

from practice_gateway import model
from practice_gateway.clock import REAL, Clock
from practice_gateway.collection import Collection
from practice_gateway.events import EventLog
from practice_gateway.faults import Faults
from practice_gateway.idempotency import IdempotencyKeys
from practice_gateway.timers import Timers
from practice_gateway.versions import Version


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """Where an account's events go.

    Attributes:
        secrets: signing secrets; during a rotation the old and the new one both sign.
        events: types it wants; "*" is all.
    """

    id: str
    url: str
    secrets: list[str]
    events: list[str] = field(default_factory=lambda: ["*"])

    def wants(self, event_type: str) -> bool:
        """Tell whether events of this type go there."""
        return "*" in self.events or event_type in self.events


@dataclass(slots=True, kw_only=True)
class Dunning:
    """The gateway's own retries.

    Attributes:
        enabled: on by default, as on the real one.
        schedule: days from each failure to the next try (docs: a custom schedule has up to three).
        after_last: what becomes of the subscription: cancel, unpaid or past_due.
    """

    enabled: bool = True
    schedule: list[float] = field(default_factory=lambda: [3.0, 5.0, 7.0])
    after_last: str = "cancel"


@dataclass(slots=True, kw_only=True)
class Account:
    """Everything that one API key can see."""

    id: str
    name: str
    api_key: str
    version: Version
    idempotency: IdempotencyKeys
    endpoints: list[Endpoint] = field(default_factory=list)
    dunning: Dunning = field(default_factory=Dunning)
    draft_seconds: float = 3_600.0  # a renewal's invoice stays a draft that long, as on the real one
    own_clock: Clock | None = None  # set by the control API
    followed_clock: Clock | None = None  # read from the clock's address
    faults: Faults = field(default_factory=Faults)
    events: EventLog = field(default_factory=EventLog)
    timers: Timers = field(default_factory=Timers)

    customers: Collection[model.Customer] = field(default_factory=Collection)
    payment_methods: Collection[model.PaymentMethod] = field(default_factory=Collection)
    setup_intents: Collection[model.SetupIntent] = field(
        default_factory=lambda: Collection(customer=lambda item: item.customer)
    )
    sessions: Collection[model.CheckoutSession] = field(
        default_factory=lambda: Collection(customer=lambda item: item.customer)
    )
    products: Collection[model.Product] = field(default_factory=Collection)
    prices: Collection[model.Price] = field(default_factory=Collection)
    subscriptions: Collection[model.Subscription] = field(
        default_factory=lambda: Collection(customer=lambda item: item.customer)
    )
    invoices: Collection[model.Invoice] = field(
        default_factory=lambda: Collection(
            customer=lambda item: item.customer, subscription=lambda item: item.subscription
        )
    )
    invoice_items: Collection[model.InvoiceItem] = field(
        default_factory=lambda: Collection(customer=lambda item: item.customer)
    )
    payment_intents: Collection[model.PaymentIntent] = field(
        default_factory=lambda: Collection(customer=lambda item: item.customer)
    )
    charges: Collection[model.Charge] = field(
        default_factory=lambda: Collection(
            customer=lambda item: item.customer, payment_intent=lambda item: item.payment_intent
        )
    )
    refunds: Collection[model.Refund] = field(
        default_factory=lambda: Collection(
            charge=lambda item: item.charge, payment_intent=lambda item: item.payment_intent
        )
    )
    disputes: Collection[model.Dispute] = field(
        default_factory=lambda: Collection(
            charge=lambda item: item.charge, payment_intent=lambda item: item.payment_intent
        )
    )
    cards_of: dict[str, list[str]] = field(default_factory=dict)  # customer to attached cards

    @property
    def clock(self) -> Clock:
        """Return the clock in force: its own, else the one it follows, else real time."""
        return self.own_clock or self.followed_clock or REAL

    def now(self) -> int:
        """Return the merchant's instant, whole Unix seconds."""
        return int(self.clock.now())

    def find(self, identifier: str) -> Any | None:
        """Return any object by its id, None when it is not of this account."""
        kinds: dict[str, Collection[Any]] = {
            "cus": self.customers,
            "pm": self.payment_methods,
            "seti": self.setup_intents,
            "cs": self.sessions,
            "prod": self.products,
            "price": self.prices,
            "sub": self.subscriptions,
            "in": self.invoices,
            "ii": self.invoice_items,
            "pi": self.payment_intents,
            "ch": self.charges,
            "re": self.refunds,
            "du": self.disputes,
        }
        found = kinds.get(identifier.split("_", 1)[0])
        return None if found is None else found.get(identifier)
