"""What we ask gateway-adapter: accounts, card sessions, a payment with a stored card."""

from typing import Any
from uuid import UUID

from pydantic import AnyHttpUrl, Field

from recoup_events.values import AttemptState
from recoup_portal_api.clients.internal import Internal, Part, Refused, segment


class AccountStored(Part):
    """Where a gateway posts the account's webhooks, below the ingest address."""

    account_id: str
    webhook_path: str


class CardSession(Part):
    """A page at the gateway where the customer enters a card."""

    card_session_id: str
    url: AnyHttpUrl


class Settlement(Part):
    """What became of one invoice. `decline_masked`: why not, in a word that the customer may read."""

    invoice_id: str | None = None
    attempt_id: UUID | None = None
    state: AttemptState
    decline_masked: str | bool | None = None
    authentication_url: AnyHttpUrl | None = None


class CardSessionState(Part):
    """What became of a card session: `open`, `completed` or `expired`, and of the invoices it settles."""

    state: str
    settlements: list[Settlement] = Field(default_factory=list)


class StoredInstrument(Part):
    """A card that is on file."""

    instrument_id: str
    kind: str = "card"
    brand: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None


class Instruments(Part):
    """The cards on file."""

    instruments: list[StoredInstrument]


class GatewayAdapter:
    """A client of gateway-adapter's internal port. Every call may raise `CounterpartDown`."""

    def __init__(self, internal: Internal) -> None:
        self._internal = internal

    async def put_account(
        self, merchant_id: str, account_id: str, account: dict[str, Any]
    ) -> AccountStored | Refused:
        """Hand an account over, with its secrets. Safe to repeat."""
        answer = await self._internal.ask("PUT", _account(merchant_id, account_id), account)
        return answer if isinstance(answer, Refused) else self._internal.read(AccountStored, answer)

    async def put_webhook_secret(
        self, merchant_id: str, account_id: str, secret: str, keep_old_for_seconds: int
    ) -> Refused | None:
        """Hand a new webhook secret over; the old one is accepted a while longer."""
        body = {"webhook_secret": secret, "keep_old_for_seconds": keep_old_for_seconds}
        answer = await self._internal.ask("POST", f"{_account(merchant_id, account_id)}/webhook-secret", body)
        return answer if isinstance(answer, Refused) else None

    async def disable_account(self, merchant_id: str, account_id: str) -> Refused | None:
        """Switch an account off; nothing is charged there any more."""
        answer = await self._internal.ask("DELETE", _account(merchant_id, account_id))
        return answer if isinstance(answer, Refused) else None

    async def open_card_session(self, merchant_id: str, session: dict[str, Any]) -> CardSession | Refused:
        """Open a page at the gateway; `session` as the contract has it."""
        answer = await self._internal.ask("POST", f"{_merchant(merchant_id)}/card-sessions", session)
        return answer if isinstance(answer, Refused) else self._internal.read(CardSession, answer)

    async def complete_card_session(
        self, merchant_id: str, card_session_id: str
    ) -> CardSessionState | Refused:
        """Have the session read at the gateway and its invoices charged. Safe to repeat."""
        path = f"{_merchant(merchant_id)}/card-sessions/{segment(card_session_id)}/complete"
        answer = await self._internal.ask("POST", path)
        return answer if isinstance(answer, Refused) else self._internal.read(CardSessionState, answer)

    async def card_session(self, merchant_id: str, card_session_id: str) -> CardSessionState | Refused:
        """Tell how a card session stands, without effect."""
        path = f"{_merchant(merchant_id)}/card-sessions/{segment(card_session_id)}"
        answer = await self._internal.ask("GET", path)
        return answer if isinstance(answer, Refused) else self._internal.read(CardSessionState, answer)

    async def pay(self, merchant_id: str, payment: dict[str, Any]) -> Settlement | Refused:
        """Charge one invoice, the customer being present; `payment` as the contract has it."""
        answer = await self._internal.ask("POST", f"{_merchant(merchant_id)}/payments", payment)
        return answer if isinstance(answer, Refused) else self._internal.read(Settlement, answer)

    async def payment(self, merchant_id: str, attempt_id: str) -> Settlement | Refused:
        """Tell how a payment stands, without effect."""
        answer = await self._internal.ask("GET", f"{_merchant(merchant_id)}/payments/{segment(attempt_id)}")
        return answer if isinstance(answer, Refused) else self._internal.read(Settlement, answer)

    async def instruments(
        self, merchant_id: str, account_id: str, customer_id: str
    ) -> list[StoredInstrument]:
        """List the customer's cards on file; none where the customer is not known there."""
        path = f"{_merchant(merchant_id)}/customers/{segment(customer_id)}/instruments"
        answer = await self._internal.ask("GET", path, query={"account_id": account_id})
        return [] if isinstance(answer, Refused) else self._internal.read(Instruments, answer).instruments


def _merchant(merchant_id: str) -> str:
    return f"/internal/merchants/{segment(merchant_id)}"


def _account(merchant_id: str, account_id: str) -> str:
    return f"{_merchant(merchant_id)}/accounts/{segment(account_id)}"
