"""Completing a card session: read it at the gateway, make the card the default, and save what follows.

Promise: whoever completes it, a webhook, the returning customer, or both at once, it is settled once.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

from recoup_chassis.postgres import Database, Tx
from recoup_chassis.telemetry import log
from recoup_events.values import CardChange, InvoiceStatus, TryKind
from recoup_gateway_adapter.accounts.domain import Account, AccountRef
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.card_sessions import store
from recoup_gateway_adapter.card_sessions.domain import CardSession, Done, Later, SessionState
from recoup_gateway_adapter.charging import handlers as charging, store as attempts
from recoup_gateway_adapter.charging.domain import NoAnswer, Refused, Unprocessed
from recoup_gateway_adapter.facts.handlers import Around, observe
from recoup_gateway_adapter.gateways.contract import Observation, PaymentMethod
from recoup_gateway_adapter.gateways.stripe import cards, charges
from recoup_gateway_adapter.gateways.stripe.cards import Entered, Over, StillOpen
from recoup_gateway_adapter.gateways.stripe.charges import Missing, Read
from recoup_gateway_adapter.gateways.stripe.client import Http, Json, StripeClient
from recoup_gateway_adapter.gateways.stripe.translate import observations_of
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.domain import Priority
from recoup_gateway_adapter.work.store import Work


@dataclass(frozen=True)
class NewCard:
    """The card that a session brought. `invoice_ids`: what is open and owed, oldest first. `at`: merchant's time."""

    instrument_id: str
    instrument: Json
    invoice_ids: Sequence[str]
    at: datetime


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

    def __init__(self, database: Database, vault: Vault, session: Http) -> None:
        self._database, self._vault, self._session = database, vault, session

    async def run(self, work: Work) -> None:
        """Complete a session that a webhook told of."""
        came = await self.complete(work.merchant_id, UUID(work.subject))
        async with self._database.transaction([work.merchant_id]) as tx:
            match came:
                case Done():
                    await queue.done(tx, [work])
                case Later(why, pause):
                    log.warning("card_session.later", session=work.subject, reason=why)
                    await queue.again(tx, [(work, tx.real_now + pause)])

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
            account = await attempts.account_of(tx, self._vault, merchant_id, session.account_id)
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


async def settle(tx: Tx, account: AccountRef, session: CardSession, card: NewCard) -> None:
    """End a session with its card: plan a charge for each invoice, and tell the card with what it settles.

    Safe to repeat: of a session that has ended already nothing follows.
    """
    found = await store.lock(tx, session.merchant_id, session.card_session_id)
    if found is None or found.state is not SessionState.OPEN:
        return
    await store.end(tx, found, SessionState.COMPLETED, card.instrument_id)
    drafts = [
        replace(
            charging.draft(
                merchant_id=session.merchant_id,
                account_id=session.account_id,
                customer_id=session.customer_id,
                invoice_id=invoice_id,
                attempt_id=uuid4(),
                instrument_id=card.instrument_id,
                kind=TryKind.NEW_CARD,
                customer_present=True,
            ),
            card_session_id=session.card_session_id,
            position=position,
        )
        for position, invoice_id in enumerate(card.invoice_ids)
    ]
    await charging.plan(tx, drafts, Priority.PERSON_WAITS)
    settling = {card.instrument_id: (str(session.card_session_id), tuple(card.invoice_ids))}
    await observe(tx, account, _added(card), Around(settling=settling))


def _added(card: NewCard) -> list[Observation]:
    """Say that the card was added, as the gateway's own webhook does, so that both are one fact."""
    return [
        replace(seen, thing=replace(seen.thing, change=CardChange.ADDED))
        if isinstance(seen.thing, PaymentMethod)
        else seen
        for seen in observations_of(card.instrument, at=card.at)
    ]
