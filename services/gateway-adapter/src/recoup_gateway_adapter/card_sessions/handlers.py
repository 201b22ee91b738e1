"""What a message about a card session leads to."""

from recoup_chassis.postgres import Tx
from recoup_gateway_adapter.accounts.domain import AccountRef
from recoup_gateway_adapter.card_sessions import store
from recoup_gateway_adapter.card_sessions.domain import SessionState
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.domain import Kind, Priority
from recoup_gateway_adapter.work.store import Item


async def session_completed(tx: Tx, account: AccountRef, gateway_session_id: str) -> None:
    """Follow a webhook: read the session at the gateway as soon as can be. One that is not ours is passed over."""
    session = await store.of_gateway(tx, account.account_id, gateway_session_id)
    if session is None or session.state is not SessionState.OPEN:
        return
    item = Item(
        Kind.CARD_SESSION,
        session.merchant_id,
        session.account_id,
        str(session.card_session_id),
        session.customer_id,
        Priority.PERSON_WAITS,
        tx.real_now,
    )
    await queue.put(tx, [item])
