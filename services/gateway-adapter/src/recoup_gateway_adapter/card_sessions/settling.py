"""What a completed card session leads to: the card is told, and what it is to settle is planned, in one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

from recoup_chassis.postgres import Tx
from recoup_events.values import CardChange, TryKind
from recoup_gateway_adapter.accounts.domain import AccountRef
from recoup_gateway_adapter.card_sessions import store
from recoup_gateway_adapter.card_sessions.domain import CardSession, SessionState
from recoup_gateway_adapter.charging import handlers as charging
from recoup_gateway_adapter.facts.handlers import Around, observe
from recoup_gateway_adapter.gateways.contract import Observation, PaymentMethod
from recoup_gateway_adapter.gateways.stripe.client import Json
from recoup_gateway_adapter.gateways.stripe.translate import observations_of
from recoup_gateway_adapter.work.domain import Priority


@dataclass(frozen=True)
class NewCard:
    """The card that a session brought. `invoice_ids`: what is open and owed, oldest first. `at`: merchant's time."""

    instrument_id: str
    instrument: Json
    invoice_ids: Sequence[str]
    at: datetime


async def settle(tx: Tx, account: AccountRef, session: CardSession, card: NewCard) -> None:
    """End a session with its card: plan a charge for each invoice, and tell the card with what it settles.

    Safe to repeat: of a session that has ended already nothing follows.
    """
    found = await store.lock(tx, session.merchant_id, session.card_session_id)
    if found is None or found.state is not SessionState.OPEN:
        return
    await store.end(tx, found, SessionState.COMPLETED, card.instrument_id)
    drafts = [
        replace(
            charging.draft(
                merchant_id=session.merchant_id,
                account_id=session.account_id,
                customer_id=session.customer_id,
                invoice_id=invoice_id,
                attempt_id=uuid4(),
                instrument_id=card.instrument_id,
                kind=TryKind.NEW_CARD,
                customer_present=True,
            ),
            card_session_id=session.card_session_id,
            position=position,
        )
        for position, invoice_id in enumerate(card.invoice_ids)
    ]
    await charging.plan(tx, drafts, Priority.PERSON_WAITS)
    settling = {card.instrument_id: (str(session.card_session_id), tuple(card.invoice_ids))}
    await observe(tx, account, _added(card), Around(settling=settling))


def _added(card: NewCard) -> list[Observation]:
    """Say that the card was added, as the gateway's own webhook does, so that both are one fact."""
    return [
        replace(seen, thing=replace(seen.thing, change=CardChange.ADDED))
        if isinstance(seen.thing, PaymentMethod)
        else seen
        for seen in observations_of(card.instrument, at=card.at)
    ]
