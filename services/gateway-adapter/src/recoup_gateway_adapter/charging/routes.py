"""Internal HTTP: pay now with a stored card, and the cards that are stored."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from recoup_chassis.postgres import Database, Tx
from recoup_declines import lookup
from recoup_events.parts import Id
from recoup_events.values import AttemptState, TryKind
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.charging import handlers, store
from recoup_gateway_adapter.charging.domain import Attempt
from recoup_gateway_adapter.gateways.stripe import cards
from recoup_gateway_adapter.gateways.stripe.client import Http, StripeClient
from recoup_gateway_adapter.internal import Problem, Refusal
from recoup_gateway_adapter.work.domain import Priority

WAIT_SECONDS = 3.0
"""How long a request waits for an outcome; after that the page asks again."""

LOOK_EVERY_SECONDS = 0.05
MOVING = frozenset({AttemptState.PLANNED, AttemptState.SENDING})

MerchantId = Annotated[str, Path(pattern=r"^[^\x00-\x1f]{1,64}$")]


class PaymentBody(BaseModel):
    """One invoice, to be charged now; without an instrument the gateway's default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    account_id: Id
    customer_id: Id
    invoice_id: Id
    instrument_id: Id | None = Field(default=None)


class Settlement(BaseModel):
    """What became of one invoice. `decline_masked`: why not, as a decline class; null where it must not be told."""

    invoice_id: str
    attempt_id: UUID
    state: AttemptState
    decline_masked: str | None = None
    authentication_url: str | None = None


class InstrumentAnswer(BaseModel):
    """A card on file."""

    instrument_id: str
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None


class InstrumentsAnswer(BaseModel):
    """A customer's cards on file, the newest first."""

    instruments: list[InstrumentAnswer]


def routes(database: Database, vault: Vault, session: Http) -> APIRouter:
    """Give charging's part of the internal application."""
    router = APIRouter(prefix="/internal/merchants/{merchant_id}", tags=["payments"])

    async def settled(merchant_id: str, attempt_id: UUID, seconds: float) -> Settlement:
        async def load() -> list[Attempt]:
            async with database.transaction([merchant_id]) as tx:
                return await store.get(tx, merchant_id, [attempt_id])

        found = await outcomes(load, seconds) if seconds else await load()
        if not found:
            raise Refusal(404, "no_such_payment", f"the merchant has no payment {attempt_id}")
        return settlement_of(found[0])

    @router.post("/payments", responses={404: {"model": Problem}})
    async def pay(merchant_id: MerchantId, body: PaymentBody) -> Settlement:
        """Charge an invoice now, its customer being present; answers when the outcome is known, or after 3 s."""
        async with database.transaction([merchant_id]) as tx:
            if await store.account_of(tx, vault, merchant_id, body.account_id) is None:
                raise Refusal(404, "no_such_account", f"the merchant has no account {body.account_id}")
            await tx.lock_customers([(merchant_id, body.customer_id)])
            attempt_id = await _under_way(tx, merchant_id, body) or await _plan(tx, merchant_id, body)
        return await settled(merchant_id, attempt_id, WAIT_SECONDS)

    @router.get("/payments/{attempt_id}", responses={404: {"model": Problem}})
    async def payment(merchant_id: MerchantId, attempt_id: UUID) -> Settlement:
        """Tell how a payment stands, without effect."""
        return await settled(merchant_id, attempt_id, 0)

    @router.get("/customers/{customer_id}/instruments", responses={404: {"model": Problem}})
    async def instruments(
        merchant_id: MerchantId,
        customer_id: Annotated[str, Path(min_length=1, max_length=255)],
        account_id: Annotated[str, Query(min_length=1, max_length=64)],
    ) -> InstrumentsAnswer:
        """List a customer's stored cards as the gateway has them now."""
        async with database.transaction([merchant_id]) as tx:
            account = await store.account_of(tx, vault, merchant_id, account_id)
        if account is None:
            raise Refusal(404, "no_such_account", f"the merchant has no account {account_id}")
        found = await cards.cards_of(StripeClient(session, account), customer_id)
        if not isinstance(found, list):
            raise Refusal(
                502, "gateway_unavailable", "the gateway does not list the customer's cards just now"
            )
        return InstrumentsAnswer(
            instruments=[
                InstrumentAnswer(
                    instrument_id=card.instrument_id,
                    brand=card.brand,
                    last4=card.last4,
                    exp_month=card.exp_month,
                    exp_year=card.exp_year,
                )
                for card in found
            ]
        )

    return router


async def _under_way(tx: Tx, merchant_id: str, body: PaymentBody) -> UUID | None:
    """Find the payment that a second click asks for again."""
    for attempt in await store.of_invoice(tx, (merchant_id, body.account_id, body.invoice_id)):
        same = attempt.customer_present and attempt.instrument_id == body.instrument_id
        if same and not attempt.settled:
            return attempt.attempt_id
    return None


async def _plan(tx: Tx, merchant_id: str, body: PaymentBody) -> UUID:
    draft = handlers.draft(
        merchant_id=merchant_id,
        account_id=body.account_id,
        customer_id=body.customer_id,
        invoice_id=body.invoice_id,
        attempt_id=uuid4(),
        instrument_id=body.instrument_id,
        kind=TryKind.REQUESTED,
        customer_present=True,
    )
    (attempt,) = await handlers.plan(tx, [draft], Priority.PERSON_WAITS)
    assert attempt.state is AttemptState.PLANNED
    return attempt.attempt_id


def settlement_of(attempt: Attempt) -> Settlement:
    """Give what may be told of an attempt."""
    declined, waiting = AttemptState.DECLINED, AttemptState.REQUIRES_ACTION
    return Settlement(
        invoice_id=attempt.invoice_id,
        attempt_id=attempt.attempt_id,
        state=attempt.state,
        decline_masked=_reason(attempt.decline_code) if attempt.state is declined else None,
        authentication_url=attempt.action_url if attempt.state is waiting else None,
    )


def _reason(code: str | None) -> str | None:
    decline = lookup("stripe", code)
    return None if decline.masked else decline.decline_class.value


async def outcomes(
    load: Callable[[], Awaitable[Sequence[Attempt]]], seconds: float = WAIT_SECONDS
) -> Sequence[Attempt]:
    """Give attempts when none of them is on its way any more, or as they stand when the time is up.

    A planned attempt behind one that waits for somebody will not move: it is not waited for.
    """
    clock = asyncio.get_running_loop()
    until = clock.time() + seconds
    while True:
        found = await load()
        if not _on_their_way(found) or clock.time() >= until:
            return found
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _on_their_way(attempts: Sequence[Attempt]) -> bool:
    for attempt in attempts:
        if attempt.state in MOVING:
            return True
        if not attempt.settled and attempt.state is not AttemptState.PENDING:
            return False
    return False
