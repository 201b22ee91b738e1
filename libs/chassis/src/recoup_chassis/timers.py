"""Timers: what is to happen when, on the merchant's clock.

Promise: a timer fires at least once after it is due, and together with what it leads to exactly once: it is
deleted in the transaction that acts on it. Whoever acts holds the customer first. When more is due than one
batch takes, merchants take turns.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import Any

import asyncpg

from recoup_chassis.errors import unprocessable
from recoup_chassis.postgres import Database, Tx, columns
from recoup_chassis.process import Loop
from recoup_chassis.quarantine import TIMER, Refused, put
from recoup_chassis.queries import load
from recoup_chassis.telemetry import EVENTS_REFUSED, TIMER_LATENESS, TIMERS_FIRED, log

AT_ONCE = 500
"""Timers taken in one transaction."""

POLL = timedelta(milliseconds=20)
"""Between looks at what was armed meanwhile. What a look sees coming is fired the moment it is due."""

PATIENCE, LONGEST_PATIENCE = 0.01, 0.08
"""Seconds that a batch may take before the next is fired beside it: the first, doubled for each in hand, and the last,
so that few are."""

CROWD_KNOWN_FOR = 0.5
"""Seconds for which the merchants that had something due are taken in turn, before they are found anew."""

sql = load(__package__, "timers.sql")


@dataclass(frozen=True)
class NewTimer:
    """A timer to arm. `due_at` is the merchant's time, UTC, or with `real` real time."""

    merchant_id: str
    customer_id: str
    kind: str
    subject: str
    due_at: datetime
    real: bool = False


@dataclass(frozen=True)
class Timer:
    """A timer that is due; `due_at` on its clock, UTC."""

    timer_id: int
    clock_id: int
    merchant_id: str
    customer_id: str
    kind: str
    subject: str
    due_at: datetime


Handler = Callable[[Sequence[Timer], Tx], Awaitable[None]]


async def arm(tx: Tx, timers: Sequence[NewTimer]) -> None:
    """Insert timers. The transaction holds their customers (`tx.lock_customers`), else they could never fire."""
    if not timers:
        return
    assert all(tx.holds((timer.merchant_id, timer.customer_id)) for timer in timers), (
        "lock the customers first"
    )
    rows = [(t.merchant_id, t.customer_id, t.kind, t.subject, t.due_at, t.real) for t in timers]
    await tx.execute(sql.arm, *columns(rows, 6))


async def disarm(tx: Tx, subjects: Iterable[tuple[str, str]], kinds: Sequence[str] | None = None) -> None:
    """Delete the timers of these (merchant, subject) pairs, of these kinds or of every kind."""
    pairs = list(subjects)
    if pairs:
        await tx.execute(sql.disarm, *columns(pairs, 2), kinds)


