"""Read models at rest: saved a batch at a time, read by pages and API."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from recoup_chassis.postgres import Tx, columns
from recoup_chassis.queries import load
from recoup_portal_api.read_models.domain import Happening

sql = load(__package__)

TIMELINE_AT_MOST = 500
"""Lines of one case's timeline."""

END_OF_TIME = datetime(9999, 1, 1, tzinfo=UTC)
LAST_ID = UUID(int=2**128 - 1)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Contact:
    """A customer as the pages know them: no address, only its keyed hash."""

    merchant_id: str
    account_id: str
    customer_id: str
    version: int
    contact_hash: bytes | None
    locale: str | None


@dataclass(frozen=True)
class OpenCase:
    """An open case with its invoice as it is known now; `failed_at` is the merchant's time."""

    case_id: UUID
    account_id: str
    customer_id: str
    invoice_id: str
    state: str
    failed_at: datetime
    invoice_number: str | None
    owed_minor: int
    currency: str
    invoice_status: str | None
    description: str | None


@dataclass(frozen=True)
class Customer:
    """One customer of one account."""

    account_id: str
    customer_id: str
    locale: str | None


async def save_cases(tx: Tx, rows: Sequence[Row]) -> None:
    """Save cases by revision."""
    await tx.execute(sql.save_cases, list(rows))


async def save_invoices(tx: Tx, rows: Sequence[Row]) -> None:
    """Save invoices by version."""
    await tx.execute(sql.save_invoices, list(rows))


async def save_subscriptions(tx: Tx, rows: Sequence[Row]) -> None:
    """Save subscriptions by version."""
    await tx.execute(sql.save_subscriptions, list(rows))


async def save_happenings(tx: Tx, happenings: Iterable[Happening]) -> None:
    """Add lines to timelines; each event once."""
    rows = [
        {
            "merchant_id": line.merchant_id,
            "event_id": str(line.event_id),
            "at": line.at.isoformat(),
            "what": line.what,
            "case_id": str(line.case_id) if line.case_id else None,
            "account_id": line.account_id,
            "customer_id": line.customer_id,
            "details": dict(line.details),
        }
        for line in happenings
    ]
    await tx.execute(sql.save_happenings, rows)


async def save_contacts(tx: Tx, contacts: Sequence[Contact]) -> None:
    """Save what the pages know of customers, by version."""
    rows = [
        (c.merchant_id, c.account_id, c.customer_id, c.version, c.contact_hash, c.locale) for c in contacts
    ]
    await tx.execute(sql.save_customers, *columns(rows, 6))


async def erase_customers(tx: Tx, erased: Sequence[tuple[str, str]]) -> None:
    """Forget customers, by (merchant, customer)."""
    await tx.execute(sql.erase_customers, *columns(erased, 2))


async def erase_invoices(tx: Tx, erased: Sequence[tuple[str, str]]) -> None:
    """Forget invoices, by (merchant, invoice)."""
    await tx.execute(sql.erase_invoices, *columns(erased, 2))


async def erase_subscriptions(tx: Tx, erased: Sequence[tuple[str, str]]) -> None:
    """Forget subscriptions, by (merchant, subscription)."""
    await tx.execute(sql.erase_subscriptions, *columns(erased, 2))


async def case(tx: Tx, merchant_id: str, case_id: UUID) -> Row | None:
    """Give a case."""
    row: Row | None = await tx.fetchrow(sql.case, merchant_id, case_id)
    return row


async def cases(
    tx: Tx, merchant_id: str, *, state: str | None, before: tuple[datetime, UUID] | None, limit: int
) -> list[Row]:
    """Give cases, the last to fail first, from before a (first failure, case id) on."""
    failed_at, case_id = before or (END_OF_TIME, LAST_ID)
    return list(await tx.fetch(sql.cases, merchant_id, state, failed_at, case_id, limit))


async def timeline(tx: Tx, case: Row) -> list[Row]:
    """Give what happened to a case and, while it was open, to its customer's cards; the earliest first."""
    return list(
        await tx.fetch(
            sql.timeline,
            case["merchant_id"],
            case["case_id"],
            case["account_id"],
            case["customer_id"],
            case["failed_at"],
            case["closed_at"],
            TIMELINE_AT_MOST,
        )
    )


async def summary(tx: Tx, merchant_id: str, now: datetime) -> list[Row]:
    """Count cases and money by currency, state and way; `now` is the merchant's."""
    return list(await tx.fetch(sql.summary, merchant_id, now))


async def open_cases(tx: Tx, merchant_id: str, customer: Customer) -> list[OpenCase]:
    """Give what a customer has open, the oldest first."""
    rows = await tx.fetch(sql.open_cases, merchant_id, customer.account_id, customer.customer_id)
    return [OpenCase(**row) for row in rows]


async def locale(tx: Tx, merchant_id: str, account_id: str, customer_id: str) -> str | None:
    """Give the customer's locale, where it is known."""
    found: str | None = await tx.fetchval(sql.locale, merchant_id, account_id, customer_id)
    return found


async def customers_of_contact(tx: Tx, merchant_id: str, contact_hash: bytes) -> list[Customer]:
    """Give those whose address it is now, who owes something first."""
    return [Customer(**row) for row in await tx.fetch(sql.customers_of_contact, merchant_id, contact_hash)]


async def contact_of_customer(tx: Tx, merchant_id: str, account_id: str, customer_id: str) -> bytes | None:
    """Give the address hash of a customer, where it is known."""
    found: bytes | None = await tx.fetchval(sql.contact_of_customer, merchant_id, account_id, customer_id)
    return found
