"""What a message or a fact does to attempts. It plans and settles; the executor alone asks a gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from recoup_chassis.postgres import Tx
from recoup_events.models import AttemptUpdated, RetryDue
from recoup_events.values import AttemptState, TryKind, fact_id
from recoup_gateway_adapter.accounts.domain import AccountRef
from recoup_gateway_adapter.charging import domain, store
from recoup_gateway_adapter.charging.domain import LOCKING, Attempt, Change, ChargeOutcome
from recoup_gateway_adapter.gateways.stripe import charges
from recoup_gateway_adapter.work import store as work
from recoup_gateway_adapter.work.domain import Kind, Priority
from recoup_gateway_adapter.work.store import Item

SAID = frozenset(
    {AttemptState.NOT_SENT, AttemptState.PENDING, AttemptState.REQUIRES_ACTION, AttemptState.UNKNOWN}
)
"""States that no payment.* event tells, so that attempt.updated does."""


async def retry_due(batch: Sequence[RetryDue], tx: Tx) -> None:
    """Plan the charge of each new try; answer one that is asked again with its attempt's state."""
    known = await store.of_tries(tx, [(event.merchant_id, event.try_id) for event in batch])
    fresh: dict[tuple[str, UUID], RetryDue] = {}
    asked_again: list[Attempt] = []
    for event in batch:
        found = known.get((event.merchant_id, event.try_id))
        if found is None:
            fresh.setdefault((event.merchant_id, event.try_id), event)
        else:
            asked_again.append(found)
    await plan(tx, [_draft(event) for event in fresh.values()], Priority.NORMAL)
    await _answer(tx, asked_again)


async def plan(tx: Tx, drafts: Sequence[Attempt], priority: Priority) -> list[Attempt]:
    """Number, store and queue attempts; of a card session only the first is queued, the others wait their turn."""
    if not drafts:
        return []
    attempts = await store.numbered(tx, drafts)
    await store.add(tx, attempts)
    await work.put(tx, [_item(a, tx.real_now, priority) for a in attempts if a.position == 0])
    return attempts


async def outcome_known(tx: Tx, outcomes: Sequence[ChargeOutcome]) -> None:
    """Settle attempts whose own request a fact tells of; look soon at those that it may concern."""
    current: dict[UUID, Attempt] = {}
    for outcome, found in await store.told_of(tx, outcomes):
        attempt = current.get(found.attempt_id, found)
        change = domain.told(attempt, outcome, tx.real_now)
        if change is not None:
            await apply(tx, attempt, change)
            current[attempt.attempt_id] = change.attempt
    awaited = await store.awaited_of(tx, outcomes)
    await work.put(
        tx,
        [
            Item(Kind.ATTEMPT, merchant, account, str(attempt_id), customer, Priority.SOON, tx.real_now)
            for merchant, account, attempt_id, customer in awaited
            if attempt_id not in current
        ],
    )


async def decide(tx: Tx, merchant_id: str, attempt_id: UUID, state: AttemptState) -> bool:
    """Settle by a person's word what no look-up could tell, and say it; False where there is no such attempt."""
    found = await store.get(tx, merchant_id, [attempt_id])
    await tx.lock_customers((merchant_id, attempt.customer_id) for attempt in found)
    attempt = (await store.lock_open(tx, [(merchant_id, attempt_id)])).get((merchant_id, attempt_id))
    change = domain.decided(attempt, state) if attempt else None
    if attempt is None or change is None:
        return False
    await apply(tx, attempt, change)
    if change.attempt.state not in SAID:
        await tx.emit([attempt_updated(tx, change.attempt)])
    return True


async def collection_is_on(tx: Tx, account: AccountRef, invoices: Sequence[tuple[str, str]]) -> None:
    """Take over failed invoices that the gateway would charge by itself: (customer, invoice) each.

    Whether they are ours to collect is judged when the gateway is asked.
    """
    await work.put(
        tx,
        [
            Item(
                Kind.COLLECTION,
                account.merchant_id,
                account.account_id,
                invoice_id,
                customer_id,
                Priority.SOON,
                tx.real_now,
            )
            for customer_id, invoice_id in invoices
        ],
    )


async def mark_sending(tx: Tx, marked: Sequence[tuple[Attempt, Attempt]]) -> None:
    """Save that requests go out, and hold their invoices; the places in the queue stay leased.

    Each attempt as it was and as it becomes, no two of the same invoice.

    Raises:
        Retryable: an attempt was changed, or its invoice taken, meanwhile.
    """
    if marked:
        await store.take_locks(tx, [becomes for _, becomes in marked])
        await store.save(tx, marked)


async def apply(tx: Tx, was: Attempt, change: Change) -> None:
    """Save what became of one attempt."""
    await apply_all(tx, [(was, change)])


