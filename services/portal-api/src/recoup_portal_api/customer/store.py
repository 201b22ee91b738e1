"""What customers began on our pages, at rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from recoup_chassis.postgres import Tx
from recoup_chassis.queries import load

sql = load(__package__)

Kind = Literal["card_session", "payment"]


@dataclass(frozen=True)
class Action:
    """A card session or one payment; `reference` names it at gateway-adapter."""

    kind: Kind
    reference: str
    invoice_id: str | None = None


async def add_actions(
    tx: Tx, merchant_id: str, case_id: UUID, action_id: UUID, actions: Sequence[Action]
) -> None:
    """Note what was begun, so that its result is shown to the same page only."""
    for place, action in enumerate(actions):
        await tx.execute(
            sql.add_action,
            merchant_id,
            action_id,
            case_id,
            action.kind,
            action.reference,
            action.invoice_id,
            place,
            tx.real_now,
        )


async def actions(tx: Tx, merchant_id: str, case_id: UUID, action_id: UUID) -> list[Action]:
    """Give what was begun under this id, none where it belongs to another case."""
    return [Action(**row) for row in await tx.fetch(sql.actions, merchant_id, case_id, action_id)]


async def action_of_card_session(
    tx: Tx, merchant_id: str, case_id: UUID, card_session_id: str
) -> UUID | None:
    """Give the id under which a card session was begun for this case."""
    found: UUID | None = await tx.fetchval(sql.action_of_card_session, merchant_id, case_id, card_session_id)
    return found
