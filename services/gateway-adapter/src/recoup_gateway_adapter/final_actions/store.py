"""Final actions in Postgres. Whoever writes holds the customer."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from recoup_chassis.postgres import Tx, columns
from recoup_chassis.queries import load
from recoup_events.values import FinalAction, FinalActionOutcome
from recoup_gateway_adapter.final_actions.domain import Ended, Ending

sql = load(__package__)


async def add(tx: Tx, endings: Sequence[Ending]) -> set[tuple[str, UUID]]:
    """Insert final actions; give the (merchant, case) of those that were not there."""
    rows = [
        (
            e.merchant_id,
            e.case_id,
            e.revision,
            e.account_id,
            e.customer_id,
            e.invoice_id,
            e.subscription_id,
            e.action.value,
        )
        for e in endings
    ]
    return {(row["merchant_id"], row["case_id"]) for row in await tx.fetch(sql.add, *columns(rows, 8))}


async def ask_again(tx: Tx, ending: Ending) -> Ending:
    """Remember the highest revision that asked for it."""
    (row,) = await tx.fetch(sql.ask_again, ending.merchant_id, ending.case_id, ending.revision)
    return _ending(row)


async def lock(tx: Tx, merchant_id: str, case_id: UUID) -> Ending | None:
    """Give a final action, locked."""
    row = await tx.fetchrow(sql.lock, merchant_id, case_id)
    return _ending(row) if row else None


async def asking(tx: Tx, ending: Ending) -> None:
    """Remember that the gateway is asked to change something now."""
    await tx.execute(sql.asking, ending.merchant_id, ending.case_id)


async def silent(tx: Tx, ending: Ending) -> None:
    """Count a silence of the gateway."""
    await tx.execute(sql.silent, ending.merchant_id, ending.case_id)


async def end(tx: Tx, ending: Ending, ended: Ended) -> None:
    """Save what it came to."""
    await tx.execute(sql.end_action, ending.merchant_id, ending.case_id, ended.outcome.value, ended.detail)


def _ending(row: Mapping[str, Any]) -> Ending:
    fields = {name: value for name, value in row.items() if name in Ending.__dataclass_fields__}
    outcome = FinalActionOutcome(row["outcome"]) if row["outcome"] else None
    return Ending(**{**fields, "action": FinalAction(row["action"]), "outcome": outcome})