class Crowd:
    """The merchants that have something due, in turn, while there is more of it than one batch takes."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = kinds
        self._merchants: deque[tuple[int, str]] = deque()
        self._known_until = 0.0

    @property
    def is_known(self) -> bool:
        """Whether there was more than one batch takes a moment ago, and whose it was."""
        return bool(self._merchants) and time.monotonic() <= self._known_until

    async def due(
        self, connection: "asyncpg.pool.PoolConnectionProxy[Any]", in_hand: Sequence[int]
    ) -> list["asyncpg.Record"]:
        """Give what is due next: as much of each merchant's as of any other's, the earliest first."""
        if not self.is_known:
            rows = await connection.fetch(sql.crowd, self._kinds)
            self._merchants = deque((row["clock_id"], row["merchant_id"]) for row in rows)
            self._known_until = time.monotonic() + CROWD_KNOWN_FOR
        turns = [self._merchants.popleft() for _ in range(min(AT_ONCE, len(self._merchants)))]
        each = AT_ONCE // max(len(turns), 1)
        due = await connection.fetch(sql.due_in_turn, *columns(turns, 2), self._kinds, each, in_hand)
        taken = Counter((row["clock_id"], row["merchant_id"]) for row in due)
        self._merchants.extend(turn for turn in turns if taken[turn] == each)
        return due


class Dispatcher:
    """A part that fires due timers, earliest first of each clock, and of each merchant where many are due.

    Args:
        handler: acts on a batch in the transaction that took it.
        kinds: which timers are this dispatcher's.
    """

    def __init__(self, database: Database, handler: Handler, *, name: str, kinds: Sequence[str]) -> None:
        self.name, self._database, self._handler, self._kinds = name, database, handler, list(kinds)
        self._crowd = Crowd(self._kinds)
        self._loop = Loop(name, self.fire, every=POLL)
        self.serve = self._loop.serve

    async def fire(self) -> bool:
        """Fire what is due; tell whether something fired, so that there may be more."""
        due, coming_in = await self._look(())
        if due:
            return await self._fire(due, in_hand=[], patience=PATIENCE)
        if coming_in < POLL.total_seconds():
            asyncio.get_running_loop().call_later(coming_in, self._loop.wake)
        return False

    async def _fire(self, due: Sequence[asyncpg.Record], in_hand: Sequence[int], patience: float) -> bool:
        """Fire a batch, and beside it what else is due where it is full, or is not done within seconds of patience.

        Postgres works on the one while Python works on the other; and a commit that waits for a slow disk holds up
        no timer that is due meanwhile. With each batch in hand the next waits twice as long.
        """
        acting = asyncio.create_task(self._act(due))
        if len(due) == AT_ONCE:
            beside = not in_hand
        else:
            await asyncio.wait((acting,), timeout=patience)
            beside = patience <= LONGEST_PATIENCE and not acting.done()
        if not beside:
            return await acting > 0
        in_hand = [*in_hand, *(row["timer_id"] for row in due)]
        both = await asyncio.gather(
            acting, self._beside(acting, in_hand, 2 * patience), return_exceptions=True
        )
        for fired in both:
            if isinstance(fired, BaseException):
                raise fired
        return any(both)

    async def _beside(self, acting: asyncio.Task[int], in_hand: Sequence[int], patience: float) -> bool:
        """Fire what else is due, until the batch in hand is done."""
        fired = False
        while True:
            due, coming_in = await self._look(in_hand)
            if due and await self._fire(due, in_hand, patience):
                fired = True
            else:
                await asyncio.wait((acting,), timeout=coming_in)
            if acting.done():
                return fired

    async def _look(self, in_hand: Sequence[int]) -> tuple[list[asyncpg.Record], float]:
        """Give what is due but for those in hand; and in how many seconds to look again where nothing fires."""
        async with self._database.pool.acquire(timeout=10) as connection:
            if self._crowd.is_known and (due := await self._crowd.due(connection, in_hand)):
                return due, POLL.total_seconds()
            coming = await connection.fetch(sql.look, self._kinds, AT_ONCE, POLL.total_seconds(), in_hand)
            due = [row for row in coming if not row["due_in"]]
            if len(due) == AT_ONCE:
                due = await self._crowd.due(connection, in_hand)
        soonest: float = min((row["due_in"] for row in coming if row["due_in"]), default=POLL.total_seconds())
        return due, ceil(soonest * 1000) / 1000

    async def _act(self, due: Sequence[asyncpg.Record]) -> int:
        try:
            fired = await self._in_one_transaction(due, self._all_at_once)
        except Exception as error:
            if unprocessable(error) is None:
                raise
            fired = await self._in_one_transaction(due, self._one_by_one)
        TIMERS_FIRED.labels(self.name).inc(fired)
        return fired

    async def _in_one_transaction(self, due: Sequence[asyncpg.Record], how: Handler) -> int:
        async with self._database.transaction({row["merchant_id"] for row in due}) as tx:
            wanted = [(row["timer_id"], row["merchant_id"], row["customer_id"]) for row in due]
            claimed = await tx.fetch(sql.claim, *columns(wanted, 3))
            timers = sorted(
                (Timer(**row) for row in claimed), key=lambda timer: (timer.due_at, timer.timer_id)
            )
            tx.holding((timer.merchant_id, timer.customer_id) for timer in timers)
            if timers:
                await how(timers, tx)
        lateness = TIMER_LATENESS.labels(self.name)
        for timer in timers:
            lateness.observe((tx.now(timer.merchant_id) - timer.due_at).total_seconds())
        return len(timers)

    async def _all_at_once(self, timers: Sequence[Timer], tx: Tx) -> None:
        await self._handler(timers, tx)

    async def _one_by_one(self, timers: Sequence[Timer], tx: Tx) -> None:
        """Find the culprits: each timer on its own, in a savepoint; a refused one goes to quarantine."""
        for timer in timers:
            try:
                async with tx.savepoint():
                    await self._handler([timer], tx)
            except Exception as error:
                refusal = unprocessable(error)
                if refusal is None:
                    raise
                log.error("timer.refused", kind=timer.kind, subject=timer.subject, reason=refusal.reason)
                EVENTS_REFUSED.labels(TIMER + timer.kind, refusal.reason).inc()
                await put(tx, [_refused(timer, refusal.reason, refusal.detail)])


def _refused(timer: Timer, reason: str, detail: str) -> Refused:
    return Refused(
        topic=TIMER + timer.kind,
        partition=0,
        offset=timer.timer_id,
        key=timer.subject.encode(),
        headers=(("due_at", timer.due_at.isoformat().encode()), ("clock_id", str(timer.clock_id).encode())),
        value=None,
        reason=reason,
        detail=detail,
        merchant_id=timer.merchant_id,
        customer_id=timer.customer_id,
    )
