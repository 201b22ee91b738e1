"""Fairness: a small merchant's ten renewals fall due while a big one's million are being worked off."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import asyncpg

from recoup_chassis.postgres import Database, Tx
from recoup_chassis.timers import Dispatcher, Timer

from ..events import know
from ..measure import Goal, Reading, Row, Side, percentile
from ..place import Place
from .timers import KIND, command

BIG, SMALL = "m_big", "m_small"
FEW, APART = 10, 0.2
"""The small merchant's timers, and seconds between two of them."""

ARM = """
WITH customers AS (
    INSERT INTO customer_locks (merchant_id, customer_id)
    SELECT $1, 'cus_' || n FROM generate_series(1, $2::bigint) AS n
    ON CONFLICT DO NOTHING
)
INSERT INTO timers (clock_id, merchant_id, customer_id, kind, subject, due_at)
SELECT 0, $1, 'cus_' || n, $3, gen_random_uuid(), $4::timestamptz + n * $5::interval FROM generate_series(1, $2) AS n
"""


@asynccontextmanager
async def row(place: Place) -> AsyncIterator[Row]:
    """One database; the million stays due all the while, for no run comes to its end."""
    many = place.size(1_000_000, 3_000)
    own = await place.database("chassis")
    await know(own.owner_dsn, [BIG, SMALL])
    owner = await asyncpg.connect(own.owner_dsn, command_timeout=1800)
    place.say(f"arming {many:,} timers of one merchant, all due")
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    await owner.execute(ARM, BIG, many, KIND, hour_ago, timedelta(0))
    await owner.execute("VACUUM (ANALYZE) timers, customer_locks")
    async with await Database.connect(own.app_dsn, source="/recoup/retry-scheduler") as database:
        yield Row(
            "fairness",
            f"{FEW} timers of a small merchant fall due one after the other while {many:,} of another merchant's, "
            "due for an hour, are being worked off: from the small one's due time until its command is committed "
            "in the outbox.",
            "s, lateness p99 of the small merchant's",
            [Side("small merchant", lambda: _lateness(database, owner))],
            [Goal("small merchant", at_most=2.0)],
            settings={
                "dispatchers": "one",
                "batches": "up to 500",
                "the small merchant's": f"{FEW}, {APART} s apart",
            },
        )
        await database.pool.close()
    await owner.close()


async def _lateness(database: Database, owner: asyncpg.Connection) -> Reading:
    just_fired: list[Timer] = []

    async def handle(timers: Sequence[Timer], tx: Tx) -> None:
        await command(timers, tx)
        just_fired.extend(timers)

    dispatcher = Dispatcher(database, handle, name="bench", kinds=[KIND])
    await owner.execute(ARM, SMALL, FEW, KIND, datetime.now(UTC), timedelta(seconds=APART))
    late: list[float] = []
    big, began = 0, time.monotonic()
    while len(late) < FEW:
        just_fired.clear()
        await dispatcher.fire()
        now = datetime.now(UTC)
        late += [(now - timer.due_at).total_seconds() for timer in just_fired if timer.merchant_id == SMALL]
        big += sum(timer.merchant_id == BIG for timer in just_fired)
    assert big, "nothing of the big merchant's was due: there was no crowd"
    rate = big / (time.monotonic() - began)
    return Reading(
        percentile(late, 0.99),
        {"median, s": percentile(late, 0.5), "the big merchant's meanwhile, timers/s": rate},
    )
