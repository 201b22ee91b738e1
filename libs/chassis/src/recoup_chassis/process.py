"""The process: its parts run together, stop together, and say whether they are well.

Promise: SIGTERM finishes the work in hand and leaves; a part that fails for a reason nobody foresaw takes the
process down, visibly, so that whoever runs it starts it again.
"""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

import uvloop

from recoup_chassis.errors import is_retryable
from recoup_chassis.lost_connections import tell_in_kafkas_words
from recoup_chassis.telemetry import log

BACK_OFF_FROM, BACK_OFF_TO = 0.1, 30.0
"""Seconds between attempts at something retryable, doubling."""

YOUNG_OBJECTS = 50_000
"""New containers between two looks for unreachable cycles: more than a batch makes. Python's 700 looks at a batch
while it is worked on, again and again, which costs as much as the work (measured: 0.42 ms a failure, then 0.20)."""


class Part(Protocol):
    """Something that runs for as long as the process does."""

    name: str

    async def serve(self, stopping: asyncio.Event) -> None:
        """Run until `stopping` is set, then finish the work in hand and return."""


class Loop:
    """A part that does one thing again and again.

    Args:
        once: does it; gives True when there is more to do at once.
        every: how long to rest when there is not.
        apart: from the beginning of a turn to that of one that it is woken for, at least: what comes meanwhile
            shares it.
    """

    def __init__(
        self,
        name: str,
        once: Callable[[], Awaitable[bool | None]],
        *,
        every: timedelta,
        apart: timedelta = timedelta(0),
    ) -> None:
        self.name, self._once = name, once
        self._every, self._apart = every.total_seconds(), apart.total_seconds()
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """End the present rest: there is something to do."""
        self._awake.set()

    async def serve(self, stopping: asyncio.Event) -> None:
        """Do it until stopped; what is retryable is tried again, later and later."""
        pause = BACK_OFF_FROM
        clock = asyncio.get_running_loop().time
        while not stopping.is_set():
            self._awake.clear()
            next_turn = clock() + self._apart
            try:
                more = await self._once()
            except Exception as error:
                if not is_retryable(error):
                    raise
                log.warning("loop.retrying", loop=self.name, error=repr(error)[:300], seconds=pause)
                await rest(stopping, pause)
                pause = min(pause * 2, BACK_OFF_TO)
                continue
            pause = BACK_OFF_FROM
            if not more:
                await rest_or_wake(stopping, self._awake, self._every)
                if (early := next_turn - clock()) > 0:
                    await rest(stopping, early)


async def rest(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but not beyond `stopping`."""
    try:
        await asyncio.wait_for(stopping.wait(), seconds)
    except TimeoutError:
        return


async def rest_or_wake(stopping: asyncio.Event, awake: asyncio.Event, seconds: float) -> None:
    """Wait, but neither beyond `stopping` nor once there is something to do."""
    waits = [asyncio.ensure_future(stopping.wait()), asyncio.ensure_future(awake.wait())]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def run(parts: Sequence[Part], *, last: Sequence[Part] = ()) -> None:
    """Run all parts until SIGTERM or SIGINT; `last` are stopped when the others have ended.

    Raises:
        ExceptionGroup: a part failed; all the others were stopped first.
    """
    stopping, drained = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    failures: list[Exception] = []

    async def attend(part: Part, until: asyncio.Event) -> None:
        try:
            await part.serve(until)
        except Exception as failure:  # noqa: BLE001  # all are told, below
            log.error("part.failed", part=part.name, error=repr(failure)[:500], exc_info=failure)
            failures.append(failure)
            stopping.set()

    async with asyncio.TaskGroup() as group:
        final = [group.create_task(attend(part, drained)) for part in last]
        await asyncio.gather(*(attend(part, stopping) for part in parts))
        drained.set()
        await asyncio.gather(*final)
    if failures:
        raise ExceptionGroup("parts failed", failures)


def collect_rarely() -> None:
    """Look for unreachable cycles between batches rather than in them, and never in what imports have made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)


def main(serve: Awaitable[None]) -> int:
    """Run a service to its end on uvloop; give the exit code."""
    collect_rarely()
    tell_in_kafkas_words()

    async def whole() -> None:
        await serve

    try:
        uvloop.run(whole())
    except ExceptionGroup:
        return 1
    return 0
