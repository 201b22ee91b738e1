"""Webhooks that arrive together are committed together: one statement and one fsync for many requests."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

from recoup_chassis.errors import Retryable, is_retryable
from recoup_chassis.postgres import Database
from recoup_chassis.telemetry import log
from recoup_gateway_adapter.ingest import store
from recoup_gateway_adapter.ingest.domain import Webhook
from recoup_gateway_adapter.ingest.metrics import BATCH_SIZE, REPEATED, STORED

AT_ONCE = 500
APART = 0.003
"""Seconds from the beginning of a batch to that of the next, in which company gathers; after a pause the first webhook
goes at once. While a batch is being committed the next requests are read and checked."""

MOST_WAITING = 5000
MOST_BYTES_WAITING = 64 * 1024 * 1024
WRITERS = 2
"""Batches committed side by side, so that one which must wait does not hold up all. With one more they are smaller and
cost a tenth more CPU a request (measured)."""

COMMITTED_WITHIN = 15.0
"""Seconds; then 503, and the gateway posts again. Stripe itself waits about 20."""

LOOK_FOR_LATE = 1.0
"""Seconds between two looks for webhooks that are late; a timer for each would cost 4 us of CPU."""


class Full(Exception):
    """More webhooks wait for their commit than we can hold."""


class Batches:
    """A part: takes webhooks and gives each request its answer when its webhook is committed.

    Args:
        stored: is called after each commit that had something new.
        committed_within: seconds; then a request is told to come again.
    """

    name = "ingest-batches"

    def __init__(
        self,
        database: Database,
        stored: Callable[[], None] = lambda: None,
        committed_within: float = COMMITTED_WITHIN,
    ) -> None:
        self._database, self._stored, self._committed_within = database, stored, committed_within
        self._waiting: list[tuple[Webhook, asyncio.Future[None]]] = []
        self._unanswered: deque[tuple[float, asyncio.Future[None]]] = deque()
        self._bytes = 0
        self._in_hand = 0
        self._arrived = asyncio.Event()
        self._writers = asyncio.Semaphore(WRITERS)

    async def store(self, webhook: Webhook) -> None:
        """Return when the webhook is committed.

        Raises:
            Full: too many wait already.
            Retryable: the database could not take it, or not in time.
        """
        full = len(self._waiting) + self._in_hand >= MOST_WAITING
        if full or self._bytes + len(webhook.body) > MOST_BYTES_WAITING:
            raise Full
        committed = asyncio.get_running_loop().create_future()
        self._waiting.append((webhook, committed))
        self._unanswered.append((time.monotonic() + self._committed_within, committed))
        self._bytes += len(webhook.body)
        self._arrived.set()
        await committed

    async def serve(self, stopping: asyncio.Event) -> None:
        """Commit batches until stopped and nothing waits any more."""
        async with asyncio.TaskGroup() as group:
            late = group.create_task(self._look_for_late())
            begin = group.create_task(self._begin(stopping))
            await stopping.wait()
            self._arrived.set()
            await begin
            late.cancel()

    async def _begin(self, stopping: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as commits:
            while self._waiting or not stopping.is_set():
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    await self._writers.acquire()
                    batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                    self._in_hand += len(batch)
                    commits.create_task(self._commit(batch))
                    await asyncio.sleep(APART)

    async def _look_for_late(self) -> None:
        """Answer those that have waited too long; all wait equally long, so the oldest is the first to be late."""
        while True:
            await asyncio.sleep(min(LOOK_FOR_LATE, self._committed_within))
            now = time.monotonic()
            while self._unanswered and (self._unanswered[0][1].done() or self._unanswered[0][0] <= now):
                _, committed = self._unanswered.popleft()
                if not committed.done():
                    committed.set_exception(Retryable("not committed in time"))

    async def _commit(self, batch: Sequence[tuple[Webhook, asyncio.Future[None]]]) -> None:
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
            if added:
                self._stored()
        finally:
            self._writers.release()
            self._in_hand -= len(batch)
            self._bytes -= sum(len(webhook.body) for webhook, _ in batch)
        for _, committed in batch:
            if committed.done():
                continue  # the request went away; its webhook is stored all the same
            if failure is None:
                committed.set_result(None)
            else:
                committed.set_exception(failure)
