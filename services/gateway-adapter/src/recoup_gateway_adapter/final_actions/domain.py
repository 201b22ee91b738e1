"""Whether a final action still applies, and what its steps came to. All instants are real time, UTC.

`cancel`: the subscription ends now, so that no later invoice is made; the open invoice stays open, its collection
off: the customer may still pay it, and a payment still counts as recovered. `mark_unpaid`: the invoice stays open,
collection off, and later invoices stay drafts. `nothing`: nothing is changed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from recoup_events.values import FinalAction, FinalActionOutcome, InvoiceStatus, SubscriptionStatus
from recoup_gateway_adapter.charging.domain import InvoiceSeen, Payment

SILENT_AGAIN_AFTER = (
    timedelta(seconds=2),
    timedelta(seconds=10),
    timedelta(seconds=60),
    timedelta(minutes=5),
    timedelta(hours=1),
    *(timedelta(days=1),) * 5,
)
"""When a gateway that did not answer is asked again; then the outcome is unknown."""

PAYMENT_AGAIN_AFTER = timedelta(minutes=10)
"""How often an invoice is read again whose payment is on its way."""

OVER = frozenset({SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED})


@dataclass(frozen=True, kw_only=True)
class Ending:
    """One case's final action. `asked_at`: when the gateway was first asked to change anything."""

    merchant_id: str
    case_id: UUID
    revision: int
    account_id: str
    customer_id: str
    invoice_id: str
    subscription_id: str | None
    action: FinalAction
    asked_at: datetime | None = None
    silences: int = 0
    outcome: FinalActionOutcome | None = None
    detail: str | None = None

    @property
    def invoice(self) -> tuple[str, str, str]:
        """Merchant, account and invoice: what is held while it is ended."""
        return self.merchant_id, self.account_id, self.invoice_id


@dataclass(frozen=True)
class Act:
    """It applies: ask the gateway for it."""


@dataclass(frozen=True)
class Wait:
    """A payment is on its way: read again later."""


@dataclass(frozen=True)
class Ended:
    """What it came to. `detail` is a word."""

    outcome: FinalActionOutcome
    detail: str | None = None


def judge(
    ending: Ending, invoice: InvoiceSeen | None, status: SubscriptionStatus | None
) -> Act | Wait | Ended:
    """Judge by the invoice and subscription as the gateway has them now (None: it knows no such one).

    A subscription that is over was ended by us if we had asked already: a crash came between.
    """
    if ending.action is FinalAction.UNKNOWN or invoice is None:
        missing = "invoice_missing" if invoice is None else "unknown_action"
        return Ended(FinalActionOutcome.REFUSED, missing)
    if invoice.status is not InvoiceStatus.OPEN or invoice.owed <= 0:
        return Ended(FinalActionOutcome.OVERTAKEN, f"invoice_{invoice.status.value}")
    if invoice.payment in (Payment.PROCESSING, Payment.SUCCEEDED):
        return Wait()
    if ending.action is FinalAction.NOTHING:
        return Ended(FinalActionOutcome.DONE)
    over = ending.subscription_id is not None and (status is None or status in OVER)
    return Ended(FinalActionOutcome.OVERTAKEN, "subscription_over") if over and not ending.asked_at else Act()


def confirm(
    ending: Ending, invoice: InvoiceSeen, status: SubscriptionStatus | None, *, paused: bool
) -> Ended | None:
    """Say whether what was asked for is so now; None where it is not, yet."""
    if invoice.status is InvoiceStatus.OPEN and invoice.collected_by_gateway:
        return None
    detail = None if invoice.status is InvoiceStatus.OPEN else f"invoice_{invoice.status.value}"
    if ending.subscription_id is None:
        return Ended(FinalActionOutcome.DONE, "no_subscription")
    match ending.action:
        case FinalAction.CANCEL if status is None or status in OVER:
            return Ended(FinalActionOutcome.DONE, detail)
        case FinalAction.MARK_UNPAID if paused or status is None or status in OVER:
            return Ended(FinalActionOutcome.DONE, detail)
        case _:
            return None


def after_silence(ending: Ending, now: datetime) -> datetime | Ended:
    """Say when to ask again, or that nobody can tell what became of it."""
    if ending.silences >= len(SILENT_AGAIN_AFTER):
        return Ended(FinalActionOutcome.UNKNOWN, "no_answer")
    return now + SILENT_AGAIN_AFTER[ending.silences]
