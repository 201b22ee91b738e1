"""The executor: claims what is due by lease and hands each to its runner, many at a time.

Promise: a lease is renewed while its work runs and expires soon after a crash; whoever runs a thing twice
must find, in the rows he locks, that it was done.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from uuid import UUID, uuid4

from recoup_chassis.errors import is_retryable
from recoup_chassis.postgres import Database
from recoup_chassis.process import rest
from recoup_chassis.telemetry import log
from recoup_gateway_adapter.work import metrics, store
from recoup_gateway_adapter.work.domain import STANDARD, Kind, Pace
from recoup_gateway_adapter.work.store import Work

LEASE = timedelta(seconds=15)
RENEW_SECONDS = 4.0
POLL_SECONDS = 0.05
"""Between claims, however much there is: what is claimed together is judged and saved together."""

SLOTS = 128
"""Works that one process runs at a time."""

UNAVAILABLE_FOR = timedelta(seconds=2)
SURPRISED_FROM, SURPRISED_TO = timedelta(seconds=30), timedelta(hours=1)
"""How long after a surprise an item is taken again, doubling."""

Runner = Callable[[Work], Awaitable[None]]
"""Does one item and says in its own transaction what becomes of it: done, or again at a time."""


class Executor:
    """A part that runs what gateways are to be asked.

    Args:
        runners: who does which kind of work.
        pace: how fast one account may be asked.
    """

    def __init__(
        self,
        database: Database,
        runners: Mapping[Kind, Runner],
        *,
        pace: Pace = STANDARD,
        slots: int = SLOTS,
        name: str = "executor",
    ) -> None:
        self.name = name
        self._database, self._runners, self._pace, self._slots = database, runners, pace, slots
        self._running: dict[asyncio.Task[None], UUID] = {}

    async def serve(self, stopping: asyncio.Event) -> None:
        """Claim and run until stopped; then finish what is running."""
        renewing = asyncio.create_task(self._renew())
        try:
            while not stopping.is_set():
                await self._claim()
                await rest(stopping, POLL_SECONDS)
            if self._running:
                await asyncio.wait(self._running)
        finally:
            renewing.cancel()
            for task in self._running:
                task.cancel()
            await asyncio.gather(renewing, *self._running, return_exceptions=True)

    async def once(self) -> None:
        """Claim what is due and run it to its end."""
        await self._claim()
        await asyncio.gather(*self._running)

    async def _claim(self) -> None:
        free = self._slots - len(self._running)
        if free <= 0:
            return
        lease = uuid4()
        try:
            if not self._running and not await store.any_due(self._database):
                return
            async with self._database.transaction(()) as tx:
                claimed = await store.claim(tx, lease, tx.real_now + LEASE, free, self._pace)
        except Exception as error:
            if not is_retryable(error):
                raise
            log.warning("executor.waiting", error=repr(error)[:200])
            return
        for work in claimed:
            task = asyncio.create_task(self._run(work))
            self._running[task] = lease
            task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)

    async def _run(self, work: Work) -> None:
        """Run one item; a surprise is told, and the item is taken again later and later."""
        with metrics.WORK_SECONDS.labels(work.kind.value).time():
            try:
                await self._runners[work.kind](work)
            except Exception as error:  # noqa: BLE001  # one item's surprise must not stop the others
                await self._surprised(work, error)

    async def _surprised(self, work: Work, error: Exception) -> None:
        if is_retryable(error):
            log.warning("work.waiting", kind=work.kind.value, subject=work.subject, error=repr(error)[:200])
            pause = UNAVAILABLE_FOR
        else:
            metrics.WORK_FAILED.labels(work.kind.value).inc()
            log.error("work.failed", kind=work.kind.value, subject=work.subject, exc_info=error)
            pause = min(SURPRISED_FROM * 2 ** min(work.failures, 10), SURPRISED_TO)
        try:
            async with self._database.transaction(()) as tx:
                await store.failed(tx, work, tx.real_now + pause)
        except Exception as down:
            if not is_retryable(down):
                raise
            log.warning("work.left_to_its_lease", subject=work.subject, error=repr(down)[:200])

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            leases = sorted(set(self._running.values()))
            if not leases:
                continue
            try:
                async with self._database.transaction(()) as tx:
                    await store.renew(tx, leases, tx.real_now + LEASE)
            except Exception as error:
                if not is_retryable(error):
                    raise
                log.warning("lease.not_renewed", error=repr(error)[:200])
