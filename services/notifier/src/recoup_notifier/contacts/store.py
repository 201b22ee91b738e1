"""Contacts in Postgres."""

from collections.abc import Iterable, Sequence

from recoup_chassis.postgres import Customer, Tx, columns
from recoup_chassis.queries import load
from recoup_notifier.contacts.domain import Contact

sql = load(__package__)


async def save(tx: Tx, contacts: Iterable[Contact]) -> None:
    """Keep contacts; a lower version than the one kept changes nothing, of equal ones the last counts."""
    newest: dict[Customer, Contact] = {}
    for one in contacts:
        before = newest.get((one.merchant_id, one.customer_id))
        if before is None or before.version <= one.version:
            newest[one.merchant_id, one.customer_id] = one
    rows = [
        (c.merchant_id, c.customer_id, c.account_id, c.version, c.email, c.name, c.locale, c.timezone)
        for _, c in sorted(newest.items())
    ]
    if rows:
        await tx.execute(sql.save, *columns(rows, 8))


async def find(tx: Tx, customers: Iterable[Customer]) -> dict[Customer, Contact]:
    """Give the contacts that are known."""
    rows = await tx.fetch(sql.find, *columns(sorted(set(customers)), 2))
    return {(row["merchant_id"], row["customer_id"]): Contact(**row) for row in rows}


async def erase(tx: Tx, customers: Sequence[Customer]) -> None:
    """Delete contacts. Safe to repeat."""
    await tx.execute(sql.erase, *columns(customers, 2))
