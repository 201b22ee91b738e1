"""Puts anything on the topics: events as a relay would, and records that no relay writes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from recoup_events.envelope import write
from recoup_events.models import Event
from recoup_events.topics import TOPICS
from recoup_local.house import House
from recoup_local.topics import PARTITIONS

from .topic_reader import here, prefix_of

LARGEST = 11 * 1024 * 1024
"""Bytes of a record, where a topic lets it in."""

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True)
class Raw:
    """A record as it lies on the wire, without its topic's prefix."""

    topic: str
    partition: int
    key: bytes | None
    headers: Headers
    value: bytes | None


class Teller:
    """A producer of a house."""

    def __init__(self, house: House, producer: AIOKafkaProducer) -> None:
        self._prefix, self._producer = prefix_of(house), producer

    async def tell(self, event: Event) -> int:
        """Put an event where a relay would; give its offset."""
        return await self.put(raw_of(event))

    async def put(self, raw: Raw) -> int:
        """Put a record; give its offset."""
        told = await self._producer.send_and_wait(
            self._prefix + raw.topic,
            value=raw.value,
            key=raw.key,
            partition=raw.partition,
            headers=list(raw.headers),
        )
        offset: int = told.offset
        return offset


def raw_of(event: Event) -> Raw:
    """Give an event's record."""
    record = write(event, source="/recoup/gateway-adapter", partitions=PARTITIONS)
    return Raw(record.topic, record.partition, record.key, record.headers, record.value)


@asynccontextmanager
async def teller(house: House) -> AsyncIterator[Teller]:
    """Open a producer, with room for large records."""
    producer = AIOKafkaProducer(
        bootstrap_servers=house.kafka.bootstrap_servers,
        acks="all",
        enable_idempotence=True,
        max_request_size=LARGEST,
    )
    await producer.start()
    try:
        yield Teller(house, producer)
    finally:
        await producer.stop()


@asynccontextmanager
async def admin(house: House) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open the broker's administration."""
    client = AIOKafkaAdminClient(bootstrap_servers=house.kafka.bootstrap_servers)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def letting_large_records_in(house: House, *topics: str) -> AsyncIterator[None]:
    """Raise the limit of topics for a while."""
    async with admin(house) as client:
        await _configure(client, {prefix_of(house) + name: _with_room(name) for name in topics})
        yield
        await _configure(client, {prefix_of(house) + name: TOPICS[name].config() for name in topics})


def _with_room(name: str) -> dict[str, str]:
    return {**TOPICS[name].config(), "max.message.bytes": str(LARGEST)}


async def _configure(client: AIOKafkaAdminClient, topics: dict[str, dict[str, str]]) -> None:
    answers = await client.alter_configs(
        [ConfigResource(ConfigResourceType.TOPIC, name, configs) for name, configs in topics.items()]
    )
    for answer in answers:
        assert all(resource[0] == 0 for resource in answer.resources), answer


async def lag(house: House, group: str, topic: str) -> int:
    """Count what a service's group has not committed of a topic."""
    prefix = prefix_of(house)
    ends = (await here(house)).ends
    async with admin(house) as client:
        committed = await client.list_consumer_group_offsets(f"{prefix}{group}.{topic}")
    return sum(
        end - max(0, committed[where].offset if where in committed else 0)
        for where, end in ends.items()
        if where.topic == prefix + topic
    )