async def apply_all(tx: Tx, changes: Sequence[tuple[Attempt, Change]]) -> None:
    """Save what became of attempts: their locks, their places in the queue, and what is to be said of them.

    Raises:
        Retryable: one of them was changed meanwhile.
    """
    if not changes:
        return
    became = [(was, change.attempt) for was, change in changes]
    await store.save(tx, [(was, becomes) for was, becomes in became if becomes != was])
    await _let_go(
        tx,
        {
            becomes.invoice: (becomes.customer_id, becomes.attempt_id)
            for was, becomes in became
            if was.state in LOCKING and becomes.state not in LOCKING
        },
    )
    await _queue(tx, [change for _, change in changes])
    await tx.emit([attempt_updated(tx, becomes) for was, becomes in became if _is_news(was, becomes)])
    for was, becomes in became:
        if becomes.state is not was.state:
            await _turn_of_the_next(tx, becomes)


async def let_go(tx: Tx, invoice: store.Invoice, customer_id: str, holder: UUID) -> None:
    """Release an invoice, and let the attempts look again that waited for it."""
    await _let_go(tx, {invoice: (customer_id, holder)})


async def _let_go(tx: Tx, held: Mapping[store.Invoice, tuple[str, UUID]]) -> None:
    if not held:
        return
    await store.release_locks(tx, [(invoice, holder) for invoice, (_, holder) in held.items()])
    await work.put(
        tx,
        [
            Item(Kind.ATTEMPT, *invoice[:2], str(one), held[invoice][0], Priority.NORMAL, tx.real_now)
            for invoice, one in await store.queued_of_invoices(tx, held)
            if one != held[invoice][1]
        ],
    )


def attempt_updated(tx: Tx, attempt: Attempt) -> AttemptUpdated:
    """Give the event that says where an attempt stands."""
    return AttemptUpdated(
        id=fact_id(attempt.account_id, "attempt.updated", str(attempt.attempt_id), str(attempt.revision)),
        time=tx.now(attempt.merchant_id),
        merchant_id=attempt.merchant_id,
        customer_id=attempt.customer_id,
        account_id=attempt.account_id,
        attempt_id=attempt.attempt_id,
        revision=attempt.revision,
        invoice_id=attempt.invoice_id,
        state=attempt.state,
        reason=attempt.reason,
        try_id=attempt.try_id,
    )


def draft(  # noqa: PLR0913  # what a charge consists of, all of it by name
    *,
    merchant_id: str,
    account_id: str,
    customer_id: str,
    invoice_id: str,
    attempt_id: UUID,
    instrument_id: str | None,
    kind: TryKind,
    customer_present: bool,
) -> Attempt:
    """Give an attempt without a number yet, its request's bytes already written."""
    return Attempt(
        merchant_id=merchant_id,
        account_id=account_id,
        customer_id=customer_id,
        attempt_id=attempt_id,
        invoice_id=invoice_id,
        number=0,
        idempotency_key="",
        body=charges.pay_body(instrument_id, off_session=not customer_present),
        kind=kind,
        customer_present=customer_present,
        instrument_id=instrument_id,
    )


def _draft(event: RetryDue) -> Attempt:
    planned = draft(
        merchant_id=event.merchant_id,
        account_id=event.account_id,
        customer_id=event.customer_id,
        invoice_id=event.invoice_id,
        attempt_id=fact_id(event.merchant_id, "attempt", str(event.try_id)),
        instrument_id=event.instrument_id,
        kind=event.kind,
        customer_present=False,
    )
    return replace(planned, case_id=event.case_id, try_id=event.try_id, not_after=event.not_after)


async def _answer(tx: Tx, attempts: Sequence[Attempt]) -> None:
    """Say where attempts stand; each answer is a revision, so that no inbox takes it for one it has seen."""
    unique = {attempt.attempt_id: attempt for attempt in attempts}
    await tx.emit([attempt_updated(tx, attempt) for attempt in await store.bump(tx, list(unique.values()))])


async def _queue(tx: Tx, changes: Sequence[Change]) -> None:
    over = [_item(c.attempt, tx.real_now, Priority.NORMAL) for c in changes if c.again_at is None]
    await work.done(tx, over)
    later = [_item(c.attempt, c.again_at, Priority.NORMAL) for c in changes if c.again_at is not None]
    await work.put(tx, later)


def _item(attempt: Attempt, at: datetime, priority: Priority) -> Item:
    return Item(
        Kind.ATTEMPT,
        attempt.merchant_id,
        attempt.account_id,
        str(attempt.attempt_id),
        attempt.customer_id,
        priority,
        at,
    )


def _is_news(was: Attempt, becomes: Attempt) -> bool:
    if becomes.state not in SAID:
        return False
    return becomes.state is not was.state or (becomes.reason, was.reason).count(domain.NEEDS_PERSON) == 1


async def _turn_of_the_next(tx: Tx, attempt: Attempt) -> None:
    """Go on with a card session's other invoices, or stop them at a decline."""
    follows = domain.session_goes_on(attempt)
    if attempt.card_session_id is None or follows is None:
        return
    rest = await store.rest_of_session(tx, attempt.merchant_id, attempt.card_session_id)
    if follows:
        await work.put(tx, [_item(following, tx.real_now, Priority.PERSON_WAITS) for following in rest[:1]])
        return
    stopped = [(one, domain.not_sent(one, "stopped_at_decline")) for one in rest]
    await store.save(tx, [(one, change.attempt) for one, change in stopped])
    await _queue(tx, [change for _, change in stopped])
    await tx.emit([attempt_updated(tx, change.attempt) for _, change in stopped])
