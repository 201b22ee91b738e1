"""Looking up what became of an attempt that is unknown, pending or waits for the customer."""

from recoup_events.values import AttemptState
from recoup_gateway_adapter.charging import domain, handlers, metrics, store
from recoup_gateway_adapter.charging.domain import (
    Captured,
    Declined,
    Finding,
    NoAnswer,
    Processing,
    Unclear,
    Unprocessed,
)
from recoup_gateway_adapter.charging.loop.ask import Ask, Seen, report, tell
from recoup_gateway_adapter.gateways.stripe import charges
from recoup_gateway_adapter.gateways.stripe.charges import Missing, Read
from recoup_gateway_adapter.gateways.stripe.client import Json
from recoup_gateway_adapter.work import store as queue

AWAITED = frozenset({AttemptState.UNKNOWN, AttemptState.PENDING, AttemptState.REQUIRES_ACTION})


async def look_up(ask: Ask) -> None:
    """Read the invoice and its charges, and settle what they show."""
    read = await charges.read_invoice(ask.client, ask.attempt.invoice_id, with_charges=True)
    match read:
        case Unprocessed(_, pause):
            async with ask.transaction() as tx:
                await queue.again(tx, [(ask.work, tx.real_now + pause)])
                await report(tx, [(ask, read)])
        case NoAnswer(why):
            await _found(ask, Unclear(why), ())
            async with ask.transaction() as tx:
                await report(tx, [(ask, read)])
        case Missing():
            await _found(ask, Unclear("invoice_missing"), ())
        case Read(invoice, objects):
            await _found(ask, domain.finding(ask.attempt, invoice), objects)


async def _found(ask: Ask, finding: Finding, objects: tuple[Json, ...]) -> None:
    metrics.LOOK_UPS.labels("stripe", type(finding).__name__.lower()).inc()
    async with ask.transaction() as tx:
        attempt = (await store.lock_open(tx, [ask.name])).get(ask.name)
        again_at = None
        if attempt is not None and attempt.state in AWAITED and attempt.state is ask.attempt.state:
            change = domain.looked_up(attempt, finding, tx.real_now)
            await handlers.apply(tx, attempt, change)
            again_at = change.again_at
        await tell(tx, [(ask, _with_keys(ask, finding, objects))])
        if again_at is not None:
            await queue.again(tx, [(ask.work, again_at)])


def _with_keys(ask: Ask, finding: Finding, objects: tuple[Json, ...]) -> list[Seen]:
    """Name our key beside the charge that was found to be ours, and beside no other."""
    ours = finding.charge_id if isinstance(finding, Captured | Declined | Processing) else None
    return [
        (thing, ask.attempt.idempotency_key if ours is not None and thing.get("id") == ours else None)
        for thing in objects
    ]
