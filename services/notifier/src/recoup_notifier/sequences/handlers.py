"""A case changed: decide what to say, and queue it in the same transaction."""

from collections.abc import Sequence

from recoup_chassis.postgres import Tx
from recoup_events.models import RecoveryChanged
from recoup_notifier.correspondence import store as correspondence
from recoup_notifier.sequences import domain, store


async def recovery_changed(batch: Sequence[RecoveryChanged], tx: Tx) -> None:
    """Queue what each change asks us to say; drop what it overtakes. Safe to deliver twice."""
    changes = [_case(event) for event in batch]
    decisions = domain.fold(await store.lock(tx, (case.key for case in changes)), changes)
    await store.save(tx, decisions.cases.values())
    await correspondence.queue(tx, decisions.messages)
    await correspondence.drop_superseded(tx, decisions.superseded)


def _case(event: RecoveryChanged) -> domain.Case:
    recovered, owed = event.recovered_amount, event.invoice.owed
    return domain.Case(
        merchant_id=event.merchant_id,
        case_id=event.case_id,
        account_id=event.account_id,
        customer_id=event.customer_id,
        revision=event.revision,
        state=event.state,
        failed_at=event.failed_at,
        resolve_by=event.resolve_by,
        final_action=event.final_action,
        invoice_id=event.invoice.invoice_id,
        owed_minor=owed.minor,
        currency=owed.currency,
        invoice_number=event.invoice.number,
        subscription_id=event.invoice.subscription_id,
        waiting_for=event.waiting_for,
        next_try_at=event.next_try_at,
        recovered_minor=recovered.minor if recovered and recovered.currency == owed.currency else 0,
        instrument_kind=event.instrument.kind if event.instrument else None,
        brand=event.instrument.brand if event.instrument else None,
        decline_class=event.decline_class,
        decline_action=event.decline_action,
        masked=event.masked,
        tries_made=event.tries_made,
    )
