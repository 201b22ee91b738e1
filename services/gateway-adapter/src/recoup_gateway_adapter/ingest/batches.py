"""Webhooks that arrive together are committed together: one statement and one fsync for many requests."""

import asyncio
from collections.abc import Sequence

from recoup_chassis.errors import Retryable, is_retryable
from recoup_chassis.postgres import Database
from recoup_chassis.telemetry import log
from recoup_gateway_adapter.ingest import store
from recoup_gateway_adapter.ingest.domain import Webhook
from recoup_gateway_adapter.ingest.metrics import BATCH_SIZE, REPEATED, STORED

AT_ONCE = 500
GATHER_SECONDS = 0.003
"""A batch waits this long for company, once it has its first webhook."""

MOST_WAITING = 5000
MOST_BYTES_WAITING = 64 * 1024 * 1024
WRITERS = 3
"""Batches committed side by side."""


class Full(Exception):
    """More webhooks wait for their commit than we can hold."""


class Batches:
    """A part: takes webhooks and gives each request its answer when its webhook is committed."""

    name = "ingest-batches"

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Webhook, asyncio.Future[None]]] = []
        self._bytes = 0
        self._in_hand = 0
        self._arrived = asyncio.Event()

    async def store(self, webhook: Webhook) -> None:
        """Return when the webhook is committed.

        Raises:
            Full: too many wait already.
            Retryable: the database could not take it.
        """
        full = len(self._waiting) + self._in_hand >= MOST_WAITING
        if full or self._bytes + len(webhook.body) > MOST_BYTES_WAITING:
            raise Full
        committed = asyncio.get_running_loop().create_future()
        self._waiting.append((webhook, committed))
        self._bytes += len(webhook.body)
        self._arrived.set()
        await committed

    async def serve(self, stopping: asyncio.Event) -> None:
        """Commit batches until stopped and nothing waits any more."""
        writers = [asyncio.create_task(self._write(stopping)) for _ in range(WRITERS)]
        await stopping.wait()
        self._arrived.set()
        await asyncio.gather(*writers)

    async def _write(self, stopping: asyncio.Event) -> None:
        while self._waiting or not stopping.is_set():
            await self._arrived.wait()
            if not self._waiting:
                if stopping.is_set():
                    return
                self._arrived.clear()
                continue
            await asyncio.sleep(GATHER_SECONDS)
            batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
            if batch:
                await self._commit(batch)

    async def _commit(self, batch: Sequence[tuple[Webhook, asyncio.Future[None]]]) -> None:
        self._in_hand += len(batch)
        failure: Exception | None = None
        try:
            added = await store.store(self._database, [webhook for webhook, _ in batch])
        except Exception as error:  # noqa: BLE001  # every waiting request must be answered
            log.warning("ingest.not_stored", error=repr(error)[:300], webhooks=len(batch))
            failure = error if is_retryable(error) else Retryable(repr(error)[:300])
        else:
            STORED.inc(added)
            REPEATED.inc(len(batch) - added)
            BATCH_SIZE.observe(len(batch))
        finally:
            self._in_hand -= len(batch)
            self._bytes -= sum(len(webhook.body) for webhook, _ in batch)
        for _, committed in batch:
            if committed.done():
                continue  # the request went away; its webhook is stored all the same
            if failure is None:
                committed.set_result(None)
            else:
                committed.set_exception(failure)
