"""Card sessions in Postgres. Whoever writes holds the customer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from recoup_chassis.postgres import Tx
from recoup_chassis.queries import load
from recoup_gateway_adapter.card_sessions.domain import CardSession, SessionState

sql = load(__package__)


async def choosing(tx: Tx, account_id: str, customer_ids: Sequence[str]) -> set[str]:
    """Give those customers who have a card session open: a card of theirs that turns up may be its card."""
    rows = await tx.fetch(sql.choosing, account_id, list(customer_ids), tx.real_now)
    return {row["customer_id"] for row in rows}


async def add(tx: Tx, session: CardSession) -> None:
    """Insert an open session."""
    await tx.execute(
        sql.add,
        session.merchant_id,
        session.card_session_id,
        session.account_id,
        session.customer_id,
        list(session.invoice_ids),
        session.return_url,
        session.cancel_url,
        session.ends_at,
    )


async def opened(
    tx: Tx, merchant_id: str, card_session_id: UUID, gateway_session_id: str, ends_at: datetime
) -> None:
    """Remember the gateway's page."""
    await tx.execute(sql.opened, merchant_id, card_session_id, gateway_session_id, ends_at)


async def get(tx: Tx, merchant_id: str, card_session_id: UUID) -> CardSession | None:
    """Give a session."""
    return _session(await tx.fetchrow(sql.get, merchant_id, card_session_id))


async def lock(tx: Tx, merchant_id: str, card_session_id: UUID) -> CardSession | None:
    """Give a session, locked."""
    return _session(await tx.fetchrow(sql.lock, merchant_id, card_session_id))


async def of_gateway(tx: Tx, account_id: str, gateway_session_id: str) -> CardSession | None:
    """Give a session by the gateway's name for it; None where it is none of ours."""
    return _session(await tx.fetchrow(sql.of_gateway, account_id, gateway_session_id))


async def end(tx: Tx, session: CardSession, state: SessionState, instrument_id: str | None) -> None:
    """End an open session."""
    await tx.execute(
        sql.end_session, session.merchant_id, session.card_session_id, state.value, instrument_id
    )


def _session(row: Mapping[str, Any] | None) -> CardSession | None:
    if row is None:
        return None
    fields = {name: value for name, value in row.items() if name in CardSession.__dataclass_fields__}
    return CardSession(
        **{**fields, "state": SessionState(row["state"]), "invoice_ids": tuple(row["invoice_ids"])}
    )
