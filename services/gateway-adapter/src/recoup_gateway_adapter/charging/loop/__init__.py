"""One attempt's way to its gateway and back: judge, send or send again, look up, save.

Promise: no transaction is open across a request; before each request a row says that it goes out, and after
each answer, or none, a row says what that means. Any of these steps may be the process's last.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from recoup_chassis.postgres import Database, Tx
from recoup_events.values import AttemptState
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.charging import domain, handlers, store
from recoup_gateway_adapter.charging.domain import (
    BLOCKED_AGAIN_AFTER,
    Attempt,
    Change,
    Circumstances,
    Never,
    NotNow,
    Send,
    TakeOver,
    Unclear,
)
from recoup_gateway_adapter.charging.loop.ask import Ask, Desk
from recoup_gateway_adapter.charging.loop.awaited import look_up
from recoup_gateway_adapter.charging.loop.sending import ask_again, ask_first, mark, save
from recoup_gateway_adapter.gateways.stripe import charges
from recoup_gateway_adapter.gateways.stripe.client import Http, StripeClient
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.store import Work
from recoup_gateway_adapter.work.together import Together, apart

__all__ = ["Charging"]


class Charging:
    """Runs attempts.

    Args:
        vault: opens the accounts' keys.
        session: outgoing HTTP, shared by all accounts.
    """

    def __init__(self, database: Database, vault: Vault, session: Http) -> None:
        self._database, self._vault, self._session = database, vault, session
        self._judged = Together(self._judge)
        self._desk = Desk(database, Together(partial(mark, database)), Together(partial(save, database)))

    async def run(self, work: Work) -> None:
        """Take an attempt one step further, as far as the gateway lets it go now."""
        ask = await self._judged(work)
        if ask is None:
            return
        match ask.attempt.state:
            case AttemptState.PLANNED:
                await ask_first(ask)
            case AttemptState.SENDING:
                await ask_again(ask)
            case _:
                await look_up(ask)

    async def _judge(self, works: Sequence[Work]) -> list[Ask | None]:
        """Read what there is to do, and save at once what needs no gateway."""
        asks: dict[int, Ask] = {}
        async with self._database.transaction({work.merchant_id for work in works}) as tx:
            await tx.lock_customers((work.merchant_id, work.customer_id) for work in works)
            for group in apart(works, key=_name):
                asks |= await self._judge_apart(tx, group)
        return [asks.get(n) for n in range(len(works))]

    async def _judge_apart(self, tx: Tx, group: Sequence[tuple[int, Work]]) -> dict[int, Ask]:
        """Judge attempts, no two the same; give what may be asked, by their places."""
        found = await store.lock_open(tx, [_name(work) for _, work in group])
        open_accounts = await store.accounts_of(
            tx, self._vault, {(work.merchant_id, work.account_id) for _, work in group}
        )
        asks = {
            n: Ask(
                desk=self._desk,
                client=StripeClient(self._session, account),
                work=work,
                attempt=found[_name(work)],
                at=tx.now(work.merchant_id).replace(microsecond=0),
            )
            for n, work in group
            if _name(work) in found and (account := open_accounts.get((work.merchant_id, work.account_id)))
        }
        around = await store.circumstances(tx, [(ask.attempt, ask.client.account) for ask in asks.values()])
        steps = {n: _may_go_on(ask, around[ask.attempt.attempt_id], tx.real_now) for n, ask in asks.items()}
        await queue.done(tx, [work for _, work in group if _name(work) not in found])
        await queue.again(
            tx, [(asks[n].work, step.again_at) for n, step in steps.items() if isinstance(step, NotNow)]
        )
        closed = [found[_name(work)] for n, work in group if _name(work) in found and n not in asks]
        changes = [(attempt, _without_account(attempt, tx.real_now)) for attempt in closed]
        changes += [(asks[n].attempt, step) for n, step in steps.items() if isinstance(step, Change)]
        await handlers.apply_all(tx, changes)
        return {n: ask for n, ask in asks.items() if steps[n] is None}


def _name(work: Work) -> store.Name:
    return work.merchant_id, UUID(work.subject)


def _without_account(attempt: Attempt, now: datetime) -> Change:
    match attempt.state:
        case AttemptState.PLANNED:
            return domain.not_sent(attempt, "account_missing")
        case AttemptState.SENDING:
            return domain.unknown(attempt, "account_missing", now + domain.LOOK_UP_AFTER[0])
        case _:
            return domain.looked_up(attempt, Unclear("account_missing"), now)


def _may_go_on(ask: Ask, around: Circumstances, now: datetime) -> Change | NotNow | None:
    """Say what becomes of an attempt that may not be asked for now; None where it may."""
    attempt = ask.attempt
    match attempt.state:
        case AttemptState.PLANNED:
            match domain.allowed(attempt, around, now):
                case Send() | TakeOver():
                    return None
                case NotNow() as later:
                    return later
                case Never(reason):
                    return domain.not_sent(attempt, reason)
        case AttemptState.SENDING if not domain.key_is_young(attempt, now, charges.KEY_WINDOW):
            return domain.unknown(attempt, "key_too_old", now)
        case AttemptState.SENDING if around.stopped or around.held:
            return NotNow("stopped", now + BLOCKED_AGAIN_AFTER)
        case _:
            return None
