"""Internal HTTP: open a card session, complete it when the customer is back, and see how it stands."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from recoup_chassis.postgres import Database
from recoup_events.parts import Id
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.card_sessions import store
from recoup_gateway_adapter.card_sessions.domain import (
    OPEN_FOR,
    CardSession,
    Done,
    Later,
    SessionState,
    return_address,
)
from recoup_gateway_adapter.charging import store as attempts
from recoup_gateway_adapter.charging.domain import Attempt
from recoup_gateway_adapter.charging.routes import Settlement, outcomes, settlement_of
from recoup_gateway_adapter.gateways.stripe import cards
from recoup_gateway_adapter.gateways.stripe.cards import Page
from recoup_gateway_adapter.gateways.stripe.client import Http, StripeClient
from recoup_gateway_adapter.internal import Problem, Refusal

MerchantId = Annotated[str, Path(pattern=r"^[^\x00-\x1f]{1,64}$")]
Complete = Callable[[str, UUID], Awaitable[Done | Later]]
Address = Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s]+$")]


class SessionBody(BaseModel):
    """Whose card, what it is to settle, and where to send the customer afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_id: Id
    customer_id: Id
    invoice_ids: Annotated[list[Id], Field(max_length=100)]
    return_url: Address
    cancel_url: Address


class SessionAnswer(BaseModel):
    """The gateway's page."""

    card_session_id: UUID
    url: str


class SessionStanding(BaseModel):
    """How a session stands, and what became of the invoices that it settles, in their order."""

    state: SessionState
    settlements: list[Settlement]


def routes(database: Database, vault: Vault, session: Http, completing: Complete) -> APIRouter:
    """Give card sessions' part of the internal application.

    Args:
        completing: settles a session of a merchant, if its customer has entered a card.
    """
    router = APIRouter(prefix="/internal/merchants/{merchant_id}/card-sessions", tags=["card sessions"])

    @router.post("", responses={404: {"model": Problem}, 502: {"model": Problem}})
    async def open_session(merchant_id: MerchantId, body: SessionBody) -> SessionAnswer:
        """Open the gateway's page for a new card; it saves the card and takes no money."""
        async with database.transaction([merchant_id]) as tx:
            account = await attempts.account_of(tx, vault, merchant_id, body.account_id)
            if account is None:
                raise Refusal(404, "no_such_account", f"the merchant has no account {body.account_id}")
            found = _session(merchant_id, body, tx.real_now)
            await store.add(tx, found)
        return await _open_page(database, StripeClient(session, account), found)

    @router.post("/{card_session_id}/complete", responses={404: {"model": Problem}})
    async def complete(merchant_id: MerchantId, card_session_id: UUID) -> SessionStanding:
        """Read the session at the gateway, charge what it settles, and wait up to 3 s for the outcomes."""
        came = await completing(merchant_id, card_session_id)
        if isinstance(came, Later):
            raise Refusal(502, "gateway_unavailable", "the gateway can't be asked just now; try again")

        async def load() -> list[Attempt]:
            async with database.transaction([merchant_id]) as tx:
                return await attempts.of_session(tx, merchant_id, card_session_id)

        await outcomes(load)
        return await standing(merchant_id, card_session_id)

    @router.get("/{card_session_id}", responses={404: {"model": Problem}})
    async def standing(merchant_id: MerchantId, card_session_id: UUID) -> SessionStanding:
        """Tell how a session stands, without effect."""
        async with database.transaction([merchant_id]) as tx:
            found = await store.get(tx, merchant_id, card_session_id)
            settling = await attempts.of_session(tx, merchant_id, card_session_id)
            now = tx.real_now
        if found is None:
            raise Refusal(404, "no_such_session", f"the merchant has no card session {card_session_id}")
        return SessionStanding(
            state=found.state_at(now), settlements=[settlement_of(attempt) for attempt in settling]
        )

    return router


def _session(merchant_id: str, body: SessionBody, now: datetime) -> CardSession:
    return CardSession(
        merchant_id=merchant_id,
        card_session_id=uuid4(),
        account_id=body.account_id,
        customer_id=body.customer_id,
        state=SessionState.OPEN,
        invoice_ids=tuple(dict.fromkeys(body.invoice_ids)),
        return_url=body.return_url,
        cancel_url=body.cancel_url,
        ends_at=now + OPEN_FOR,
    )


async def _open_page(database: Database, client: StripeClient, found: CardSession) -> SessionAnswer:
    page = await cards.open_page(
        client,
        found.customer_id,
        str(found.card_session_id),
        return_address(found.return_url, found.card_session_id),
        found.cancel_url,
    )
    if not isinstance(page, Page):
        raise Refusal(502, "gateway_unavailable", "the gateway opens no card page just now; try again")
    async with database.transaction([found.merchant_id]) as tx:
        await store.opened(
            tx, found.merchant_id, found.card_session_id, page.gateway_session_id, found.ends_at
        )
    return SessionAnswer(card_session_id=found.card_session_id, url=page.url)
