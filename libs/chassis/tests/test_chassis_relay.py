"""The relay: portions overlap, their order does not."""

import asyncio
from functools import partial
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError
from aiokafka.producer.message_accumulator import BatchBuilder

from recoup_chassis import outbox
from recoup_chassis.outbox import AT_ONCE, Relay
from recoup_local.pytest_plugin import eventually

from .conftest import Bench, failure, live_merchant, running

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

EVENTS = 2 * AT_ONCE + 300


class Broker:
    """A producer to a broker that acknowledges a little later, and none after so many batches."""

    def __init__(self, takes: int) -> None:
        self.takes, self.records = takes, 0
        self.unacknowledged = self.most_unacknowledged = 0

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(256 * 1024, 0)

    async def send_batch(self, batch: BatchBuilder, *_: str, partition: int) -> "asyncio.Future[None]":
        assert 0 <= partition < 12
        acknowledged: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        count = batch.record_count()
        self.records += count
        self.unacknowledged += count
        self.most_unacknowledged = max(self.most_unacknowledged, self.unacknowledged)
        self.takes -= 1
        answer = partial(self._answer, acknowledged, count, took=self.takes >= 0)
        asyncio.get_running_loop().call_later(0.01, answer)
        return acknowledged

    def _answer(self, acknowledged: "asyncio.Future[None]", count: int, *, took: bool) -> None:
        if took:
            self.unacknowledged -= count
            acknowledged.set_result(None)
        elif not acknowledged.done():
            acknowledged.set_exception(KafkaTimeoutError())


async def relay_to(bench: Bench, broker: Broker) -> None:
    relay = Relay(bench.database, bench.config)
    connection: Any
    async with bench.database.pool.acquire() as connection:
        relay._acquired = set(range(await connection.fetchval("SELECT buckets FROM relay_buckets")))
        producer: Any = broker
        while await relay._relay_some(connection, producer):
            pass


async def announce(bench: Bench, events: int) -> None:
    async with bench.database.transaction(["m1"]) as tx:
        await tx.emit(failure("m1", f"c{n % 40}", n) for n in range(events))


async def test_nothing_is_handed_over_before_all_that_is_earlier_was_acknowledged(bench: Bench) -> None:
    await announce(bench, EVENTS)
    broker = Broker(takes=1000)
    await relay_to(bench, broker)
    assert broker.records == EVENTS
    assert broker.most_unacknowledged == AT_ONCE
    assert await bench.as_owner("SELECT count(*) FROM outbox") == 0


async def test_what_the_broker_did_not_take_stays_and_nothing_later_goes_out(bench: Bench) -> None:
    await announce(bench, EVENTS)
    broker = Broker(takes=0)
    with pytest.raises(KafkaTimeoutError):
        await relay_to(bench, broker)
    assert broker.records == AT_ONCE
    assert await bench.as_owner("SELECT count(*) FROM outbox") == EVENTS


async def test_many_portions_arrive_once_each_in_the_order_in_which_they_were_written(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    await announce(bench, EVENTS)
    topic = bench.config.kafka_topic_prefix + "payment.failed"
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bench.config.kafka_bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    arrived: dict[bytes, list[bytes]] = {}

    async def all_arrived() -> bool:
        for records in (await consumer.getmany(timeout_ms=100)).values():
            for record in records:
                arrived.setdefault(record.key, []).append(dict(record.headers)["ce_id"])
        return sum(map(len, arrived.values())) >= EVENTS

    try:
        async with running(bench.relay()):
            await eventually(all_arrived)
    finally:
        await consumer.stop()
    written: dict[bytes, list[bytes]] = {}
    for n in range(EVENTS):
        event = failure("m1", f"c{n % 40}", n)
        written.setdefault(event.key.encode(), []).append(str(event.id).encode())
    assert arrived == written


async def test_two_relays_share_the_buckets_and_every_event_goes_out_once(bench: Bench) -> None:
    await announce(bench, EVENTS)

    async def all_gone() -> bool:
        return bool(await bench.as_owner("SELECT count(*) FROM outbox") == 0)

    async with running(bench.relay(), bench.relay()):
        await eventually(all_gone)
    assert await bench.told() == EVENTS


async def test_a_producer_that_is_given_up_has_no_sender_any_more(bench: Bench) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bench.config.kafka_bootstrap_servers, enable_idempotence=True
    )
    await producer.start()
    sender = producer._sender.sender_task
    await outbox._abandon(producer)
    try:
        assert sender.done()
    finally:
        sender.cancel()
