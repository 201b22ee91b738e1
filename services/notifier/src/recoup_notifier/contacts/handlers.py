"""Customers come, change and are erased."""

from collections.abc import Sequence

from recoup_chassis.postgres import Tx
from recoup_events.envelope import Tombstone
from recoup_events.models import CustomerUpdated
from recoup_notifier.contacts import store
from recoup_notifier.contacts.domain import Contact
from recoup_notifier.correspondence import store as correspondence


async def customer_updated(batch: Sequence[CustomerUpdated], tx: Tx) -> None:
    """Keep each customer as they are now. Safe to deliver twice."""
    await store.save(
        tx,
        [
            Contact(
                merchant_id=event.merchant_id,
                customer_id=event.customer_id,
                account_id=event.account_id,
                version=event.version,
                email=event.email,
                name=event.name,
                locale=event.locale,
                timezone=event.timezone,
            )
            for event in batch
        ],
    )


async def customer_erased(batch: Sequence[Tombstone], tx: Tx) -> None:
    """Forget customers: their contact, and all that was personal in what we wrote to them. Safe to deliver twice."""
    gone = sorted({(one.merchant_id, one.customer_id or one.key.partition("/")[2]) for one in batch})
    await tx.lock_customers(gone)
    await store.erase(tx, gone)
    await correspondence.erase(tx, gone)
