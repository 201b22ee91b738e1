"""Due timers: five thousand at one instant, with a million and with ten million pending."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

import asyncpg

from recoup_chassis.postgres import Database, Tx
from recoup_chassis.timers import Dispatcher, Timer
from recoup_events.models import RetryDue
from recoup_events.values import TryKind, fact_id

from ..events import ACCOUNT, MERCHANT, know
from ..measure import Goal, Reading, Row, Side
from ..place import Place

KIND = "step"
AT_ONCE = 500
BARE = """
DELETE FROM timers WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM timers WHERE clock_id = 0 AND due_at <= $1 ORDER BY due_at LIMIT $2
    FOR UPDATE SKIP LOCKED))
RETURNING timer_id, merchant_id, customer_id, subject, due_at
"""
KEEP = """
DROP TABLE IF EXISTS kept;
CREATE TABLE kept AS
SELECT row_number() OVER (ORDER BY outbox_id) AS n, bucket, topic, partition, key, headers, value FROM outbox;
CREATE INDEX ON kept (n)
"""
ROWS = """
WITH mine AS MATERIALIZED (
    SELECT due.timer_id FROM customer_locks JOIN (
        SELECT timer_id, merchant_id, customer_id FROM timers WHERE clock_id = 0 AND due_at <= $1
        ORDER BY due_at LIMIT $2
    ) AS due USING (merchant_id, customer_id)
    ORDER BY merchant_id COLLATE "C", customer_id COLLATE "C"
    FOR UPDATE OF customer_locks SKIP LOCKED
),
gone AS (DELETE FROM timers WHERE timer_id = ANY (ARRAY(SELECT timer_id FROM mine)))
INSERT INTO outbox (bucket, topic, partition, key, headers, value)
SELECT bucket, topic, partition, key, headers, value FROM kept WHERE n > $3::bigint AND n <= $3 + $2::bigint
"""
PENDING = """
INSERT INTO timers (clock_id, merchant_id, customer_id, kind, subject, due_at)
SELECT 0, $1, 'cus_' || n % $5::bigint, $2, gen_random_uuid(), now() + interval '1 day' + n * interval '0.1 s'
FROM generate_series($3::bigint, $4::bigint) AS n
"""
CUSTOMERS = """
INSERT INTO customer_locks (merchant_id, customer_id) SELECT $1, 'cus_' || n FROM generate_series(0, $2::bigint) AS n
"""
DUE = """
INSERT INTO timers (clock_id, merchant_id, customer_id, kind, subject, due_at)
SELECT 0, $1, 'cus_' || n * 37 % $5, $2, gen_random_uuid(), $3 FROM generate_series(1, $4::bigint) AS n
"""


@asynccontextmanager
async def row(place: Place) -> AsyncIterator[Row]:
    """Two databases, one with ten times the pending timers of the other."""
    due = place.size(5_000, 100)
    pending = place.size(1_000_000, 1_000)
    few, many = await _Pending.open(place, pending), await _Pending.open(place, pending * 10)
    sides = [
        Side(_ours(pending), lambda: few.ours(due)),
        Side(_rows(pending), lambda: few.rows(due)),
        Side(_bare(pending), lambda: few.bare(due)),
        Side(_ours(pending * 10), lambda: many.ours(due)),
        Side(_rows(pending * 10), lambda: many.rows(due)),
        Side(_bare(pending * 10), lambda: many.bare(due)),
    ]
    yield Row(
        "timers",
        f"{due:,} timers due at one instant, until the command of every one (`retry.due`) is durable in the outbox "
        "and its timer gone; beside a bare `DELETE … SKIP LOCKED … RETURNING` of the same table, which keeps "
        "nothing and locks no customer. And, as the limit of any code that keeps these rows, the same timers taken "
        "with their customers locked and the very commands put into the outbox, ready-made, from a copy in the "
        "same database: one statement a batch, nothing read, decided or written by Python.",
        "timers/s",
        sides,
        [
            Goal(_ours(pending), _bare(pending), at_least=0.40),
            Goal(_ours(pending * 10), _bare(pending * 10), at_least=0.40),
            Goal(_ours(pending * 10), _ours(pending), at_least=1 / 1.2),
        ],
        warm_up=True,
        settings={"due": f"{due:,}", "batches": f"{AT_ONCE} of both", "dispatchers": "one"},
    )
    await few.close()
    await many.close()


def _ours(pending: int) -> str:
    return f"Recoup, {_words(pending)} pending"


def _rows(pending: int) -> str:
    return f"the same rows alone, {_words(pending)} pending"


def _bare(pending: int) -> str:
    return f"bare SKIP LOCKED, {_words(pending)} pending"


def _words(number: int) -> str:
    return f"{number // 1_000_000}M" if number >= 1_000_000 else f"{number:,}"


class _Pending:
    """A database in which so many timers are pending."""

    def __init__(self, database: Database, owner: asyncpg.Connection, customers: int) -> None:
        self._database, self._owner, self._customers = database, owner, customers
        self._dispatcher = Dispatcher(database, command, name="bench", kinds=[KIND])

    @classmethod
    async def open(cls, place: Place, pending: int) -> "_Pending":
        own = await place.database("chassis")
        await know(own.owner_dsn)
        owner = await asyncpg.connect(own.owner_dsn, command_timeout=1800)
        place.say(f"arming {pending:,} timers")
        customers = min(pending, 1_000_000)
        await owner.execute(CUSTOMERS, MERCHANT, customers)
        for first in range(1, pending, 1_000_000):
            await owner.execute(PENDING, MERCHANT, KIND, first, min(first + 999_999, pending), customers)
            if pending > 1_000_000:
                place.say(f"armed {min(first + 999_999, pending):,} of {pending:,}")
        await owner.execute("VACUUM (ANALYZE) timers, customer_locks")
        await owner.execute("CHECKPOINT" if await _may_checkpoint(owner) else "SELECT 1")
        database = await Database.connect(own.app_dsn, source="/recoup/retry-scheduler")
        return cls(database, owner, customers)

    async def close(self) -> None:
        await self._database.pool.close()
        await self._owner.close()

    async def _arm(self, due: int) -> None:
        await self._owner.execute("TRUNCATE outbox")
        await self._owner.execute(
            DUE, MERCHANT, KIND, datetime.now(UTC) - timedelta(seconds=1), due, self._customers
        )

    async def ours(self, due: int) -> Reading:
        """Fire what is due."""
        await self._arm(due)
        began, worked = time.monotonic(), time.process_time()
        while await self._owner.fetchval("SELECT EXISTS (SELECT FROM timers WHERE due_at <= now())"):
            while await self._dispatcher.fire():
                pass
        seconds, worked = time.monotonic() - began, time.process_time() - worked
        said = await self._owner.fetchval("SELECT count(*) FROM outbox")
        assert said == due, f"{said} commands of {due} timers"
        return Reading(due / seconds, {"CPU of the process, ms a timer": worked / due * 1000})

    async def rows(self, due: int) -> Reading:
        """Take what is due with its customers, and put back the commands that the run before has written."""
        await self._owner.execute(KEEP)
        await self._arm(due)
        now = datetime.now(UTC)
        began = time.monotonic()
        for first in range(0, due, AT_ONCE):
            await self._owner.execute(ROWS, now, AT_ONCE, first)
        seconds = time.monotonic() - began
        left = await self._owner.fetchval("SELECT count(*) FROM timers WHERE due_at <= $1", now)
        said = await self._owner.fetchval("SELECT count(*) FROM outbox")
        assert (left, said) == (0, due), f"{left} timers left, {said} commands of {due}"
        return Reading(due / seconds)

    async def bare(self, due: int) -> Reading:
        """Claim and delete what is due."""
        await self._arm(due)
        now, gone = datetime.now(UTC), 0
        began, worked = time.monotonic(), time.process_time()
        while claimed := await self._owner.fetch(BARE, now, AT_ONCE):
            gone += len(claimed)
        seconds, worked = time.monotonic() - began, time.process_time() - worked
        assert gone == due
        return Reading(due / seconds, {"CPU of the process, ms a timer": worked / due * 1000})


async def _may_checkpoint(owner: asyncpg.Connection) -> bool:
    return bool(await owner.fetchval("SELECT pg_has_role(current_user, 'pg_checkpoint', 'USAGE')"))


async def command(timers: Sequence[Timer], tx: Tx) -> None:
    """Ask for a try of each timer's case, as the scheduler does, but for its own reasons."""
    numbers = count(1)
    await tx.emit(
        RetryDue(
            id=fact_id(timer.merchant_id, "retry.due", timer.subject, str(timer.timer_id)),
            time=timer.due_at,
            merchant_id=timer.merchant_id,
            customer_id=timer.customer_id,
            account_id=ACCOUNT,
            case_id=timer.subject,
            try_id=fact_id(timer.merchant_id, "try", timer.subject, "1"),
            revision=next(numbers),
            invoice_id=timer.subject,
            instrument_id=f"pm_{timer.timer_id}",
            kind=TryKind.SCHEDULED,
            step=1,
            not_after=timer.due_at + timedelta(hours=6),
            reason="The first step of the schedule.",
        )
        for timer in timers
    )
