"""The events. One class a type and version; a field is only ever added.

Promise: no personal data but on `customer.updated`. Every event carries the fact's id and the fact's time,
the same from every messenger; both travel in the CloudEvents headers, the rest is the JSON value.
"""

from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from recoup_events import topics, values as v
from recoup_events.parts import DeclineFacts, Id, Instant, Instrument, Invoice, Money, Text
from recoup_events.topics import Topic

Count = Annotated[int, Field(ge=0, le=2**53)]


class Event(BaseModel):
    """What every event has. Frozen; fields of a later release are ignored.

    `id` is the fact's (UUIDv5), `time` the fact's, UTC, on the merchant's clock.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    TOPIC: ClassVar[Topic]
    VERSION: ClassVar[int] = 1
    KEY: ClassVar[str]
    """The field that names the aggregate, which is the record's key."""

    id: Annotated[UUID, Field(exclude=True)]
    time: Annotated[Instant, Field(exclude=True)]
    merchant_id: Id

    @classmethod
    def ce_type(cls) -> str:
        """Give the CloudEvents type; the version is part of it."""
        return f"recoup.{cls.TOPIC.name}.v{cls.VERSION}"

    def above(self, revisions: int) -> Self:
        """Give the event counted above so many revisions; the same where it counts none, or above none.

        A database that was restored to an earlier point would else tell again, as other facts, revisions that it told
        before: readers would take them for those they know. What is not counted is a fact of the world and stays.
        """
        counted = {"revision", "version"} & type(self).model_fields.keys() if revisions else set()
        if not counted:
            return self
        raised = {name: getattr(self, name) + revisions for name in counted}
        return self.model_copy(update={"id": v.fact_id(str(self.id), "above", str(revisions)), **raised})

    @property
    def key(self) -> str:
        """The record's key: the aggregate, within its merchant."""
        return f"{self.merchant_id}/{getattr(self, self.KEY)}"


class CustomerEvent(Event):
    """An event of one customer; these keep their order within a topic."""

    customer_id: Id
    account_id: Id


class PaymentFailed(CustomerEvent):
    """A charge failed. Only `nature: renewal` with an invoice opens a case; every one counts towards budgets.

    Told without `decline.code` where the gateway was silent for a day, or no longer knew; once more, with an id of its
    own and the same time, when a charge or a later webhook brings the code.
    """

    TOPIC = topics.PAYMENT_FAILED
    KEY = "customer_id"

    gateway: Id
    nature: v.FailureNature
    invoice: Invoice | None = None
    charge_id: Id | None = None
    payment_intent_id: Id | None = None
    amount: Money
    instrument: Instrument | None = None
    decline: DeclineFacts
    attributed_to: v.Attribution = v.Attribution.UNKNOWN
    try_id: UUID | None = None


class PaymentSucceeded(CustomerEvent):
    """Money came in, or an invoice was settled without a charge."""

    TOPIC = topics.PAYMENT_SUCCEEDED
    KEY = "customer_id"

    gateway: Id
    invoice: Invoice | None = None
    charge_id: Id | None = None
    payment_intent_id: Id | None = None
    amount: Money
    instrument: Instrument | None = None
    settled_by: v.SettledBy = v.SettledBy.CHARGE
    attributed_to: v.Attribution = v.Attribution.UNKNOWN
    try_id: UUID | None = None


class PaymentReversed(CustomerEvent):
    """Money went back. `payable_again`: the gateway takes a new charge for the same invoice."""

    TOPIC = topics.PAYMENT_REVERSED
    KEY = "customer_id"

    gateway: Id
    kind: v.ReversalKind
    reversal_id: Id
    charge_id: Id | None = None
    invoice_id: Id | None = None
    amount: Money
    payable_again: bool = False


class CardUpdated(CustomerEvent):
    """An instrument changed. `settling`: the open invoices that the card session charges by itself."""

    TOPIC = topics.CARD_UPDATED
    KEY = "customer_id"

    instrument: Instrument
    change: v.CardChange
    card_session_id: Id | None = None
    settling: tuple[Id, ...] = ()


class RetryDue(CustomerEvent):
    """One charge, now: within the six hours before `not_after`, real time.

    A repeat asks the same `try_id` with a higher `revision`.
    """

    TOPIC = topics.RETRY_DUE
    KEY = "case_id"

    case_id: UUID
    try_id: UUID
    revision: Count
    invoice_id: Id
    instrument_id: Id | None = None
    kind: v.TryKind
    step: Annotated[int, Field(ge=1)] | None = None
    """The ladder's step, from 1; none for a try that uses no step."""
    not_after: Instant
    reason: Text


