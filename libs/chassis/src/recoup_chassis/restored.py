"""After a restore: count above all that was told before, and handle again what the database has forgotten.

Promise: consumer groups go back only, never forward, and only while the service is stopped: a group with members
refuses. Repeats fall on inboxes and change nothing.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError

from recoup_chassis.config import ServiceConfig
from recoup_chassis.postgres import Database
from recoup_events.topics import TOPICS

REFUSED_WITHIN = 3.0
"""Seconds for which a group with members refuses our offsets, before we take it for one that runs."""

MARK = "UPDATE restored SET restored_at = greatest(restored_at, clock_timestamp())"


class StillRunning(Exception):
    """A replica is a member of one of the service's groups: end it, or wait until its session has ended."""


async def restored(
    service: str, config: ServiceConfig, database: Database, since: datetime, *, dry_run: bool
) -> dict[str, int]:
    """Make a service ready to start on a database that was restored. Safe to repeat.

    Args:
        since: real time, UTC; an instant a little before the backup costs only time.
        dry_run: say what would be handled again, and change nothing.

    Returns:
        How many records will be handled again, by topic.

    Raises:
        StillRunning: a replica runs.
    """
    again = {topic: await _back(service, config, topic, since, dry_run=dry_run) for topic in sorted(TOPICS)}
    if not dry_run:
        async with database.transaction(()) as tx:
            await tx.execute(MARK)
    return again


async def _back(service: str, config: ServiceConfig, topic: str, since: datetime, *, dry_run: bool) -> int:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=config.kafka_bootstrap_servers,
        group_id=f"{config.kafka_topic_prefix}{service}.{topic}",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        name = config.kafka_topic_prefix + topic
        consumer.assign([TopicPartition(name, n) for n in range(config.kafka_partitions)])
        done = {one: await consumer.committed(one) for one in consumer.assignment()}
        committed = {one: offset for one, offset in done.items() if offset}
        if not committed:
            return 0
        found = await consumer.offsets_for_times(dict.fromkeys(committed, int(since.timestamp() * 1000)))
        moved = {one: at.offset for one, at in found.items() if at is not None and at.offset < committed[one]}
        if moved and not dry_run:
            await _commit(consumer, moved)
        return sum(committed[one] - offset for one, offset in moved.items())
    finally:
        await consumer.stop()


async def _commit(consumer: AIOKafkaConsumer, moved: Mapping[TopicPartition, int]) -> None:
    try:
        async with asyncio.timeout(REFUSED_WITHIN):
            await consumer.commit(dict(moved))
    except (TimeoutError, CommitFailedError) as refused:
        raise StillRunning from refused
