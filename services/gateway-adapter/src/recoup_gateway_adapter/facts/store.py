"""References to gateway objects, and what waits: loaded and saved a batch at a time."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from recoup_chassis.postgres import Tx, columns
from recoup_chassis.queries import load
from recoup_gateway_adapter.accounts.domain import AccountRef
from recoup_gateway_adapter.facts.domain.facts import AT_ONCE, Join
from recoup_gateway_adapter.facts.domain.records import (
    ChargeRecord,
    CustomerRecord,
    FailureRecord,
    InstrumentRecord,
    IntentRecord,
    InvoiceRecord,
    Key,
    Kind,
    Known,
    Record,
    ReversalRecord,
    SubscriptionRecord,
)

sql = load(__package__)

TWIN_COMES_WITHIN = timedelta(seconds=2)
"""Real time: a gateway posts the webhooks of one failure together."""

MOST_HOPS = 5
"""Charge, intent, invoice, its other charges, their reversals."""

_ADAPTERS: dict[Kind, TypeAdapter[Any]] = {
    Kind.CHARGE: TypeAdapter(ChargeRecord),
    Kind.INTENT: TypeAdapter(IntentRecord),
    Kind.INVOICE: TypeAdapter(InvoiceRecord),
    Kind.FAILURE: TypeAdapter(FailureRecord),
    Kind.INSTRUMENT: TypeAdapter(InstrumentRecord),
    Kind.CUSTOMER: TypeAdapter(CustomerRecord),
    Kind.SUBSCRIPTION: TypeAdapter(SubscriptionRecord),
    Kind.REVERSAL: TypeAdapter(ReversalRecord),
}


def read(kind: str, record: str) -> Record:
    """Read a stored record, which is JSON."""
    found: Record = _ADAPTERS[Kind(kind)].validate_json(record)
    return found


async def around(tx: Tx, wanted: Mapping[str, set[str]]) -> dict[str, Known]:
    """Load the objects of these ids, by account, and all that hangs together with them."""
    known: dict[str, Known] = {account: Known() for account in wanted}
    asked: set[tuple[str, str]] = set()
    asking = {(account, found) for account, ids in wanted.items() for found in ids}
    for _ in range(MOST_HOPS):
        asking -= asked
        if not asking:
            break
        asked |= asking
        hop: set[tuple[str, str]] = set()
        for row in await tx.fetch(sql.objects_around, *columns(sorted(asking), 2)):
            account = known[row["account_id"]]
            if account.get((Kind(row["kind"]), row["object_id"])) is not None:
                continue  # found in more than one way
            record = read(row["kind"], row["record"])
            account.put(record)
            hop |= {(row["account_id"], found) for found in references(record)}
        asking = hop
    return known


def references(record: Record) -> set[str]:
    """Give the ids of objects that a record points at."""
    match record:
        case ChargeRecord():
            found = {record.charge_id, record.payment_intent_id, record.invoice_id}
        case IntentRecord():
            found = {record.payment_intent_id, record.invoice_id, record.charge_id}
        case InvoiceRecord():
            invoice = record.invoice
            found = {invoice.invoice_id, invoice.customer_id, invoice.subscription_id}
        case FailureRecord():
            found = {record.failed.invoice_id, record.failed.charge_id}
        case ReversalRecord():
            found = {record.reversal.charge_id}
        case InstrumentRecord() | CustomerRecord() | SubscriptionRecord():
            found = set()
    return {name for name in found if name}


async def save(tx: Tx, known: Iterable[tuple[AccountRef, Known]]) -> None:
    """Save what was touched."""
    rows = [_row(account, key, record) for account, mine in known for key, record in _touched(mine)]
    if rows:
        await tx.execute(sql.save_objects, *columns(rows, 9))


def _touched(known: Known) -> list[tuple[Key, Record]]:
    return [(key, record) for key in sorted(known.touched) if (record := known.get(key)) is not None]


def _row(account: AccountRef, key: Key, record: Record) -> tuple[Any, ...]:
    kind, object_id = key
    invoice_id, intent_id, charge_id = _columns(record)
    version = record.version if isinstance(record, InvoiceRecord | CustomerRecord | SubscriptionRecord) else 0
    written = _ADAPTERS[kind].dump_json(record).decode()
    merchant, name = account.merchant_id, account.account_id
    return merchant, name, kind.value, object_id, invoice_id, intent_id, charge_id, version, written


def _columns(record: Record) -> tuple[str | None, str | None, str | None]:
    match record:
        case ChargeRecord():
            return record.invoice_id, record.payment_intent_id, None
        case IntentRecord():
            return record.invoice_id, None, record.charge_id
        case FailureRecord():
            return record.failed.invoice_id, None, record.failed.charge_id
        case ReversalRecord():
            return None, None, record.reversal.charge_id
        case InvoiceRecord() | InstrumentRecord() | CustomerRecord() | SubscriptionRecord():
            return None, None, None


async def update_joins(
    tx: Tx, waits: Iterable[tuple[AccountRef, Join]], done: Iterable[tuple[AccountRef, Join]]
) -> None:
    """Wait for what is missing, and no longer for what came."""
    waiting = [
        (
            account.merchant_id,
            account.account_id,
            join.kind.value,
            join.subject,
            timedelta(0) if join.kind in AT_ONCE else TWIN_COMES_WITHIN,
        )
        for account, join in waits
    ]
    if waiting:
        await tx.execute(sql.wait_for, *columns(waiting, 5))
    joined = [(account.account_id, join.kind.value, join.subject) for account, join in done]
    if joined:
        await tx.execute(sql.joined, *columns(joined, 3))
