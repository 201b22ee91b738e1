"""One attempt's way to its gateway and back: judge, send or send again, look up, save.

Promise: no transaction is open across a request; before each request a row says that it goes out, and after
each answer, or none, a row says what that means. Any of these steps may be the process's last.
"""

from uuid import UUID

from recoup_chassis.postgres import Database, Tx
from recoup_events.values import AttemptState
from recoup_gateway_adapter.accounts.domain import Account
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.charging import domain, handlers, store
from recoup_gateway_adapter.charging.domain import (
    BLOCKED_AGAIN_AFTER,
    Attempt,
    Never,
    NotNow,
    Send,
    TakeOver,
    Unclear,
)
from recoup_gateway_adapter.charging.loop.ask import Ask
from recoup_gateway_adapter.charging.loop.awaited import look_up
from recoup_gateway_adapter.charging.loop.sending import ask_again, ask_first
from recoup_gateway_adapter.gateways.stripe import charges
from recoup_gateway_adapter.gateways.stripe.client import Http, StripeClient
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.store import Work

__all__ = ["Charging"]


class Charging:
    """Runs attempts.

    Args:
        vault: opens the accounts' keys.
        session: outgoing HTTP, shared by all accounts.
    """

    def __init__(self, database: Database, vault: Vault, session: Http) -> None:
        self._database, self._vault, self._session = database, vault, session

    async def run(self, work: Work) -> None:
        """Take an attempt one step further, as far as the gateway lets it go now."""
        ask = await self._judge(work)
        if ask is None:
            return
        match ask.attempt.state:
            case AttemptState.PLANNED:
                await ask_first(ask)
            case AttemptState.SENDING:
                await ask_again(ask)
            case _:
                await look_up(ask)

    async def _judge(self, work: Work) -> Ask | None:
        """Read what there is to do, and save at once what needs no gateway."""
        async with self._database.transaction([work.merchant_id]) as tx:
            await tx.lock_customers([(work.merchant_id, work.customer_id)])
            attempt = await store.lock_open(tx, work.merchant_id, UUID(work.subject))
            if attempt is None:
                await queue.done(tx, work.kind, work.merchant_id, work.account_id, work.subject)
                return None
            account = await store.account_of(tx, self._vault, work.merchant_id, work.account_id)
            if account is None:
                await _without_account(tx, attempt)
                return None
            if not await _may_go_on(tx, work, attempt, account):
                return None
            return Ask(
                database=self._database,
                client=StripeClient(self._session, account),
                work=work,
                attempt=attempt,
                at=tx.now(work.merchant_id).replace(microsecond=0),
            )


async def _without_account(tx: Tx, attempt: Attempt) -> None:
    match attempt.state:
        case AttemptState.PLANNED:
            change = domain.not_sent(attempt, "account_missing")
        case AttemptState.SENDING:
            change = domain.unknown(attempt, "account_missing", tx.real_now + domain.LOOK_UP_AFTER[0])
        case _:
            change = domain.looked_up(attempt, Unclear("account_missing"), tx.real_now)
    await handlers.apply(tx, attempt, change)


async def _may_go_on(tx: Tx, work: Work, attempt: Attempt, account: Account) -> bool:
    around = await store.circumstances(tx, attempt, account)
    match attempt.state:
        case AttemptState.PLANNED:
            match domain.allowed(attempt, around, tx.real_now):
                case Send() | TakeOver():
                    return True
                case NotNow(_, again_at):
                    await queue.again(tx, work, again_at)
                case Never(reason):
                    await handlers.apply(tx, attempt, domain.not_sent(attempt, reason))
            return False
        case AttemptState.SENDING if not domain.key_is_young(attempt, tx.real_now, charges.KEY_WINDOW):
            await handlers.apply(tx, attempt, domain.unknown(attempt, "key_too_old", tx.real_now))
            return False
        case AttemptState.SENDING if around.stopped or around.held:
            await queue.again(tx, work, tx.real_now + BLOCKED_AGAIN_AFTER)
            return False
        case _:
            return True
