"""Sending: the first time after a last look at the invoice, and the same bytes again after a silence."""

import asyncio
from datetime import timedelta

from recoup_chassis.postgres import Tx
from recoup_chassis.telemetry import log
from recoup_events.values import AttemptState, Precedence
from recoup_gateway_adapter.charging import domain, handlers, metrics, store
from recoup_gateway_adapter.charging.domain import (
    Answer,
    Attempt,
    Captured,
    Declined,
    InvoiceSeen,
    NeedsAction,
    Never,
    NoAnswer,
    NotNow,
    Processing,
    Send,
    TakeOver,
    Unprocessed,
)
from recoup_gateway_adapter.charging.loop.ask import Ask, Seen
from recoup_gateway_adapter.gateways.stripe import charges
from recoup_gateway_adapter.gateways.stripe.charges import Missing, Read
from recoup_gateway_adapter.work import store as queue

READ_AGAIN_AFTER = timedelta(seconds=10)
"""When an invoice that could not be read is read again."""

COLLECTION_AGAIN_AFTER = timedelta(minutes=1)


async def ask_first(ask: Ask) -> None:
    """Look at the invoice and the instrument once more, and charge if nothing speaks against it."""
    read = await _ready(ask)
    if read is None:
        return
    sent = await _mark(ask, read.invoice)
    if sent is not None:
        await _pay(ask.of(sent))


async def ask_again(ask: Ask) -> None:
    """Send the same request once more: its fate is not known, and its key keeps it from happening twice."""
    async with ask.transaction() as tx:
        attempt = await store.lock_open(tx, ask.attempt.merchant_id, ask.attempt.attempt_id)
        if attempt is None or attempt.state is not AttemptState.SENDING:
            return
        sent = domain.sending(attempt, tx.real_now)
        await handlers.mark_sending(tx, attempt, sent)
    await _pay(ask.of(sent))


async def _ready(ask: Ask) -> Read | None:
    """Give the invoice where it may be charged now; otherwise save why not."""
    attempt, client = ask.attempt, ask.client
    read, belongs = await asyncio.gather(charges.read_invoice(client, attempt.invoice_id), _belongs(ask))
    if not isinstance(read, Read):
        await _unread(ask, read)
        return None
    never = domain.payable(attempt, read.invoice)
    if never is not None:
        await _never(ask, never.reason, [(thing, None) for thing in read.objects])
        return None
    if isinstance(belongs, Unprocessed | NoAnswer):
        await _unread(ask, belongs)
        return None
    if not belongs:
        await _never(ask, "instrument_removed", [])
        return None
    if not read.invoice.collected_by_gateway or not await _is_ours_to_collect(ask):
        return read
    return await _collected_by_us(ask)


async def _belongs(ask: Ask) -> bool | Unprocessed | NoAnswer:
    attempt = ask.attempt
    if attempt.instrument_id is None:
        return True
    return await charges.instrument_belongs(ask.client, attempt.instrument_id, attempt.customer_id)


async def _is_ours_to_collect(ask: Ask) -> bool:
    async with ask.transaction() as tx:
        around = await store.circumstances(tx, ask.attempt, ask.client.account)
    return around.precedence is Precedence.PLATFORM_MANAGEMENT


async def _collected_by_us(ask: Ask) -> Read | None:
    """Switch the gateway's own collection off and see that it is, before we charge."""
    read = await charges.turn_collection_off(ask.client, ask.attempt.invoice_id)
    if not isinstance(read, Read):
        await _unread(ask, read)
        return None
    if not read.invoice.collected_by_gateway:
        return read
    log.error("collection.still_on", invoice=ask.attempt.invoice_id, account=ask.attempt.account_id)
    async with ask.transaction() as tx:
        await queue.again(tx, ask.work, tx.real_now + COLLECTION_AGAIN_AFTER)
    return None


async def _unread(ask: Ask, why: Missing | Unprocessed | NoAnswer) -> None:
    """Nothing was asked for yet: later, or never where there is no such invoice."""
    if isinstance(why, Missing):
        await _never(ask, "invoice_missing", [])
        return
    pause = why.retry_after if isinstance(why, Unprocessed) else READ_AGAIN_AFTER
    async with ask.transaction() as tx:
        await queue.again(tx, ask.work, tx.real_now + pause)
        await ask.report(tx, why)


async def _never(ask: Ask, reason: str, seen: list[Seen]) -> None:
    async with ask.transaction() as tx:
        attempt = await store.lock_open(tx, ask.attempt.merchant_id, ask.attempt.attempt_id)
        if attempt is not None and attempt.state is AttemptState.PLANNED:
            await handlers.apply(tx, attempt, domain.not_sent(attempt, reason))
        await ask.tell(tx, seen)


async def _mark(ask: Ask, invoice: InvoiceSeen) -> Attempt | None:
    """Judge once more, take the invoice, and save that the request goes out now."""
    async with ask.transaction() as tx:
        attempt = await store.lock_open(tx, ask.attempt.merchant_id, ask.attempt.attempt_id)
        if attempt is None or attempt.state is not AttemptState.PLANNED:
            return None
        around = await store.circumstances(tx, attempt, ask.client.account)
        match domain.allowed(attempt, around, tx.real_now):
            case Never(reason):
                await handlers.apply(tx, attempt, domain.not_sent(attempt, reason))
                return None
            case NotNow(_, again_at):
                await queue.again(tx, ask.work, again_at)
                return None
            case TakeOver(holder) if not await _handed_over(tx, holder, invoice):
                await queue.again(tx, ask.work, tx.real_now + READ_AGAIN_AFTER)
                return None
            case Send() | TakeOver():
                sent = domain.sending(attempt, tx.real_now, invoice.latest_charge_id)
                await handlers.mark_sending(tx, attempt, sent)
                return sent


async def _handed_over(tx: Tx, holder: Attempt, invoice: InvoiceSeen) -> bool:
    """End the attempt that waits for the customer, so that the lock is free in this very transaction."""
    change = domain.superseded(holder, domain.finding(holder, invoice), tx.real_now)
    if change is None or not change.attempt.settled:
        return False
    await handlers.apply(tx, holder, change)
    return True


async def _pay(ask: Ask) -> None:
    attempt = ask.attempt
    paid = await charges.pay(ask.client, attempt.invoice_id, attempt.body, attempt.idempotency_key)
    metrics.REQUESTS.labels("stripe", type(paid.answer).__name__.lower()).inc()
    made = isinstance(paid.answer, Captured | Declined | Processing | NeedsAction)
    key = attempt.idempotency_key if made else None
    await _save(ask, paid.answer, [(thing, key) for thing in paid.objects])


async def _save(ask: Ask, answer: Answer, seen: list[Seen]) -> None:
    """Save what the answer means, and tell it; a fact may have come first and settled the attempt already."""
    async with ask.transaction() as tx:
        attempt = await store.lock_open(tx, ask.attempt.merchant_id, ask.attempt.attempt_id)
        again_at = None
        if attempt is None:
            charge_id = answer.charge_id if isinstance(answer, Captured | Declined) else None
            if charge_id is not None:
                await store.name_charge(tx, ask.attempt, charge_id)
        elif attempt.state is AttemptState.SENDING:
            change = domain.answered(attempt, answer, tx.real_now)
            await handlers.apply(tx, attempt, change)
            again_at = change.again_at
        elif isinstance(answer, Captured | Declined):
            change = domain.looked_up(attempt, answer, tx.real_now)
            await handlers.apply(tx, attempt, change)
        await ask.tell(tx, seen)
        if again_at is not None:
            await queue.again(tx, ask.work, again_at)
        await ask.report(tx, answer)
