"""Translate stored webhooks.

Promise: a batch is one transaction; a webhook that can't be translated is set aside with its reason after a few
tries, visibly, and never holds up another.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from recoup_chassis.errors import Unprocessable, is_retryable, unprocessable
from recoup_chassis.postgres import Database, Tx, columns
from recoup_chassis.telemetry import log
from recoup_gateway_adapter.accounts.domain import AccountRef
from recoup_gateway_adapter.facts import metrics
from recoup_gateway_adapter.facts.handlers import observe_all
from recoup_gateway_adapter.facts.store import sql
from recoup_gateway_adapter.gateways.contract import Observation
from recoup_gateway_adapter.gateways.stripe.events import observations_of_webhook

AT_ONCE = 200
TRIES = 5
"""Then a webhook that breaks something other than its own form is set aside."""

AGAIN_AFTER = timedelta(seconds=2)
"""Times the number of tries."""

TRANSLATORS: dict[str, Callable[[bytes], list[Observation]]] = {"stripe": observations_of_webhook}
"""By gateway."""


class Translation:
    """Takes stored webhooks, oldest first, and observes what they show."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def once(self) -> bool:
        """Translate a batch; True when more may wait."""
        try:
            count = await self._batch()
        except Exception as error:
            if is_retryable(error):
                raise
            log.warning("translation.one_by_one", error=repr(error)[:300])
            count = await self._one_by_one()
        return count == AT_ONCE

    async def _batch(self) -> int:
        async with self._database.transaction(()) as tx:
            rows = await tx.fetch(sql.claim_untranslated, AT_ONCE)
            await self._translate(tx, rows)
        metrics.TRANSLATED.inc(len(rows))
        return len(rows)

    async def _translate(self, tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
        if not rows:
            return
        await tx.concerning({row["merchant_id"] for row in rows})
        seen: dict[AccountRef, list[Observation]] = defaultdict(list)
        bad: list[tuple[int, Unprocessable]] = []
        for row in rows:
            account = AccountRef(row["account_id"], row["merchant_id"], row["gateway"])
            try:
                seen[account] += TRANSLATORS[account.gateway](row["body"])
            except Unprocessable as refusal:
                bad.append((row["raw_webhook_id"], refusal))
        await observe_all(tx, {account: found for account, found in seen.items() if found})
        await self._set_aside(tx, bad)
        await tx.execute(sql.translated, [row["raw_webhook_id"] for row in rows])
        owned = sorted({(row["account_id"], row["customer_id"]) for row in rows if row["customer_id"]})
        if owned:
            await tx.execute(sql.forget_erased, *columns(owned, 2))

    async def _set_aside(self, tx: Tx, bad: Sequence[tuple[int, Unprocessable]]) -> None:
        if not bad:
            return
        await tx.execute(
            sql.set_aside,
            [webhook for webhook, _ in bad],
            [refusal.reason for _, refusal in bad],
            [refusal.detail[:500] for _, refusal in bad],
        )
        for _, refusal in bad:
            metrics.SET_ASIDE.labels(refusal.reason).inc()
            log.warning("webhook.set_aside", reason=refusal.reason)

    async def _one_by_one(self) -> int:
        """Translate each webhook of a batch that failed by itself, so that only the culprit waits."""
        async with self._database.transaction(()) as tx:
            rows = await tx.fetch(sql.claim_untranslated, AT_ONCE)
        for row in rows:
            await self._alone(row["raw_webhook_id"], row["tries"])
        return len(rows)

    async def _alone(self, webhook: int, tries: int) -> None:
        try:
            async with self._database.transaction(()) as tx:
                await self._translate(tx, await tx.fetch(sql.claim_one, webhook))
        except Exception as error:
            if is_retryable(error):
                raise
            refusal = unprocessable(error)
            if refusal is None and tries + 1 < TRIES:
                log.error("webhook.failed", webhook=webhook, tries=tries + 1, exc_info=error)
                async with self._database.transaction(()) as tx:
                    await tx.execute(sql.translate_later, webhook, AGAIN_AFTER * (tries + 1))
                return
            refusal = refusal or Unprocessable("failed", type(error).__name__)
            async with self._database.transaction(()) as tx:
                await self._set_aside(tx, [(webhook, refusal)])

    async def measure(self) -> None:
        """Set the gauges."""
        async with self._database.transaction(()) as tx:
            (waiting,) = await tx.fetch(sql.count_untranslated)
            (joins,) = await tx.fetch(sql.count_joins)
        metrics.UNTRANSLATED.set(waiting["waiting"])
        metrics.UNTRANSLATED_AGE.set(waiting["oldest"])
        metrics.HELD_ASIDE.set(waiting["set_aside"])
        metrics.WAITING.set(joins["waiting"])
        metrics.WAITING_AGE.set(joins["oldest"])
