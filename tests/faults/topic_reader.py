"""What is in the topics, read as any subscriber would: from an instant on, up to what is there now."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from recoup_events.topics import TOPICS
from recoup_local.house import House
from recoup_local.topics import PARTITIONS

Record: TypeAlias = ConsumerRecord[bytes, bytes]


@dataclass(frozen=True)
class Place:
    """Where the topics end at an instant."""

    ends: Mapping[TopicPartition, int]


@asynccontextmanager
async def _reader(house: House) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=house.kafka.bootstrap_servers, max_partition_fetch_bytes=20 * 1024 * 1024
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()


def _partitions(house: House, topics: Iterable[str]) -> list[TopicPartition]:
    prefix = prefix_of(house)
    return [TopicPartition(prefix + name, number) for name in topics for number in range(PARTITIONS)]


def prefix_of(house: House) -> str:
    """Give what stands before the names of this house's topics."""
    return next(iter(house.environments.values()))["KAFKA_TOPIC_PREFIX"]


async def here(house: House) -> Place:
    """Note where all topics end now."""
    async with _reader(house) as consumer:
        return Place(await consumer.end_offsets(_partitions(house, TOPICS)))


async def since(house: House, place: Place, *topics: str) -> AsyncIterator[Record]:
    """Read what came after a place, of all topics unless named, up to where they end now. Memory is flat."""
    async with _reader(house) as consumer:
        wanted = _partitions(house, topics or TOPICS)
        ends = await consumer.end_offsets(wanted)
        left = {where for where in wanted if place.ends[where] < ends[where]}
        consumer.assign(sorted(left))
        for where in left:
            consumer.seek(where, place.ends[where])
        while left:
            for where, records in (await consumer.getmany(timeout_ms=500, max_records=2000)).items():
                for record in records:
                    yield record
                if await consumer.position(where) >= ends[where]:
                    left.discard(where)
