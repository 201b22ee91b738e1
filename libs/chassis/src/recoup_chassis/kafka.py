"""Kafka: one table {event: handler} a service; FastStream routes, and can't be got wrong by a service's author.

Promise: the traps of the library are closed here once: its acknowledgements are never used, its parser never
sees a header, nothing is replied to, reading starts at the earliest record, group members are static.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Coroutine, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from recoup_chassis.batches import AT_ONCE, Handler, Subscriber, Subscription
from recoup_chassis.config import ServiceConfig
from recoup_chassis.errors import Retryable, is_retryable
from recoup_chassis.outbox import OutboxWatch
from recoup_chassis.postgres import Database
from recoup_chassis.process import rest
from recoup_chassis.telemetry import CONSUMER_LAG, log
from recoup_events.models import Event

__all__ = ["Consumers", "Handler", "Subscription"]

RETRY_BACKOFF_MS = 1000
"""Milliseconds until a consumer asks a broker that failed it again. With the library's 100 the fourteen consumers of
one service make 400 connections a second to a broker that is away, and write as many lines (measured)."""

FETCHED = 256 * 1024
"""Bytes that are fetched of a partition at once, some three hundred records: two partitions of a dozen give a batch.
With the library's mebibyte portal-api held 49 MiB more than its imports after a rush of 300,000 events, not 37."""

LEFT_WITHIN = 10.0
"""Seconds that consumers have to stop in order; then their tasks are cancelled."""


class Consumers:
    """A part: all subscriptions of a service.

    Args:
        service: names the consumer groups, one a topic, for instance `notifier`.
        subscriptions: what is done with each type of event.
    """

    name = "consumers"

    def __init__(
        self,
        database: Database,
        config: ServiceConfig,
        *,
        service: str,
        subscriptions: Mapping[type[Event], Handler | Subscription],
        watch: OutboxWatch,
    ) -> None:
        self._config = config
        self._group = f"{config.kafka_topic_prefix}{service}"
        self._broker = KafkaBroker(
            config.kafka_bootstrap_servers.split(","),  # FastStream takes one text for one server
            client_id=f"{service}-{config.replica}",
            apply_types=False,
            logger=None,
            allow_auto_create_topics=False,
            graceful_timeout=1.0,
            retry_backoff_ms=RETRY_BACKOFF_MS,
        )
        self._subscribers: list[Subscriber] = []
        for event, done in subscriptions.items():
            subscription = done if isinstance(done, Subscription) else Subscription(done)
            refusals: deque[float] = deque()
            for member in range(subscription.members):
                subscriber = Subscriber(
                    event,
                    subscription,
                    database,
                    watch,
                    bears=config.refusals_a_minute,
                    refusals=refusals,
                )
                self._subscribe(subscriber, member)

    def _subscribe(self, subscriber: Subscriber, member: int) -> None:
        group = f"{self._group}.{subscriber.topic.name}"
        replica = f"{self._config.replica}.{member}" if member else self._config.replica
        registered = self._broker.subscriber(
            self._config.kafka_topic_prefix + subscriber.topic.name,
            batch=True,
            max_records=AT_ONCE,
            max_partition_fetch_bytes=FETCHED,
            group_id=group,
            group_instance_id=f"{group}.{replica}",
            auto_offset_reset="earliest",
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            parser=_parse,
            decoder=_decode,
        )
        registered.get_msg = subscriber.poll  # type: ignore[method-assign]  # FastStream's own rests after a poll without records
        registered(subscriber.consume_and_gather)
        subscriber.source = registered
        self._subscribers.append(subscriber)

    async def serve(self, stopping: asyncio.Event) -> None:
        """Consume until stopped; then finish the batches in hand, commit, and leave the groups."""
        while not stopping.is_set():
            for subscriber in self._subscribers:
                subscriber.begin()
            try:
                if await _ended_before(stopping, self._broker.start()):
                    await self._watch(stopping)
            except Exception as error:
                if not is_retryable(error):
                    raise
                log.warning("consumers.beginning_anew", error=repr(error)[:200])
            finally:
                await self._leave()
            await rest(stopping, 1.0)

    async def _watch(self, stopping: asyncio.Event) -> None:
        """Tell the lag, until stopped.

        Raises:
            Retryable: a consumer is deaf; all begin anew.
        """
        while not stopping.is_set():
            lag: Counter[str] = Counter()
            for subscriber in self._subscribers:
                lag[subscriber.topic.name] += subscriber.lag()
            for topic, records in lag.items():
                CONSUMER_LAG.labels(topic).set(records)
            deaf = await asyncio.gather(*(subscriber.is_deaf() for subscriber in self._subscribers))
            if any(deaf):
                topics = {
                    one.topic.name for one, is_deaf in zip(self._subscribers, deaf, strict=True) if is_deaf
                }
                raise Retryable(f"the consumers of {', '.join(sorted(topics))} bring nothing")
            await rest(stopping, 2.0)

    async def _leave(self) -> None:
        """Finish the batches in hand and leave the groups; a new start may follow."""
        for subscriber in self._subscribers:
            subscriber.stopping.set()
        await asyncio.gather(*(subscriber.idle.wait() for subscriber in self._subscribers))
        consumers = [subscriber.consumer for subscriber in self._subscribers if subscriber.consumer]
        try:
            async with asyncio.timeout(LEFT_WITHIN):
                await self._broker.stop()
        except (ExceptionGroup, TimeoutError) as error:  # a task of a consumer has ended, or does not
            log.warning("consumers.abandoned", error=repr(error)[:300])
            await asyncio.gather(*map(_abandon, consumers))

    async def problem(self) -> str | None:
        """Say in a sentence which subscriptions do not consume, or None."""
        found = [
            f"{subscriber.topic.name} stopped: {subscriber.stopped_because}"
            for subscriber in self._subscribers
            if subscriber.stopped_because
        ]
        holding = {
            subscriber.topic.name
            for subscriber in self._subscribers
            if subscriber.consumer is not None and subscriber.consumer.assignment()
        }
        topics = dict.fromkeys(subscriber.topic.name for subscriber in self._subscribers)
        found += [f"{topic} holds no partition" for topic in topics if topic not in holding]
        return "; ".join(found) or None


