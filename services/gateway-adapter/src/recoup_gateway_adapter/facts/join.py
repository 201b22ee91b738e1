"""Join: when a twin has not come, ask the gateway for what is missing, then tell with what is known.

Promise: no transaction stays open while a gateway is asked; silence is borne for long, for a fact told too early
would be told wrong; "there is none" settles at once; after a crash somebody else goes on within a lease.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from recoup_chassis.errors import Unprocessable, is_retryable
from recoup_chassis.postgres import Database, columns
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
from recoup_gateway_adapter.gateways.stripe.fetch import Fetched, Found, Gone, Unanswered, fetch

AT_ONCE = 50
SIDE_BY_SIDE = 8
"""Joins asked for at the same time."""

ROUNDS = 4
"""Intent, charge, invoice: each answer may name the next question."""

LEASE = timedelta(seconds=15)
RENEW_SECONDS = 4.0
"""A lease is renewed while its join is under way, and expires soon after a crash."""

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
        quiet: set[str] = set()
        under_way = {(row["account_id"], row["kind"], row["subject"]) for row in claimed}

        async def one(row: Mapping[str, Any]) -> None:
            async with slots:
                if row["account_id"] in quiet and row["waited"] < self._patience:
                    await self._wait(row, _again(row))
                else:
                    await self._end(row, quiet)
                under_way.discard((row["account_id"], row["kind"], row["subject"]))

        renewing = asyncio.create_task(self._renew(under_way))
        try:
            results = await asyncio.gather(*(one(row) for row in claimed), return_exceptions=True)
        finally:
            renewing.cancel()
        for failure in results:
            if isinstance(failure, BaseException):
                raise failure
        return len(claimed) == AT_ONCE

    async def _end(self, row: Mapping[str, Any], quiet: set[str]) -> None:
        """End one wait; add its account to the quiet ones where it did not answer: it is left alone for a while."""
        join = Join(JoinKind(row["kind"]), row["subject"])
        merchant_id, account_id = row["merchant_id"], row["account_id"]
        asked: set[Need] = set()
        silent = gone = False
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
            answers = await self._ask(account, new, at)
            silent, gone = Unanswered in answers, gone or Gone in answers
        if silent and row["waited"] < self._patience:
            quiet.add(account_id)
            await self._wait(row, _again(row))
        elif not asked and not silent and join.kind is JoinKind.INSTRUMENT and row["waited"] < CARD_IS_HELD:
            await self._wait(row, HELD_CARD_AGAIN)
        else:
            await self._settle(account, join, answered=not silent and not gone)

    async def _ask(self, account: Account, missing: list[Need], at: datetime) -> set[type[Fetched]]:
        """Ask for what is missing and observe the answers; give of what kind they were."""
        client = StripeClient(self._session, account)
        answers: set[type[Fetched]] = set()
        for need in missing:
            try:
                answer = await fetch(client, need, at)
            except Unprocessable as broken:
                log.warning("join.unreadable", need=type(need).__name__, reason=broken.reason)
                answer = Gone()
            metrics.ASKED.labels(type(answer).__name__.lower()).inc()
            answers.add(type(answer))
            if isinstance(answer, Found):
                async with self._database.transaction([account.merchant_id]) as tx:
                    await observe(tx, account, answer.observations)
        return answers

    async def _settle(self, account: Account, join: Join, *, answered: bool) -> None:
        """Tell with what is known."""
        metrics.SETTLED.labels(join.kind.value, str(answered).lower()).inc()
        just = frozenset({join})
        around = Around(settle=just, unanswered=frozenset() if answered else just)
        async with self._database.transaction([account.merchant_id]) as tx:
            await reconsider(tx, account, join, around)

    async def _renew(self, under_way: set[tuple[str, str, str]]) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                async with self._database.transaction(()) as tx:
                    await tx.execute(sql.renew_joins, *columns(sorted(under_way), 3), LEASE)
            except Exception as error:
                if not is_retryable(error):
                    raise
                log.warning("joins.not_renewed", error=repr(error)[:200])

    async def _wait(self, row: Mapping[str, Any], again: timedelta) -> None:
        async with self._database.transaction(()) as tx:
            await tx.execute(sql.ask_again, row["account_id"], row["kind"], row["subject"], again)


def _again(row: Mapping[str, Any]) -> timedelta:
    return timedelta(seconds=min(AGAIN_FROM * 2 ** min(row["tries"], 10), AGAIN_TO))
