"""Join: when a twin has not come, ask the gateway for what is missing, then tell with what is known.

Promise: no transaction stays open while a gateway is asked; silence is borne for long, for a fact told too early
would be told wrong; "there is none" settles at once.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from recoup_chassis.errors import Unprocessable
from recoup_chassis.postgres import Database
from recoup_chassis.telemetry import log
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import Account
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.facts import metrics
from recoup_gateway_adapter.facts.domain.facts import Join, JoinKind
from recoup_gateway_adapter.facts.domain.needs import Need
from recoup_gateway_adapter.facts.handlers import Around, observe, reconsider
from recoup_gateway_adapter.facts.store import sql
from recoup_gateway_adapter.gateways.stripe.client import Http, StripeClient
from recoup_gateway_adapter.gateways.stripe.fetch import Found, Unanswered, fetch

AT_ONCE = 50
SIDE_BY_SIDE = 8
"""Joins asked for at the same time."""

ROUNDS = 4
"""Intent, charge, invoice: each answer may name the next question."""

LEASE = timedelta(minutes=3)
CARD_IS_HELD = timedelta(seconds=60)
HELD_CARD_AGAIN = timedelta(seconds=2)
AGAIN_FROM, AGAIN_TO = 2.0, 300.0
"""Seconds between questions that got no answer, doubling."""


class Joining:
    """Ends waits.

    Args:
        patience: how long a gateway's silence is borne before a fact is told with what is known (real time).
    """

    def __init__(self, database: Database, vault: Vault, session: Http, patience: timedelta) -> None:
        self._database, self._vault, self._session, self._patience = database, vault, session, patience

    async def once(self) -> bool:
        """End the waits that are due; True when more may be."""
        async with self._database.transaction(()) as tx:
            claimed = await tx.fetch(sql.claim_joins, AT_ONCE, LEASE)
        slots = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(row: Mapping[str, Any]) -> None:
            async with slots:
                await self._end(row)

        results = await asyncio.gather(*(one(row) for row in claimed), return_exceptions=True)
        for failure in results:
            if isinstance(failure, BaseException):
                raise failure
        return len(claimed) == AT_ONCE

    async def _end(self, row: Mapping[str, Any]) -> None:
        join = Join(JoinKind(row["kind"]), row["subject"])
        merchant_id, account_id = row["merchant_id"], row["account_id"]
        asked: set[Need] = set()
        silent = False
        for _ in range(ROUNDS):
            async with self._database.transaction([merchant_id]) as tx:
                found = await accounts.opened(tx, self._vault, [account_id])
                account = found[account_id]
                missing = await reconsider(tx, account, join)
                if missing is None:
                    return
                at = tx.now(merchant_id).replace(microsecond=0) if tx.knows(merchant_id) else None
            new = [need for need in missing if need not in asked]
            if not new or silent:
                break
            if at is None or not account.enabled:
                silent = True  # we know no clock of the merchant's yet, or may not ask any more
                break
            asked |= set(new)
            silent = not await self._ask(account, new, at)
        await self._settle_or_wait(account, join, row, silent=silent, held=not asked and not silent)

    async def _ask(self, account: Account, missing: list[Need], at: datetime) -> bool:
        """Ask for what is missing and observe the answers; False where one did not come."""
        client = StripeClient(self._session, account)
        answered = True
        for need in missing:
            try:
                answer = await fetch(client, need, at)
            except Unprocessable as broken:
                log.warning("join.unreadable", need=type(need).__name__, reason=broken.reason)
                continue
            metrics.ASKED.labels(type(answer).__name__.lower()).inc()
            if isinstance(answer, Found):
                async with self._database.transaction([account.merchant_id]) as tx:
                    await observe(tx, account, answer.observations)
            elif isinstance(answer, Unanswered):
                answered = False
        return answered

    async def _settle_or_wait(
        self, account: Account, join: Join, row: Mapping[str, Any], *, silent: bool, held: bool
    ) -> None:
        waited: timedelta = row["waited"]
        if silent and waited < self._patience:
            again = timedelta(seconds=min(AGAIN_FROM * 2 ** min(row["tries"], 10), AGAIN_TO))
        elif held and join.kind is JoinKind.INSTRUMENT and waited < CARD_IS_HELD:
            again = HELD_CARD_AGAIN
        else:
            metrics.SETTLED.labels(join.kind.value, str(not silent).lower()).inc()
            just = frozenset({join})
            around = Around(settle=just, unanswered=just if silent else frozenset())
            async with self._database.transaction([account.merchant_id]) as tx:
                await reconsider(tx, account, join, around)
            return
        async with self._database.transaction(()) as tx:
            await tx.execute(sql.ask_again, account.account_id, join.kind.value, join.subject, again)
