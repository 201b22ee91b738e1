"""Cases in Postgres, as last told."""

from collections.abc import Iterable

import asyncpg

from recoup_chassis.postgres import Tx, columns
from recoup_chassis.queries import load
from recoup_events.values import CaseState, FinalAction, WaitingFor
from recoup_notifier.sequences.domain import Ask, Case, Key, Told

sql = load(__package__)


async def lock(tx: Tx, keys: Iterable[Key]) -> dict[Key, Case]:
    """Give the cases that are known, and hold them."""
    return await _cases(tx, sql.lock_cases, keys)


async def find(tx: Tx, keys: Iterable[Key]) -> dict[Key, Case]:
    """Give the cases that are known."""
    return await _cases(tx, sql.find_cases, keys)


async def _cases(tx: Tx, query: str, keys: Iterable[Key]) -> dict[Key, Case]:
    rows = await tx.fetch(query, *columns(sorted(set(keys)), 2))
    return {(case := _case(row)).key: case for row in rows}


async def save(tx: Tx, cases: Iterable[Case]) -> None:
    """Keep cases, each given once; a lower revision than the one kept changes nothing."""
    rows = sorted((_row(case) for case in cases), key=lambda row: row[:2])
    if rows:
        await tx.execute(sql.save_cases, *columns(rows, 25))


def _case(row: asyncpg.Record) -> Case:
    told = None
    if row["told_ask"] is not None:
        told = Told(Ask(row["told_ask"]), row["told_tries_made"])
    return Case(
        merchant_id=row["merchant_id"],
        case_id=row["case_id"],
        account_id=row["account_id"],
        customer_id=row["customer_id"],
        revision=row["revision"],
        state=CaseState(row["state"]),
        failed_at=row["failed_at"],
        resolve_by=row["resolve_by"],
        final_action=FinalAction(row["final_action"]),
        invoice_id=row["invoice_id"],
        owed_minor=row["owed_minor"],
        currency=row["currency"],
        invoice_number=row["invoice_number"],
        subscription_id=row["subscription_id"],
        waiting_for=WaitingFor(row["waiting_for"]) if row["waiting_for"] else None,
        next_try_at=row["next_try_at"],
        recovered_minor=row["recovered_minor"],
        instrument_kind=row["instrument_kind"],
        brand=row["brand"],
        decline_class=row["decline_class"],
        decline_action=row["decline_action"],
        masked=row["masked"],
        tries_made=row["tries_made"],
        told=told,
    )


def _row(case: Case) -> tuple[object, ...]:
    return (
        case.merchant_id,
        case.case_id,
        case.account_id,
        case.customer_id,
        case.revision,
        case.state,
        case.waiting_for,
        case.failed_at,
        case.resolve_by,
        case.next_try_at,
        case.final_action,
        case.invoice_id,
        case.invoice_number,
        case.subscription_id,
        case.owed_minor,
        case.recovered_minor,
        case.currency,
        case.instrument_kind,
        case.brand,
        case.decline_class,
        case.decline_action,
        case.masked,
        case.tries_made,
        case.told.ask if case.told else None,
        case.told.tries_made if case.told else None,
    )
