"""The relay: takes events from the outbox to the broker, in order, and forgets them once acknowledged.

Promise: nothing that was committed is lost, and the events of one partition are published in the order in which
they were written. One relay holds a bucket at a time, by an advisory lock of a session of its own.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from recoup_chassis.config import ServiceConfig
from recoup_chassis.errors import Retryable, is_retryable
from recoup_chassis.postgres import KEEPALIVES, Database
from recoup_chassis.process import BACK_OFF_FROM, BACK_OFF_TO, Loop, rest, rest_or_wake
from recoup_chassis.queries import load
from recoup_chassis.telemetry import EVENTS_RELAYED, OUTBOX_AGE, QUARANTINE_HELD, log

AT_ONCE = 2000
"""Events read, published and forgotten together."""

IN_A_ROW = 20
"""Portions relayed one above the other before the outbox is read from its beginning again, for events whose transaction
was longer under way than that of a later one."""

ACKNOWLEDGED_WITHIN, STARTED_WITHIN, CLOSED_WITHIN = 30.0, 60.0, 5.0
"""Seconds; then the producer is given up, its sender first, and a new one starts. And until one that starts is given
up, and until one that is given up is left to itself."""

GATHER, IDLE, HANDOVER = 0.02, 0.05, 2.0
"""Seconds: between looks at the outbox unless it gave all that one takes; between looks while nothing is written; and
between tries to take buckets that another relay holds."""

sql = load(__package__, "outbox.sql")


class Relay:
    """A part of every service that announces anything. Stop it last, so that it can empty the outbox."""

    name = "relay"

    def __init__(self, database: Database, config: ServiceConfig) -> None:
        self._database, self._config = database, config
        self._awake = asyncio.Event()
        self._acquired: set[int] = set()
        self._next_handover = 0.0
        database.on_announced(self._awake.set)

    async def serve(self, stopping: asyncio.Event) -> None:
        """Relay until stopped; after a fault begin again with a new session and a new producer."""
        pause = BACK_OFF_FROM
        while not stopping.is_set():
            try:
                await self._session(stopping)
                pause = BACK_OFF_FROM
            except Exception as error:
                if not is_retryable(error):
                    raise
                log.warning("relay.retrying", error=repr(error)[:300], seconds=pause)
                await rest(stopping, pause)
                pause = min(pause * 2, BACK_OFF_TO)

    async def _session(self, stopping: asyncio.Event) -> None:
        connection = await asyncpg.connect(
            self._config.database_url, timeout=10, command_timeout=30, server_settings=KEEPALIVES
        )
        producer = None
        try:
            buckets = await connection.fetchval(sql.count_buckets)
            self._acquired, self._next_handover = set(), 0.0
            producer = await self._producer()
            while not stopping.is_set():
                self._awake.clear()
                await self._take_buckets(connection, buckets)
                if not await self._relay_some(connection, producer):
                    await rest(stopping, GATHER)
                    await rest_or_wake(stopping, self._awake, IDLE)
            while await self._relay_some(connection, producer):
                pass
        except BaseException:
            if producer is not None:
                await _abandon(producer)
                producer = None
            raise
        finally:
            if producer is not None:
                await producer.stop()
            connection.terminate()

    async def _producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._config.kafka_bootstrap_servers,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=256 * 1024,
            max_request_size=2 * 1024 * 1024,
            compression_type=None,
        )
        try:
            async with asyncio.timeout(STARTED_WITHIN):
                await producer.start()
        except BaseException:
            await _abandon(producer)
            raise
        return producer

    async def _take_buckets(self, connection: asyncpg.Connection, buckets: int) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._acquired) == buckets or now < self._next_handover:
            return
        self._next_handover = now + HANDOVER
        for bucket in set(range(buckets)) - self._acquired:
            if await connection.fetchval(sql.take_bucket, bucket):
                self._acquired.add(bucket)

    async def _relay_some(self, connection: asyncpg.Connection, producer: AIOKafkaProducer) -> bool:
        """Relay what is waiting, at most so many portions; tell whether there may be more.

        While the broker takes a portion in, the one before it is forgotten and the one after it is read. That one is
        handed over only when all of this one is acknowledged, which keeps the order whatever fails.
        """
        portion = await self._read(connection, above=0)
        acknowledged: list[asyncpg.Record] = []
        for left in reversed(range(IN_A_ROW)):
            publishing = asyncio.create_task(self._publish(producer, portion))
            try:
                await self._forget(connection, acknowledged)
                if full := len(portion) == AT_ONCE and left:
                    following = await self._read(connection, above=portion[-1]["outbox_id"])
                await publishing
            finally:
                publishing.cancel()
            acknowledged = portion
            if not full:
                break
            portion = following
        await self._forget(connection, acknowledged)
        return len(portion) == AT_ONCE

    async def _read(self, connection: asyncpg.Connection, *, above: int) -> list[asyncpg.Record]:
        return list(await connection.fetch(sql.next_events, sorted(self._acquired), above, AT_ONCE))

    async def _publish(self, producer: AIOKafkaProducer, rows: list[asyncpg.Record]) -> None:
        async with asyncio.timeout(ACKNOWLEDGED_WITHIN):
            acknowledgements = [
                await producer.send_batch(batch, self._config.kafka_topic_prefix + topic, partition=partition)
                for topic, partition, batch in _batches(producer, rows)
            ]
            await asyncio.gather(*acknowledgements)

    async def _forget(self, connection: asyncpg.Connection, rows: list[asyncpg.Record]) -> None:
        if not rows:
            return
        await connection.execute(sql.forget_events, [row["outbox_id"] for row in rows])
        for topic, relayed in Counter(row["topic"] for row in rows).items():
            EVENTS_RELAYED.labels(topic).inc(relayed)


def _batches(
    producer: AIOKafkaProducer, rows: list[asyncpg.Record]
) -> Iterator[tuple[str, int, BatchBuilder]]:
    """Give the events as the batches of their partitions, each in order: a third of sending them one by one."""
    filling: dict[tuple[str, int], BatchBuilder] = {}
    for row in rows:
        where = (row["topic"], row["partition"])
        batch = filling.get(where)
        if batch is None or not _added(batch, row):
            if batch is not None:
                yield *where, batch
            batch = filling[where] = producer.create_batch()
            _added(batch, row)
    for where, batch in filling.items():
        yield *where, batch


def _added(batch: BatchBuilder, row: asyncpg.Record) -> bool:
    """Add an event, unless the batch is full; an empty one takes any."""
    headers = _headers(row["headers"])
    added = batch.append(timestamp=None, key=row["key"], value=row["value"], headers=headers)
    return added is not None


def _headers(flat: list[str]) -> list[tuple[str, bytes]]:
    return [(name, text.encode()) for name, text in zip(flat[::2], flat[1::2], strict=True)]


async def _abandon(producer: AIOKafkaProducer) -> None:
    """End a producer at once. Its sender goes first: left running it could still write after its successor."""
    sender = producer._sender.sender_task if producer._sender is not None else None  # noqa: SLF001  # no public way
    if sender is not None and not sender.done():
        sender.cancel()
        await asyncio.wait((sender,), timeout=CLOSED_WITHIN)
    with contextlib.suppress(Exception):
        await asyncio.wait_for(producer.client.close(), CLOSED_WITHIN)
    producer._closed = True  # noqa: SLF001  # it is, and must not warn about it


class OutboxWatch:
    """Knows how old the outbox is; consumers pause while it is too old."""

    TOO_OLD = 30.0
    """Seconds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.age = 0.0
        self.part = Loop("outbox-watch", self._look, every=timedelta(seconds=1))

    async def _look(self) -> None:
        async with self._database.pool.acquire(timeout=10) as connection:
            row = await connection.fetchrow(sql.age)
        if row is None:
            raise Retryable("the outbox gave no age")
        self.age = row["outbox"]
        OUTBOX_AGE.set(self.age)
        QUARANTINE_HELD.set(row["held"])

    @property
    def too_old(self) -> bool:
        """Tell whether taking in more would only make it worse."""
        return self.age > self.TOO_OLD
