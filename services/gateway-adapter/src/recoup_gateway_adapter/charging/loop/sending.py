"""Sending: the first time after a last look at the invoice, and the same bytes again after a silence."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from recoup_chassis.postgres import Database, Tx
from recoup_chassis.telemetry import log
from recoup_events.values import AttemptState, Precedence
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.charging import domain, handlers, metrics, store
from recoup_gateway_adapter.charging.domain import (
    Attempt,
    Captured,
    Change,
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
from recoup_gateway_adapter.charging.loop.ask import Ask, Reply, Seen, report, tell, transaction
from recoup_gateway_adapter.gateways.stripe import charges
from recoup_gateway_adapter.gateways.stripe.charges import Missing, Read
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.together import apart

READ_AGAIN_AFTER = timedelta(seconds=10)
"""When an invoice that could not be read is read again."""

COLLECTION_AGAIN_AFTER = timedelta(minutes=1)


async def ask_first(ask: Ask) -> None:
    """Look at the invoice and the instrument once more, and charge if nothing speaks against it."""
    read = await _ready(ask)
    if read is None:
        return
    sent = await ask.desk.marked((ask, read.invoice))
    if sent is not None:
        await _pay(ask.of(sent))


async def ask_again(ask: Ask) -> None:
    """Send the same request once more: its fate is not known, and its key keeps it from happening twice."""
    async with ask.transaction() as tx:
        attempt = (await store.lock_open(tx, [ask.name])).get(ask.name)
        if attempt is None or attempt.state is not AttemptState.SENDING:
            return
        sent = domain.sending(attempt, tx.real_now)
        await handlers.mark_sending(tx, [(attempt, sent)])
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
    merchant_id = ask.attempt.merchant_id
    async with ask.desk.database.transaction([merchant_id]) as tx:
        precedence = await accounts.precedence(tx, [merchant_id])
    return precedence[merchant_id] is Precedence.PLATFORM_MANAGEMENT


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
        await queue.again(tx, [(ask.work, tx.real_now + COLLECTION_AGAIN_AFTER)])
    return None


async def _unread(ask: Ask, why: Missing | Unprocessed | NoAnswer) -> None:
    """Nothing was asked for yet: later, or never where there is no such invoice."""
    if isinstance(why, Missing):
        await _never(ask, "invoice_missing", [])
        return
    pause = why.retry_after if isinstance(why, Unprocessed) else READ_AGAIN_AFTER
    async with ask.transaction() as tx:
        await queue.again(tx, [(ask.work, tx.real_now + pause)])
        await report(tx, [(ask, why)])


async def _never(ask: Ask, reason: str, seen: list[Seen]) -> None:
    async with ask.transaction() as tx:
        attempt = (await store.lock_open(tx, [ask.name])).get(ask.name)
        if attempt is not None and attempt.state is AttemptState.PLANNED:
            await handlers.apply(tx, attempt, domain.not_sent(attempt, reason))
        await tell(tx, [(ask, seen)])


async def mark(database: Database, batch: Sequence[tuple[Ask, InvoiceSeen]]) -> list[Attempt | None]:
    """Judge once more, take the invoices, and save that the requests go out now."""
    sent: dict[int, Attempt] = {}
    async with transaction(database, [ask for ask, _ in batch]) as tx:
        for group in apart(batch, key=lambda one: one[0].attempt.invoice):
            sent |= await _mark(tx, group)
    return [sent.get(n) for n in range(len(batch))]


async def _mark(tx: Tx, group: Sequence[tuple[int, tuple[Ask, InvoiceSeen]]]) -> dict[int, Attempt]:
    """Mark attempts, no two of the same invoice; give those that go out, by their places."""
    found = await store.lock_open(tx, [ask.name for _, (ask, _) in group])
    planned = [
        (n, ask, invoice, found[ask.name])
        for n, (ask, invoice) in group
        if ask.name in found and found[ask.name].state is AttemptState.PLANNED
    ]
    around = await store.circumstances(tx, [(attempt, ask.client.account) for _, ask, _, attempt in planned])
    never, later, sent = [], [], {}
    for n, ask, invoice, attempt in planned:
        match domain.allowed(attempt, around[attempt.attempt_id], tx.real_now):
            case Never(reason):
                never.append((attempt, domain.not_sent(attempt, reason)))
            case NotNow(_, again_at):
                later.append((ask.work, again_at))
            case TakeOver(holder) if not await _handed_over(tx, holder, invoice):
                later.append((ask.work, tx.real_now + READ_AGAIN_AFTER))
            case Send() | TakeOver():
                sent[n] = domain.sending(attempt, tx.real_now, invoice.latest_charge_id)
    await handlers.apply_all(tx, never)
    await queue.again(tx, later)
    await handlers.mark_sending(tx, [(attempt, sent[n]) for n, _, _, attempt in planned if n in sent])
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
    await ask.desk.saved(Reply(ask, paid.answer, [(thing, key) for thing in paid.objects]))


async def save(database: Database, replies: Sequence[Reply]) -> list[None]:
    """Save what answers mean, and tell it; a fact may have come first and settled an attempt already."""
    async with transaction(database, [reply.ask for reply in replies]) as tx:
        for group in apart(replies, key=lambda reply: reply.ask.attempt.invoice):
            await _save(tx, [reply for _, reply in group])
    return [None] * len(replies)


async def _save(tx: Tx, replies: Sequence[Reply]) -> None:
    found = await store.lock_open(tx, [reply.ask.name for reply in replies])
    changes: list[tuple[Attempt, Change]] = []
    later = []
    for reply in replies:
        attempt, answer = found.get(reply.ask.name), reply.answer
        if attempt is None:
            charge_id = answer.charge_id if isinstance(answer, Captured | Declined) else None
            if charge_id is not None:
                await store.name_charge(tx, reply.ask.attempt, charge_id)
        elif attempt.state is AttemptState.SENDING:
            change = domain.answered(attempt, answer, tx.real_now)
            changes.append((attempt, change))
            if change.again_at is not None:
                later.append((reply.ask.work, change.again_at))
        elif isinstance(answer, Captured | Declined):
            changes.append((attempt, domain.looked_up(attempt, answer, tx.real_now)))
    await handlers.apply_all(tx, changes)
    await tell(tx, [(reply.ask, reply.seen) for reply in replies])
    await queue.again(tx, later)
    await report(tx, [(reply.ask, reply.answer) for reply in replies])
