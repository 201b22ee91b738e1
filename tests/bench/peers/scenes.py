"""The three scenes, the same for everybody: a cliff, a steady trickle, and a worker that is killed.

Lateness is from when a timer is due to when its handler ran (for Recoup's commands: to when they were durable).
A scene's clock stops when the last timer's end is durable in the scheduler's own tables, as seen from outside.
"""

import asyncio
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..measure import Reading, percentile
from .contestants import Contestant, Setting
from .fires import Tally, Watched, tally
from .stage import WARM_UP, Stage, Stages

LOOK = 0.02
"""Seconds between looks from outside."""

CUT = 30.0
"""Seconds after the last timer is due; what has not fired by then is counted, not waited for."""


RESCUED_LATER = timedelta(days=1)
"""By so much at the most a peer puts off what it takes over from the dead, as River does with its back-off."""


@dataclass(frozen=True)
class Sizes:
    """How many timers, and how many a second where they trickle."""

    cliff: int = 5000
    steady: int = 2000
    a_second: int = 100
    killed: int = 3000
    lead: float = 10.0
    """Seconds from before arming to due. River promotes what is scheduled every 5 s: less would measure that."""
    pause: int = 50
    """Milliseconds that a handler takes where a worker is killed."""
    wait: float = 60.0
    """Seconds that are waited for a takeover."""


async def cliff(stages: Stages, who: Contestant, how: Setting, pending: int, sizes: Sizes) -> Reading:
    """Measure timers a second: all are due at one instant, one worker."""
    shown = await _fired(stages, who, how, pending, _Due(sizes.cliff, 0, sizes.lead))
    fired = sizes.cliff - shown.tally.not_yet - shown.tally.lost
    return Reading(fired / shown.seconds, _figures(shown))


async def steady(stages: Stages, who: Contestant, how: Setting, pending: int, sizes: Sizes) -> Reading:
    """Measure the lateness that 99 in 100 stay below, in milliseconds: so many are due a second, one worker."""
    shown = await _fired(stages, who, how, pending, _Due(sizes.steady, 1 / sizes.a_second, sizes.lead))
    figures = _figures(shown)
    return Reading(figures["lateness p99, ms"], figures)


@dataclass(frozen=True)
class _Due:
    """Timers to be measured: how many, how many seconds apart, and how many seconds ahead they are armed."""

    count: int
    step: float
    lead: float

    def at(self, began: float) -> dict[int, float]:
        """Give when each is due, in seconds since the epoch, by its number from 1."""
        return {number: began + (number - 1) * self.step for number in range(1, self.count + 1)}


@dataclass(frozen=True)
class _Shown:
    tally: Tally
    seconds: float
    """From when the first was due until the last was durably done, or until it was no longer waited for."""
    cpu: float
    cpu_of_database: float


async def _fired(stages: Stages, who: Contestant, how: Setting, pending: int, wanted: _Due) -> _Shown:
    stage = await stages.fresh(who, pending)
    try:
        if how.warm_up:
            await stage.arm(WARM_UP, how.warm_up, datetime.now(UTC))
        fires = stage.start("one", list(how.options))
        await _warm(stage, fires, how.warm_up)
        began = time.time() + wanted.lead + random.uniform(0, 2)  # any phase of anybody's polling
        due = wanted.at(began)
        await stage.arm(0, wanted.count, datetime.fromtimestamp(began, UTC), step=wanted.step)
        if time.time() > began - wanted.lead * 0.55:
            raise RuntimeError("arming took too long for its lead")
        await asyncio.sleep(began - 0.2 - time.time())
        used, used_by_database = stage.cpu(), await stage.cpu_of_database()
        ended, still_open = await _drained(stage, fires, wanted.count, due[wanted.count])
        judged = tally(fires.of(1, wanted.count), due, still_open)
        used_by_database = await stage.cpu_of_database() - used_by_database
        return _Shown(judged, ended - began, stage.cpu() - used, used_by_database)
    finally:
        await stage.close()


