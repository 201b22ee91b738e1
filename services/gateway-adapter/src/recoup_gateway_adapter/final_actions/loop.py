"""A final action's way to the gateway: hold the invoice, read again, ask, read to confirm, tell.

Promise: while it holds the invoice nothing is charged, and while something is charged it waits; each step may be
the process's last, and all of them are safe to repeat.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from recoup_chassis.postgres import Database, Tx
from recoup_chassis.telemetry import log
from recoup_events.values import FinalAction, FinalActionOutcome, Precedence, SubscriptionStatus
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import Account
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.charging import handlers as charging, store as locks
from recoup_gateway_adapter.charging.domain import (
    BLOCKED_AGAIN_AFTER,
    InvoiceSeen,
    NoAnswer,
    Refused,
    Unprocessed,
)
from recoup_gateway_adapter.charging.loop.ask import health_of
from recoup_gateway_adapter.facts.handlers import observe
from recoup_gateway_adapter.final_actions import domain, handlers, store
from recoup_gateway_adapter.final_actions.domain import Act, Ended, Ending, Wait
from recoup_gateway_adapter.gateways.stripe import charges, subscriptions
from recoup_gateway_adapter.gateways.stripe.charges import Missing, Read
from recoup_gateway_adapter.gateways.stripe.client import Http, Json, StripeClient
from recoup_gateway_adapter.gateways.stripe.subscriptions import SubscriptionSeen
from recoup_gateway_adapter.gateways.stripe.translate import observations_of
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.domain import Healthy
from recoup_gateway_adapter.work.store import Work

CONFIRM_AGAIN_AFTER = timedelta(seconds=10)


@dataclass(frozen=True)
class Seen:
    """Invoice and subscription as they are now; None where the gateway knows no such one."""

    invoice: InvoiceSeen | None
    status: SubscriptionStatus | None
    paused: bool
    objects: tuple[Json, ...]


@dataclass(frozen=True, kw_only=True)
class Hand:
    """A final action in the executor's hands. `at`: the merchant's time before the requests."""

    database: Database
    work: Work
    client: StripeClient
    account: Account
    ending: Ending
    at: datetime

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Open a transaction that holds the customer."""
        async with self.database.transaction([self.ending.merchant_id]) as tx:
            await tx.lock_customers([(self.ending.merchant_id, self.ending.customer_id)])
            yield tx


class FinalActions:
    """Runs final actions.

    Args:
        vault: opens the accounts' keys.
        session: outgoing HTTP, shared by all accounts.
    """

    def __init__(self, database: Database, vault: Vault, session: Http) -> None:
        self._database, self._vault, self._session = database, vault, session

    async def run(self, work: Work) -> None:
        """Take a final action to its end, as far as the gateway lets it go now."""
        hand = await self._begin(work)
        if hand is None:
            return
        seen = await _look(hand)
        if not isinstance(seen, Seen):
            await _not_now(hand, seen)
            return
        match domain.judge(hand.ending, seen.invoice, seen.status):
            case Ended() as ended:
                await _end(hand, ended, seen.objects)
            case Wait():
                await _wait(hand)
            case Act():
                await _act(hand)

    async def _begin(self, work: Work) -> Hand | None:
        """Take the invoice, unless something is in the way."""
        async with self._database.transaction([work.merchant_id]) as tx:
            await tx.lock_customers([(work.merchant_id, work.customer_id)])
            ending = await store.lock(tx, work.merchant_id, UUID(work.subject))
            if ending is None or ending.outcome is not None:
                await queue.done(tx, [work])
                return None
            account = await locks.account_of(tx, self._vault, work.merchant_id, work.account_id)
            precedence = (await accounts.precedence(tx, [work.merchant_id]))[work.merchant_id]
            if account is None or precedence is not Precedence.PLATFORM_MANAGEMENT:
                why = "account_missing" if account is None else "gateway_default"
                await _save_end(tx, work, ending, Ended(FinalActionOutcome.REFUSED, why))
                return None
            customer = ending.merchant_id, ending.customer_id
            blocked = await locks.stopped_by(tx, account) or customer in await tx.held([customer])
            if blocked or not await locks.take_lock_for(tx, ending.invoice, "final_action", ending.case_id):
                await queue.again(tx, [(work, tx.real_now + BLOCKED_AGAIN_AFTER)])
                return None
            return Hand(
                database=self._database,
                work=work,
                client=StripeClient(self._session, account),
                account=account,
                ending=ending,
                at=tx.now(work.merchant_id).replace(microsecond=0),
            )


