"""What a gateway may say of a charge, when asked and afterwards, in words that every gateway shares."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from recoup_events.values import InvoiceStatus


@dataclass(frozen=True)
class Captured:
    """The money came in."""

    charge_id: str | None = None
    payment_intent_id: str | None = None


@dataclass(frozen=True)
class Declined:
    """The charge was made and failed."""

    charge_id: str | None = None
    payment_intent_id: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class Processing:
    """The charge was made; a bank says in days what became of it."""

    charge_id: str | None = None
    payment_intent_id: str | None = None


@dataclass(frozen=True)
class NeedsAction:
    """The customer must authenticate first; no money moves until then. `url`: where."""

    payment_intent_id: str | None = None
    url: str | None = None


@dataclass(frozen=True)
class Refused:
    """The gateway won't make this charge at all; no charge was made. `reason` is its word."""

    reason: str


@dataclass(frozen=True)
class Unprocessed:
    """Certainly not processed, this time: throttled, not reached, or the account is refused. `why` is a word."""

    why: str
    retry_after: timedelta


@dataclass(frozen=True)
class InFlight:
    """The same key is being processed right now."""


@dataclass(frozen=True)
class NoAnswer:
    """A time-out, a broken connection or the gateway's own failure: anything may have happened."""

    why: str


Outcome = Captured | Declined | Processing | NeedsAction
Answer = Outcome | Refused | Unprocessed | InFlight | NoAnswer


@dataclass(frozen=True)
class Absent:
    """A consistent look found no charge of this attempt."""


@dataclass(frozen=True)
class Unclear:
    """The look-up itself could not tell. `why` is a word."""

    why: str


Finding = Outcome | Absent | Unclear


class ChargeResult(StrEnum):
    """What a fact says of a charge."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"


@dataclass(frozen=True, kw_only=True)
class ChargeOutcome:
    """What a webhook or the event list says of a charge, whoever made it.

    `idempotency_key`: of the request that made it, where the gateway tells it.
    """

    merchant_id: str
    account_id: str
    result: ChargeResult
    idempotency_key: str | None = None
    charge_id: str | None = None
    payment_intent_id: str | None = None
    invoice_id: str | None = None
    decline_code: str | None = None


@dataclass(frozen=True, kw_only=True)
class ChargeSeen:
    """A charge as a look-up found it."""

    charge_id: str
    result: ChargeResult
    instrument_id: str | None = None
    code: str | None = None


class Payment(StrEnum):
    """Where the invoice's payment stands at the gateway."""

    NONE = "none"
    NEEDS_METHOD = "needs_method"
    NEEDS_ACTION = "needs_action"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"


@dataclass(frozen=True, kw_only=True)
class InvoiceSeen:
    """An invoice as the gateway has it now, read consistently.

    `owed` is what remains, in minor units. `charges`: newest first, None where they were not asked for.
    `failure`: why the payment failed last. `page_url`: where the customer can authenticate.
    """

    invoice_id: str
    customer_id: str
    status: InvoiceStatus
    owed: int
    charged_automatically: bool
    collected_by_gateway: bool
    subscription_id: str | None = None
    payment: Payment = Payment.NONE
    payment_intent_id: str | None = None
    latest_charge_id: str | None = None
    failure: str | None = None
    page_url: str | None = None
    charges: tuple[ChargeSeen, ...] | None = None
