"""final_action.due: remember it once a case and queue it; one that is asked again after its end is answered again."""

from collections.abc import Sequence
from datetime import datetime

from recoup_chassis.postgres import Tx
from recoup_events.models import FinalActionDone, FinalActionDue
from recoup_events.values import fact_id
from recoup_gateway_adapter.final_actions import store
from recoup_gateway_adapter.final_actions.domain import Ending
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.domain import Kind, Priority
from recoup_gateway_adapter.work.store import Item


async def final_action_due(batch: Sequence[FinalActionDue], tx: Tx) -> None:
    """Queue each case's final action. Safe to deliver twice."""
    endings = {(event.merchant_id, event.case_id): _ending(event) for event in batch}
    new = await store.add(tx, list(endings.values()))
    asked_at = {(event.merchant_id, event.case_id): event.not_before or tx.real_now for event in batch}
    await queue.put(tx, [_item(endings[case], max(tx.real_now, asked_at[case])) for case in sorted(new)])
    for case in sorted(endings.keys() - new):
        known = await store.ask_again(tx, endings[case])
        if known.outcome is not None:
            await tx.emit([done(tx, known)])


def done(tx: Tx, ending: Ending) -> FinalActionDone:
    """Give the event that says what a final action came to."""
    assert ending.outcome is not None
    return FinalActionDone(
        id=fact_id(ending.merchant_id, "final_action.done", str(ending.case_id), str(ending.revision)),
        time=tx.now(ending.merchant_id),
        merchant_id=ending.merchant_id,
        customer_id=ending.customer_id,
        account_id=ending.account_id,
        case_id=ending.case_id,
        revision=ending.revision,
        invoice_id=ending.invoice_id,
        subscription_id=ending.subscription_id,
        action=ending.action,
        outcome=ending.outcome,
        detail=ending.detail,
    )


def _ending(event: FinalActionDue) -> Ending:
    return Ending(
        merchant_id=event.merchant_id,
        case_id=event.case_id,
        revision=event.revision,
        account_id=event.account_id,
        customer_id=event.customer_id,
        invoice_id=event.invoice_id,
        subscription_id=event.subscription_id,
        action=event.action,
    )


def _item(ending: Ending, at: datetime) -> Item:
    """Queue it for when it was asked for: a clock that runs ahead of ours may ask too early."""
    return Item(
        Kind.FINAL_ACTION,
        ending.merchant_id,
        ending.account_id,
        str(ending.case_id),
        ending.customer_id,
        Priority.NORMAL,
        at,
    )
