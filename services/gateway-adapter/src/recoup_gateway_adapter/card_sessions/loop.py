"""Completing a card session: read it at the gateway, make the card the default, and save what follows.

Promise: whoever completes it, a webhook, the returning customer, or both at once, it is settled once.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import aiohttp

from recoup_chassis.postgres import Database
from recoup_chassis.telemetry import log
from recoup_events.values import InvoiceStatus
from recoup_gateway_adapter.accounts.domain import Account
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.card_sessions import store
from recoup_gateway_adapter.card_sessions.domain import CardSession, SessionState
from recoup_gateway_adapter.card_sessions.settling import NewCard, settle
from recoup_gateway_adapter.charging.domain import NoAnswer, Refused, Unprocessed
from recoup_gateway_adapter.charging.loop.circumstances import account_of
from recoup_gateway_adapter.gateways.stripe import cards, charges
from recoup_gateway_adapter.gateways.stripe.cards import Entered, Over, StillOpen
from recoup_gateway_adapter.gateways.stripe.charges import Missing, Read
from recoup_gateway_adapter.gateways.stripe.client import StripeClient
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.domain import Kind
from recoup_gateway_adapter.work.store import Work

AGAIN_AFTER = timedelta(seconds=5)


@dataclass(frozen=True)
class Done:
    """The session has ended, or the customer has not finished."""


@dataclass(frozen=True)
class Later:
    """The gateway can't be asked just now. `why` is a word."""

    why: str
    pause: timedelta = AGAIN_AFTER


@dataclass(frozen=True)
class _Opened:
    session: CardSession
    account: Account
    at: datetime


class CardSessions:
    """Completes card sessions.

    Args:
        vault: opens the accounts' keys.
        session: outgoing HTTP, shared by all accounts.
    """

    def __init__(self, database: Database, vault: Vault, session: aiohttp.ClientSession) -> None:
        self._database, self._vault, self._session = database, vault, session

    async def run(self, work: Work) -> None:
        """Complete a session that a webhook told of."""
        came = await self.complete(work.merchant_id, UUID(work.subject))
        async with self._database.transaction([work.merchant_id]) as tx:
            match came:
                case Done():
                    await queue.done(tx, Kind.CARD_SESSION, work.merchant_id, work.account_id, work.subject)
                case Later(why, pause):
                    log.warning("card_session.later", session=work.subject, reason=why)
                    await queue.again(tx, work, tx.real_now + pause)

    async def complete(self, merchant_id: str, card_session_id: UUID) -> Done | Later:
        """Settle a session if its customer has entered a card. Safe to repeat, and to do twice at once."""
        opened = await self._opened(merchant_id, card_session_id)
        if opened is None:
            return Done()
        client = StripeClient(self._session, opened.account)
        page = await cards.read_page(client, opened.session.gateway_session_id or "")
        match page:
            case Entered():
                return await self._entered(opened, client, page)
            case Over():
                await self._expired(opened.session)
                return Done()
            case StillOpen():
                return Done()
            case Unprocessed(why, pause):
                return Later(why, pause)
            case NoAnswer(why) | Refused(why):
                return Later(why)

    async def _opened(self, merchant_id: str, card_session_id: UUID) -> _Opened | None:
        async with self._database.transaction([merchant_id]) as tx:
            session = await store.get(tx, merchant_id, card_session_id)
            if session is None or session.state is not SessionState.OPEN or not session.gateway_session_id:
                return None
            account = await account_of(tx, self._vault, merchant_id, session.account_id)
            if account is None:
                return None
            return _Opened(session, account, tx.now(merchant_id).replace(microsecond=0))

    async def _entered(self, opened: _Opened, client: StripeClient, page: Entered) -> Done | Later:
        session = opened.session
        reads = await asyncio.gather(
            *(charges.read_invoice(client, invoice_id) for invoice_id in session.invoice_ids)
        )
        unread = [read for read in reads if not isinstance(read, Read | Missing)]
        if unread:
            return Later("invoice_unread")
        found = [read for read in reads if isinstance(read, Read)]
        subscriptions = sorted({r.invoice.subscription_id for r in found if r.invoice.subscription_id})
        failed = await cards.make_default(client, session.customer_id, page.instrument_id, subscriptions)
        if isinstance(failed, Unprocessed):
            return Later(failed.why, failed.retry_after)
        if failed is not None:
            log.error("card_session.not_default", session=str(session.card_session_id), why=repr(failed))
            if isinstance(failed, NoAnswer):
                return Later(failed.why)
        owed = [read for read in found if read.invoice.status is InvoiceStatus.OPEN and read.invoice.owed > 0]
        owed.sort(key=lambda read: read.objects[0].get("created") or 0)
        card = NewCard(
            page.instrument_id, page.instrument, [read.invoice.invoice_id for read in owed], opened.at
        )
        async with self._database.transaction([session.merchant_id]) as tx:
            await tx.lock_customers([(session.merchant_id, session.customer_id)])
            await settle(tx, opened.account, session, card)
        return Done()

    async def _expired(self, session: CardSession) -> None:
        async with self._database.transaction([session.merchant_id]) as tx:
            await tx.lock_customers([(session.merchant_id, session.customer_id)])
            await store.end(tx, session, SessionState.EXPIRED, None)