async def _warm(stage: Stage, fires: Watched, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(fires.of(WARM_UP + 1, WARM_UP + count)) < count and time.monotonic() < deadline:
        stage.check()
        await asyncio.sleep(LOOK)
    if not count:
        await asyncio.sleep(3)  # to start
    stage.check()


async def _drained(stage: Stage, fires: Watched, count: int, last_due: float) -> tuple[float, set[int]]:
    """Wait until all have fired and are durably done; give when, and what is not."""
    due = datetime.fromtimestamp(last_due, UTC)
    while time.time() < last_due + CUT:
        stage.check()
        if len({fire.number for fire in fires.of(1, count)}) == count:
            seen = time.time()
            if not await stage.still_open(1, count, due):
                return seen, set()
        await asyncio.sleep(LOOK)
    return time.time(), await stage.still_open(1, count, due)


def _figures(shown: _Shown) -> dict[str, float]:
    """Give a scene's figures; what has not fired when it was cut counts as late by the whole wait."""
    judged = shown.tally
    lateness = [*judged.lateness, *[CUT * 1000] * (judged.not_yet + judged.lost)]
    return {
        "lateness p50, ms": percentile(lateness, 0.5),
        "lateness p99, ms": percentile(lateness, 0.99),
        "lateness max, ms": max(lateness),
        "lost": judged.lost,
        "doubled": judged.doubled,
        "early": judged.early,
        "not fired when it was cut": judged.not_yet,
        "processor of the worker, s": round(shown.cpu, 2),
        "processor of the database, s": round(shown.cpu_of_database, 2),
    }


async def takeover(stages: Stages, who: Contestant, options: Sequence[str], sizes: Sizes) -> Reading:
    """Measure the seconds from kill -9 of one of two workers until the other has run the last timer it held.

    A handler takes its time (of Recoup: a batch's does), and whoever fires first is killed at once, so that what
    it had begun is in its hands. What is not taken over while it is waited for counts as that wait. Where the kill
    came so late that it held nothing any more, nothing was measured: it is done again.

    Raises:
        RuntimeError: it held nothing, three times.
    """
    for _ in range(3):
        reading = await _killed(stages, who, options, sizes)
        if reading.figures["timers it held"]:
            return reading
    raise RuntimeError(f"{who.name}'s worker held nothing when it was killed: the machine is too busy")


async def _killed(stages: Stages, who: Contestant, options: Sequence[str], sizes: Sizes) -> Reading:
    stage = await stages.fresh(who, 0)
    try:
        both = [stage.start(name, [*options, f"sleep={sizes.pause}"]) for name in ("one", "two")]
        await asyncio.sleep(4)  # both run and know each other
        began = time.time() + sizes.lead
        due = datetime.fromtimestamp(began, UTC)
        await stage.arm(0, sizes.killed, due)
        while not any(fires.of(1, sizes.killed) for fires in both):
            stage.check()
            if time.time() > began + CUT:
                raise RuntimeError("neither worker has fired")
            await asyncio.sleep(0.002)
        first = 0 if both[0].of(1, sizes.killed) else 1
        dying, living, victim = both[first], both[1 - first], stage.workers[first]
        victim.send(signal.SIGKILL)
        killed = time.time()
        await victim.ended(within=10)
        held = {fire.number for fire in dying.of(1, sizes.killed)}
        taken: dict[int, float] = {}
        while True:
            unfinished = await stage.still_open(1, sizes.killed, due + RESCUED_LATER)
            taken = {fire.number: fire.at for fire in living.of(1, sizes.killed)}
            held &= unfinished | taken.keys()  # the others it had finished
            if held <= taken.keys() or time.time() > killed + sizes.wait:
                break
            stage.check(but=victim)
            await asyncio.sleep(0.1)
        left = held - taken.keys()
        after = [taken[number] - killed for number in held - left]
        fired = {fire.number for fire in dying.of(1, sizes.killed)} | taken.keys()
        return Reading(
            sizes.wait if left else max(after, default=0.0),
            {
                "timers it held": len(held),
                "first taken over after, s": min(after, default=sizes.wait),
                "not taken over while waited for": len(left),
                "lost": sizes.killed - len(fired | unfinished),
            },
        )
    finally:
        stage.workers = [worker for worker in stage.workers if worker.returncode is None]
        await stage.close()
