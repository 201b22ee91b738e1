"""The relay: from the outbox until the broker has acknowledged and the row is forgotten."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer

from recoup_chassis.outbox import Relay
from recoup_chassis.postgres import Database, _array_of, _flat
from recoup_chassis.queries import load
from recoup_chassis.telemetry import EVENTS_RELAYED
from recoup_events.envelope import Record, write

from ..events import failures, send
from ..measure import Goal, Reading, Row, Side, counted, until
from ..place import Place, running

OURS, RAW = "Recoup's relay", "raw aiokafka producer"
TOPIC = "payment.failed"
FILL = load("recoup_chassis", "postgres.sql").write_outbox


@asynccontextmanager
async def row(place: Place) -> AsyncIterator[Row]:
    """Events in the outbox of the chassis' own schema; topics of twelve partitions."""
    events = place.size(20_000, 300)
    records = [write(event, source="/bench", partitions=12) for event in failures(events)]
    kafka, prefix = await place.kafka(), await place.topics([TOPIC])
    own = await place.database("chassis")
    owner = await asyncpg.connect(own.owner_dsn)
    async with await Database.connect(own.app_dsn, source="/bench") as database:
        with_relay = running(Relay(database, place.config(own, kafka, prefix)))
        producer = AIOKafkaProducer(
            bootstrap_servers=kafka,
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=256 * 1024,
            max_request_size=2 * 1024 * 1024,
        )
        await producer.start()

        async def ours() -> Reading:
            before = counted(EVENTS_RELAYED, TOPIC)
            await owner.execute(FILL, *_columns(records))
            began = time.monotonic()
            await until(lambda: counted(EVENTS_RELAYED, TOPIC) >= before + events)
            return Reading(events / (time.monotonic() - began))

        async def raw() -> Reading:
            began = time.monotonic()
            await send(producer, prefix, records)
            return Reading(events / (time.monotonic() - began))

        async with with_relay:
            yield Row(
                "relay",
                "From the commit in the outbox until the broker has acknowledged all events and they are deleted, "
                "beside a bare producer that sends the same records (keys, headers, `acks=all`, idempotent) and "
                "keeps nothing.",
                "events/s",
                [Side(OURS, ours), Side(RAW, raw)],
                [Goal(OURS, RAW, at_least=0.50)],
                warm_up=True,
                settings={
                    "events a run": f"{events:,}",
                    "bytes of an event": str(len(records[0].value or b"")),
                    "producers": "linger 2 ms, batches of 256 kB, both the same",
                },
            )
        await producer.stop()
    await owner.close()


def _columns(records: list[Record]) -> list[list[Any]]:
    flat = [_array_of(_flat(record)) for record in records]
    return [
        [record.topic for record in records],
        [record.partition for record in records],
        [record.key for record in records],
        flat,
        [record.value for record in records],
    ]