class AttemptUpdated(CustomerEvent):
    """What became of a charge attempt, but for its payment outcome. `reason` is a word, e.g. `too_late`."""

    TOPIC = topics.ATTEMPT_UPDATED
    KEY = "invoice_id"

    attempt_id: UUID
    revision: Count
    invoice_id: Id
    state: v.AttemptState
    reason: Id
    try_id: UUID | None = None


class FinalActionDue(CustomerEvent):
    """A recovery failed and its deadline has come: `not_before`, real time, is when it was asked for."""

    TOPIC = topics.FINAL_ACTION_DUE
    KEY = "case_id"

    case_id: UUID
    revision: Count
    invoice_id: Id
    subscription_id: Id | None = None
    action: v.FinalAction
    not_before: Instant | None = None


class FinalActionDone(CustomerEvent):
    """What became of a final action; `detail` is a word, e.g. `invoice_paid`."""

    TOPIC = topics.FINAL_ACTION_DONE
    KEY = "case_id"

    case_id: UUID
    revision: Count
    invoice_id: Id
    subscription_id: Id | None = None
    action: v.FinalAction
    outcome: v.FinalActionOutcome
    detail: Id | None = None


class RecoveryChanged(CustomerEvent):
    """A case changed. Carries all that a reader needs to speak about it; `reason` is one sentence for the merchant.

    `masked`: the customer is not told why (lost, stolen, fraud).
    """

    TOPIC = topics.RECOVERY_CHANGED
    KEY = "case_id"

    case_id: UUID
    revision: Count
    state: v.CaseState
    transition: v.Transition
    reason: Text
    invoice: Invoice
    instrument: Instrument | None = None
    failed_at: Instant
    """The first failure's time."""
    resolve_by: Instant
    next_try_at: Instant | None = None
    waiting_for: v.WaitingFor | None = None
    final_action: v.FinalAction
    decline_code: Id | None = None
    decline_class: Id | None = None
    decline_action: Id | None = None
    masked: bool = False
    tries_made: Count = 0
    tries_planned: Count = 0
    recovered_amount: Money | None = None
    recovered_by: v.RecoveryWay | None = None


class NotificationSent(CustomerEvent):
    """A message was handed over to its channel."""

    TOPIC = topics.NOTIFICATION_SENT
    KEY = "case_id"

    case_id: UUID
    message_id: UUID
    message: v.MessageKind
    channel: v.Channel
    language: Id


class CustomerUpdated(CustomerEvent):
    """A customer as they are now: the only event with personal data. A null value means erased."""

    TOPIC = topics.CUSTOMER_UPDATED
    KEY = "customer_id"

    version: Count
    email: Text | None = None
    name: Text | None = None
    locale: Id | None = None
    timezone: Id | None = None
    country: Id | None = None


class SubscriptionUpdated(CustomerEvent):
    """A subscription as it is now."""

    TOPIC = topics.SUBSCRIPTION_UPDATED
    KEY = "subscription_id"

    version: Count
    subscription_id: Id
    status: v.SubscriptionStatus
    cancel_at_period_end: bool = False
    collection_paused: bool = False
    current_period_end: Instant | None = None
    description: Text | None = None


class InvoiceUpdated(CustomerEvent):
    """An invoice as it is now. `collected_by_gateway`: the gateway would charge it by itself."""

    TOPIC = topics.INVOICE_UPDATED
    KEY = "invoice_id"

    version: Count
    invoice_id: Id
    number: Id | None = None
    subscription_id: Id | None = None
    status: v.InvoiceStatus
    owed: Money
    collection: v.Collection
    collected_by_gateway: bool = False


class SettingsChanged(Event):
    """A merchant's setting as it is now; `value` reads as `recoup_events.settings.setting_type(setting)`."""

    TOPIC = topics.SETTINGS_CHANGED
    KEY = "setting"

    version: Count
    setting: Id
    value: dict[str, JsonValue]


EVENTS: tuple[type[Event], ...] = (
    PaymentFailed,
    RetryDue,
    PaymentSucceeded,
    CardUpdated,
    PaymentReversed,
    AttemptUpdated,
    FinalActionDue,
    FinalActionDone,
    RecoveryChanged,
    NotificationSent,
    CustomerUpdated,
    SubscriptionUpdated,
    InvoiceUpdated,
    SettingsChanged,
)

BY_TYPE: dict[str, type[Event]] = {event.ce_type(): event for event in EVENTS}
"""By CloudEvents type."""
