"""The scheduler's work on failures: from the topic to cases, timers and announcements, committed."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from recoup_chassis.kafka import Consumers
from recoup_chassis.outbox import OutboxWatch
from recoup_chassis.postgres import Database
from recoup_chassis.telemetry import EVENTS_HANDLED
from recoup_events.models import PaymentFailed
from recoup_retry_scheduler.subscriptions import SUBSCRIPTIONS

from ..events import MERCHANT, failures, know, put
from ..measure import Goal, Reading, Row, Side, counted, until
from ..place import Place, running

OURS, RAW, ROWS = "retry-scheduler", "raw aiokafka, one COPY a batch", "the scheduler's rows alone"
TABLES = ("inbox", "customer_locks", "charges", "cards", "cases", "timers", "outbox")
"""What a failure adds a row to."""

COLUMNS = """
SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped
"""
TOPIC = "payment.failed"
AT_ONCE = 500


@asynccontextmanager
async def row(place: Place) -> AsyncIterator[Row]:
    """Failures of as many customers on a topic of twelve partitions; each run of ours has a new database."""
    events = place.size(100_000, 200)
    kafka, prefix = await place.kafka(), await place.topics([TOPIC])
    place.say(f"putting {events:,} failures on the topic")
    await put(kafka, prefix, failures(events))
    groups = count(1)
    alone: list[Reading] = []

    async def ours() -> Reading:
        reading, rows_alone = await _ours(place, kafka, prefix, f"ours{next(groups)}", events)
        alone.append(rows_alone)
        return reading

    async def rows() -> Reading:
        return alone.pop()

    async def raw() -> Reading:
        return await _raw(place, kafka, prefix, f"raw{next(groups)}", events)

    yield Row(
        "consume",
        "`payment.failed` until the case, its timer and its announcement in the outbox are committed and the "
        "offsets after them, by one process; beside a bare consumer that copies the records as they are into a "
        "table, one COPY, one commit and one commit of offsets a batch. And, as the limit of any code with these "
        "tables, the very rows that a run wrote, put back into their empty, indexed tables from copies in the same "
        "database: a batch a transaction, nothing read from Kafka, nothing decided, nothing sent.",
        "events/s",
        [Side(OURS, ours), Side(ROWS, rows), Side(RAW, raw)],
        [Goal(OURS, RAW, at_least=0.40)],
        settings={"failures": f"{events:,}, each of a customer of its own", "batches": f"up to {AT_ONCE}"},
    )


async def _ours(place: Place, kafka: str, prefix: str, group: str, events: int) -> tuple[Reading, Reading]:
    own = await place.database("retry-scheduler")
    await know(own.owner_dsn)
    async with await Database.connect(own.app_dsn, source="/recoup/retry-scheduler") as database:
        consumers = Consumers(
            database,
            place.config(own, kafka, prefix),
            service=group,
            subscriptions={PaymentFailed: SUBSCRIPTIONS[PaymentFailed]},
            watch=OutboxWatch(database),
        )
        members = consumers._subscribers
        handled = counted(EVENTS_HANDLED, TOPIC)
        async with running(consumers):
            await until(lambda: not all(member.idle.is_set() for member in members), every=0.001)
            began, worked = time.monotonic(), time.process_time()
            await until(
                lambda: (
                    counted(EVENTS_HANDLED, TOPIC) >= handled + events
                    and all(member.idle.is_set() for member in members)
                )
            )
            seconds, worked = time.monotonic() - began, time.process_time() - worked
        announced = await database.pool.fetchval("SELECT count(*) FROM outbox")
    assert announced >= events, f"{announced} announcements of {events} failures"
    alone = await _rows_alone(own.owner_dsn, events)
    await place.drop(own)
    return Reading(events / seconds, {"CPU of the process, ms an event": worked / events * 1000}), alone


async def _rows_alone(owner_dsn: str, events: int) -> Reading:
    connection = await asyncpg.connect(owner_dsn)
    await connection.execute("SELECT set_config('recoup.merchants', $1, false)", f"{{{MERCHANT}}}")
    inserts = []
    for table in TABLES:
        columns = await connection.fetchval(COLUMNS, table)
        kept = f"kept_{table}"
        await connection.execute(f"CREATE TABLE {kept} AS SELECT row_number() OVER () AS n, * FROM {table}")  # noqa: S608  # our own tables
        await connection.execute(f"CREATE INDEX ON {kept} (n); TRUNCATE {table}; ANALYZE {kept}")
        inserts.append(
            f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE "  # noqa: S608  # likewise
            f"SELECT {columns} FROM {kept} WHERE n > $1 AND n <= $2"
        )
    began = time.monotonic()
    for first in range(0, events, AT_ONCE):
        async with connection.transaction():
            for insert in inserts:
                await connection.execute(insert, first, first + AT_ONCE)
    seconds = time.monotonic() - began
    back = await connection.fetchval("SELECT count(*) FROM cases")
    assert back == events, f"{back} cases of {events} put back"
    await connection.close()
    return Reading(events / seconds, {})


async def _raw(place: Place, kafka: str, prefix: str, group: str, events: int) -> Reading:
    own = await place.database("chassis")
    connection = await asyncpg.connect(own.owner_dsn)
    await connection.execute("CREATE TABLE records (part int, at bigint, key bytea, value bytea)")
    consumer = AIOKafkaConsumer(
        prefix + TOPIC,
        bootstrap_servers=kafka,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    seen, began, worked = 0, 0.0, 0.0
    while seen < events:
        got = await consumer.getmany(timeout_ms=20, max_records=AT_ONCE)
        records = [record for some in got.values() for record in some]
        if not records:
            continue
        if not seen:
            began, worked = time.monotonic(), time.process_time()
        rows = [(record.partition, record.offset, record.key, record.value) for record in records]
        await connection.copy_records_to_table("records", records=rows)
        after: dict[TopicPartition, int] = {where: some[-1].offset + 1 for where, some in got.items()}
        await consumer.commit(after)
        seen += len(records)
    seconds, worked = time.monotonic() - began, time.process_time() - worked
    await consumer.stop()
    await connection.close()
    await place.drop(own)
    return Reading(events / seconds, {"CPU of the process, ms an event": worked / events * 1000})