async def _ended_before(stopping: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do some work, and tell that it ended; False where the process is to stop, and the work is given up."""
    working, stop = asyncio.create_task(work), asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait((working, stop), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            return False
        await working
        return True
    finally:
        working.cancel()
        stop.cancel()


async def _parse(records: tuple[ConsumerRecord[bytes, bytes], ...]) -> KafkaMessage:
    """Hand the records on untouched: FastStream's own parser fails on null and non-UTF-8 headers."""
    return KafkaMessage(body=b"", raw_message=records, consumer=_NO_CONSUMER)


async def _decode(message: KafkaMessage) -> Any:
    return message.raw_message


async def _abandon(consumer: AIOKafkaConsumer) -> None:
    """End the tasks of a consumer that could not be stopped, so that it disturbs none that takes its place."""
    parts = consumer._coordinator, consumer._fetcher  # noqa: SLF001  # no public way
    for task in [getattr(part, name, None) for part in parts for name in _TASKS]:
        if task is not None:
            task.cancel()
    with contextlib.suppress(Exception):
        await asyncio.wait_for(consumer._client.close(), LEFT_WITHIN)  # noqa: SLF001  # no public way


_TASKS = "_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_fetch_task"


class _NoConsumer:
    """Nothing commits through FastStream's message."""

    async def commit(self) -> None:
        raise AssertionError("offsets are committed explicitly")

    def seek(self, partition: TopicPartition, offset: int) -> None:  # noqa: ARG002  # the library's signature
        raise AssertionError("positions are set explicitly")


_NO_CONSUMER = _NoConsumer()