async def _look(hand: Hand) -> Seen | Unprocessed | NoAnswer:
    """Read the invoice and its subscription."""
    read = await charges.read_invoice(hand.client, hand.ending.invoice_id)
    if isinstance(read, Unprocessed | NoAnswer):
        return read
    invoice = None if isinstance(read, Missing) else read.invoice
    objects = read.objects if isinstance(read, Read) else ()
    if hand.ending.subscription_id is None:
        return Seen(invoice, None, paused=False, objects=objects)
    found = await subscriptions.read(hand.client, hand.ending.subscription_id)
    match found:
        case SubscriptionSeen(status, paused, thing):
            return Seen(invoice, status, paused, (*objects, thing))
        case Refused():
            return Seen(invoice, None, paused=False, objects=objects)
        case Unprocessed() | NoAnswer():
            return found


async def _act(hand: Hand) -> None:
    """Ask for it, having saved that we do; then see that it is so."""
    async with hand.transaction() as tx:
        if await locks.stopped_by(tx, hand.account):
            await queue.again(tx, [(hand.work, tx.real_now + BLOCKED_AGAIN_AFTER)])
            return
        await store.asking(tx, hand.ending)
    refused = await _ask(hand)
    if refused is not None and not isinstance(refused, Refused):
        await _not_now(hand, refused)
        return
    seen = await _look(hand)
    if not isinstance(seen, Seen):
        await _not_now(hand, seen)
        return
    ended = (
        domain.confirm(hand.ending, seen.invoice, seen.status, paused=seen.paused) if seen.invoice else None
    )
    if ended is not None:
        await _end(hand, ended, seen.objects)
    elif refused is not None:
        await _end(hand, Ended(FinalActionOutcome.REFUSED, refused.reason), seen.objects)
    else:
        log.warning("final_action.not_confirmed", case=str(hand.ending.case_id))
        await _not_now(hand, NoAnswer("not_confirmed"))


async def _ask(hand: Hand) -> Refused | Unprocessed | NoAnswer | None:
    """Stop the invoice's collection first, so that nothing is charged for what ends; None means asked."""
    off = await charges.turn_collection_off(hand.client, hand.ending.invoice_id)
    if isinstance(off, Unprocessed | NoAnswer):
        return off
    subscription = hand.ending.subscription_id
    if subscription is None:
        return None
    match hand.ending.action:
        case FinalAction.CANCEL:
            asked = await subscriptions.cancel(hand.client, subscription)
        case FinalAction.MARK_UNPAID:
            asked = await subscriptions.pause(hand.client, subscription)
        case FinalAction.NOTHING | FinalAction.UNKNOWN:
            return None
    return None if isinstance(asked, SubscriptionSeen) else asked


async def _wait(hand: Hand) -> None:
    """Let go of the invoice until the payment that is on its way has come, or not."""
    async with hand.transaction() as tx:
        await charging.let_go(tx, hand.ending.invoice, hand.ending.customer_id, hand.ending.case_id)
        await queue.again(tx, [(hand.work, tx.real_now + domain.PAYMENT_AGAIN_AFTER)])


async def _not_now(hand: Hand, why: Unprocessed | NoAnswer) -> None:
    async with hand.transaction() as tx:
        await queue.report(tx, hand.ending.merchant_id, hand.ending.account_id, health_of(why))
        if isinstance(why, Unprocessed):
            await queue.again(tx, [(hand.work, tx.real_now + why.retry_after)])
            return
        again = domain.after_silence(hand.ending, tx.real_now)
        if isinstance(again, Ended):
            await _save_end(tx, hand.work, hand.ending, again)
        else:
            await store.silent(tx, hand.ending)
            await queue.again(tx, [(hand.work, again)])


async def _end(hand: Hand, ended: Ended, objects: tuple[Json, ...]) -> None:
    async with hand.transaction() as tx:
        ending = await store.lock(tx, hand.ending.merchant_id, hand.ending.case_id)
        if ending is not None and ending.outcome is None:
            await _save_end(tx, hand.work, ending, ended)
        seen = [one for thing in objects for one in observations_of(thing, at=hand.at)]
        await observe(tx, hand.account, seen)
        await queue.report(tx, hand.ending.merchant_id, hand.ending.account_id, Healthy())


async def _save_end(tx: Tx, work: Work, ending: Ending, ended: Ended) -> None:
    """Save and tell what it came to, and let go of the invoice."""
    await store.end(tx, ending, ended)
    await charging.let_go(tx, ending.invoice, ending.customer_id, ending.case_id)
    await queue.done(tx, [work])
    await tx.emit([handlers.done(tx, replace(ending, outcome=ended.outcome, detail=ended.detail))])
