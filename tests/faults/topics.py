"""What the topics say: read from their beginning by nobody's group, and how far each group has come."""

from collections.abc import Iterable
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

import recoup_gateway_adapter.subscriptions
import recoup_notifier.subscriptions
import recoup_retry_scheduler.subscriptions
from recoup_events.envelope import Tombstone, headers_of, read
from recoup_events.topics import TOPICS
from recoup_local.house import ADAPTER, NOTIFIER, PORTAL, SCHEDULER, House


def _prefix(house: House) -> str:
    return next(iter(house.environments.values()))["KAFKA_TOPIC_PREFIX"]


def _partitions(house: House) -> int:
    return int(next(iter(house.environments.values()))["KAFKA_PARTITIONS"])


async def of_merchant(house: House, merchant_id: str, names: Iterable[str]) -> dict[str, list[Any]]:
    """Read every event of a merchant's, by topic."""
    found: dict[str, list[Any]] = {name: [] for name in names}
    consumer = AIOKafkaConsumer(
        bootstrap_servers=house.kafka.bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    try:
        await consumer.start()
        for name, events in found.items():
            topic = _prefix(house) + name
            where = [TopicPartition(topic, number) for number in range(_partitions(house))]
            consumer.assign(where)
            ends = await consumer.end_offsets(where)
            for one, first in (await consumer.beginning_offsets(where)).items():
                consumer.seek(one, first)
            while any([await consumer.position(one) < ends[one] for one in where]):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    for record in records:
                        if headers_of(record.headers).get("ce_recoupmerchant") == merchant_id:
                            event = read(name, record.key, record.headers, record.value)
                            if not isinstance(event, Tombstone):
                                events.append(event)
    finally:
        await consumer.stop()
    return found


READ: dict[str, list[str]] = {
    ADAPTER: [event.TOPIC.name for event in recoup_gateway_adapter.subscriptions.SUBSCRIPTIONS],
    SCHEDULER: [event.TOPIC.name for event in recoup_retry_scheduler.subscriptions.SUBSCRIPTIONS],
    NOTIFIER: [event.TOPIC.name for event in recoup_notifier.subscriptions.SUBSCRIPTIONS],
    PORTAL: list(TOPICS),
}
"""Topics by reader. A broker that has just come back may not list a group: that must not pass for no lag."""


async def lags(house: House) -> dict[str, int]:
    """Count, for each consumer group of the house's, the records that it has not committed."""
    servers, prefix = house.kafka.bootstrap_servers, _prefix(house)
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, request_timeout_ms=10_000)
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    try:
        await admin.start()
        await consumer.start()
        found = {}
        for service, name in ((service, name) for service, names in READ.items() for name in names):
            group = f"{prefix}{service}.{name}"
            where = [TopicPartition(prefix + name, number) for number in range(_partitions(house))]
            done = await admin.list_consumer_group_offsets(group)
            ends = await consumer.end_offsets(where)
            found[group] = sum(max(0, ends[one] - (done[one].offset if one in done else 0)) for one in where)
        return found
    finally:
        await consumer.stop()
        await admin.close()


async def behind(house: House) -> dict[str, int]:
    """Count the records that wait for each group that has not come to the end of its topic."""
    return {f"lag of {group}": lag for group, lag in (await lags(house)).items() if lag}
