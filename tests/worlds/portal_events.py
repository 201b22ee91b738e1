"""Events as the other services tell them, for one customer of one merchant."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from recoup_events import links
from recoup_events.models import CardUpdated, CustomerUpdated, InvoiceUpdated, PaymentFailed, RecoveryChanged
from recoup_events.parts import DeclineFacts, Instrument, Invoice, Money
from recoup_events.values import (
    CardChange,
    CaseState,
    Collection,
    FailureNature,
    FinalAction,
    InvoiceStatus,
    Transition,
    fact_id,
)

from .portal_house import SIGNING_KEY

WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Customer:
    """One customer and what is told about them."""

    def __init__(self, merchant_id: str, account_id: str = "acct_1") -> None:
        self.merchant_id, self.account_id = merchant_id, account_id
        self.customer_id = f"cus_{uuid4().hex[:12]}"
        self.invoice_id = f"in_{uuid4().hex[:12]}"

    def whose(self) -> dict[str, Any]:
        return {
            "merchant_id": self.merchant_id,
            "customer_id": self.customer_id,
            "account_id": self.account_id,
        }

    def case_id(self, invoice_id: str | None = None) -> UUID:
        return fact_id(self.account_id, "case", invoice_id or self.invoice_id)

    def invoice(self, invoice_id: str | None = None, minor: int = 1999, currency: str = "EUR") -> Invoice:
        return Invoice(
            invoice_id=invoice_id or self.invoice_id,
            number="R-2026-0017",
            subscription_id="sub_1",
            owed=Money(minor=minor, currency=currency),
        )

    def failed(self, n: int = 1) -> PaymentFailed:
        return PaymentFailed(
            id=fact_id(self.account_id, "payment.failed", f"ch_{self.invoice_id}_{n}"),
            time=WHEN + timedelta(days=n - 1),
            **self.whose(),
            gateway="stripe",
            nature=FailureNature.RENEWAL,
            invoice=self.invoice(),
            charge_id=f"ch_{self.invoice_id}_{n}",
            amount=Money(minor=1999, currency="EUR"),
            decline=DeclineFacts(code="insufficient_funds"),
        )

    def case(
        self,
        revision: int = 1,
        state: CaseState = CaseState.SCHEDULED,
        *,
        invoice: Invoice | None = None,
        **more: Any,
    ) -> RecoveryChanged:
        told = invoice or self.invoice()
        case_id = self.case_id(told.invoice_id)
        return RecoveryChanged(
            id=fact_id(self.merchant_id, "recovery.changed", str(case_id), str(revision)),
            time=WHEN + timedelta(minutes=revision),
            **self.whose(),
            case_id=case_id,
            revision=revision,
            state=state,
            transition=Transition.OPENED if revision == 1 else Transition.PLANNED,
            reason=f"Revision {revision}.",
            invoice=told,
            failed_at=WHEN,
            resolve_by=WHEN + timedelta(days=14),
            final_action=FinalAction.CANCEL,
            **more,
        )

    def updated(
        self, version: int = 1, email: str | None = None, locale: str | None = None
    ) -> CustomerUpdated:
        return CustomerUpdated(
            id=fact_id(self.account_id, "customer.updated", self.customer_id, str(version)),
            time=WHEN,
            **self.whose(),
            version=version,
            email=email,
            locale=locale,
        )

    def invoice_updated(self, version: int, status: InvoiceStatus, minor: int = 1999) -> InvoiceUpdated:
        return InvoiceUpdated(
            id=fact_id(self.account_id, "invoice.updated", self.invoice_id, str(version)),
            time=WHEN,
            **self.whose(),
            version=version,
            invoice_id=self.invoice_id,
            number="R-2026-0017",
            status=status,
            owed=Money(minor=minor, currency="EUR"),
            collection=Collection.AUTOMATIC,
        )

    def new_card(self, minutes: int = 5) -> CardUpdated:
        return CardUpdated(
            id=uuid4(),
            time=WHEN + timedelta(minutes=minutes),
            **self.whose(),
            instrument=Instrument(instrument_id="pm_2", brand="visa"),
            change=CardChange.ADDED,
        )

    def link(self, case_id: UUID | None = None, key_id: str = "k1") -> str:
        """The pay link's last segment, as the notifier signs it."""
        wanted = case_id or self.case_id()
        signature = SIGNING_KEY.sign(links.to_sign(self.merchant_id, wanted, key_id))
        return links.token(self.merchant_id, wanted, key_id, signature)


def forged(token: str) -> str:
    """The same link with one bit of its signature turned."""
    head, _, signature = token.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    raw[0] ^= 1
    return f"{head}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"
