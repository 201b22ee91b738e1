"""One topic's consumption: a batch is judged, handled in one transaction, and then its offsets are committed.

Promise: offsets are committed after the transaction that handled their records, explicitly, never beyond it;
a record that can't be read or is refused goes to quarantine and the partition goes on; what is merely
unavailable is waited for; a surprise or an unknown version stops its subscription, visibly, and loses nothing.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from opentelemetry.trace import SpanKind

from recoup_chassis import inbox, quarantine
from recoup_chassis.errors import Retryable, is_retryable, unprocessable
from recoup_chassis.hearing import Hearing
from recoup_chassis.outbox import OutboxWatch
from recoup_chassis.postgres import Customer, Database, Tx
from recoup_chassis.process import rest
from recoup_chassis.quarantine import Refused
from recoup_chassis.telemetry import (
    BATCH_SECONDS,
    CONSUMER_STOPPED,
    EVENTS_HANDLED,
    EVENTS_REFUSED,
    EVENTS_REPEATED,
    link_to,
    log,
    tracer,
)
from recoup_events.envelope import Tombstone, Unreadable, headers_of, read
from recoup_events.models import CustomerEvent, Event, SettingsChanged

AT_ONCE, WAIT_MS = 500, 1000
"""Records a batch, and milliseconds that a poll waits for the first; it ends as soon as there is one."""

GATHER, GATHER_AT_MOST, GATHER_TIMES = 0.1, 0.3, 4
"""Seconds from the beginning of a batch to that of the next, unless it was full: at least, at the most, and in between
so many times what the batch took. Records gather meanwhile: what comes after a pause is handled at once, a stream costs
ten transactions a second instead of one for each record, and fewer where the machine is so busy that they take long."""

BACK_OFF_FROM, BACK_OFF_TO, PATIENCE = 0.1, 10.0, 60.0
"""Seconds between attempts at a batch, doubling, and in all before its records are fetched anew."""

COMMITTED_WITHIN = 30.0
"""Seconds that a commit of offsets may take; then the consumer goes on without."""

SETTINGS_WITHIN = 10.0
"""Seconds that a message waits for its merchant's settings before it is refused."""

Records = tuple[ConsumerRecord[bytes, bytes], ...]
Handler = Callable[[Any, Tx], Awaitable[None]]


@dataclass(frozen=True)
class Subscription:
    """What is done with a type of event.

    `erased` is given the tombstones of a snapshot, where it matters. `members`: how many members of the group one
    process has. While one's transaction is in Postgres' hands, another's records are in Python's.
    """

    handler: Handler
    erased: Handler | None = None
    members: int = 1


class _Stop(Exception):
    """Nothing that this process can do by itself: the subscription ends here."""


@dataclass
class _Batch:
    events: list[tuple[Event, ConsumerRecord[bytes, bytes]]] = field(default_factory=list)
    tombstones: list[Tombstone] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    @property
    def merchants(self) -> set[str]:
        return {event.merchant_id for event, _ in self.events} | {
            gone.merchant_id for gone in self.tombstones
        }


class Subscriber:
    """One topic's consumption.

    Args:
        bears: refusals by the handler within a minute; one more stops the topic: a bad deploy must not empty it.
        refusals: when they were, on the monotonic clock; the members of one process count them together.
    """

    def __init__(
        self,
        event: type[Event],
        subscription: Subscription,
        database: Database,
        watch: OutboxWatch,
        *,
        bears: int,
        refusals: deque[float] | None = None,
    ) -> None:
        self.event, self.topic = event, event.TOPIC
        self._subscription, self._database, self._watch = subscription, database, watch
        self._bears = bears
        self._refusals: deque[float] = deque() if refusals is None else refusals
        self._done: dict[TopicPartition, int] = {}
        self._resting: AIOKafkaConsumer | None = None
        self._hearing = Hearing()
        self.stopping = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()
        self.stopped_because: str | None = None
        self.source: Any = None  # FastStream's subscriber

    @property
    def consumer(self) -> Any:
        """The consumer, None before FastStream has made it: a first batch may come before the last start."""
        return self.source.consumer if self.source is not None else None

    async def poll(self, consumer: AIOKafkaConsumer) -> Records:
        """Wait for records, and fetch no more of them until these are handled, unless there are many.

        A rest after a poll without records, as the library's own, would keep the next record waiting, or the polls
        short: at 20 ms they cost fourteen idle consumers of one service 3 % of a core (measured). And what is fetched
        while a batch is handled is the one record that comes first, which would make a batch of its own.
        """
        found = await consumer.getmany(timeout_ms=WAIT_MS, max_records=AT_ONCE)
        records = tuple(record for one in found.values() for record in one)
        if records:
            self._hearing.heard()
        if 0 < len(records) < AT_ONCE:
            consumer.pause(*consumer.assignment())
            self._resting = consumer
        return records

    async def consume(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Handle what one poll brought, commit its offsets, or leave them to be fetched again."""
        if self.stopped_because or self.stopping.is_set():
            await rest(self.stopping, 1.0)
            return
        self.idle.clear()
        try:
            await self._to_its_end(records)
        except Exception as surprise:  # noqa: BLE001  # whatever it is, it must be seen and lose nothing
            self._stop(surprise)
        finally:
            self.idle.set()

    async def consume_and_gather(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Handle what one poll brought, and let records gather before the next unless it was full."""
        began = time.monotonic()
        try:
            await self.consume(records)
            if len(records) < AT_ONCE:
                await rest(self.stopping, _gathering(time.monotonic() - began))
        finally:
            if self._resting is not None:
                self._resting.resume(*self._resting.assignment())
                self._resting = None

    async def _to_its_end(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        batch, began, pause = self._judge(records), time.monotonic(), BACK_OFF_FROM
        while not self.stopping.is_set():
            try:
                if self._watch.too_old:
                    raise Retryable("the outbox is too old")  # noqa: TRY301  # one place decides what waits
                await self._in_one_transaction(batch, time.monotonic() - began > SETTINGS_WITHIN)
            except Exception as error:
                if not is_retryable(error):
                    raise
                if time.monotonic() - began > PATIENCE:
                    self._seek_back(records)
                    return
                log.warning("batch.retrying", topic=self.topic.name, error=repr(error)[:300], seconds=pause)
                await rest(self.stopping, pause)
                pause = min(pause * 2, BACK_OFF_TO)
            else:
                BATCH_SECONDS.labels(self.topic.name).observe(time.monotonic() - began)
                await self._commit(records)
                return

    def _judge(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> _Batch:
        """Judge headers, size, JSON and schema before anything touches the database."""
        batch = _Batch()
        for record in records:
            try:
                found = read(self.topic.name, record.key, record.headers, record.value)
            except Unreadable as wrong:
                batch.refused.append(_refused(self.topic.name, record, wrong.reason, wrong.detail))
                continue
            if isinstance(found, Tombstone):
                batch.tombstones.append(found)
            else:
                batch.events.append((found, record))
        return batch

    async def _in_one_transaction(self, batch: _Batch, settings_overdue: bool) -> None:  # noqa: FBT001  # a measurement, not a switch
        links = [link_to(headers_of(record.headers)) for _, record in batch.events]
        with tracer.start_as_current_span(
            f"{self.topic.name} handle", kind=SpanKind.CONSUMER, links=[link for link in links if link]
        ):
            try:
                async with self._database.transaction(batch.merchants) as tx:
                    known = await self._known(tx, batch, settings_overdue)
                    await self._handle(tx, known, self._all_at_once)
                    done = list(known.refused)
                    await quarantine.put(tx, done)
            except Exception as error:
                if unprocessable(error) is None:
                    raise
                async with self._database.transaction(batch.merchants) as tx:
                    known = await self._known(tx, batch, settings_overdue)
                    culprits = await self._handle(tx, known, self._one_by_one)
                    self._count_refusals(culprits)
                    done = [*known.refused, *culprits]
                    await quarantine.put(tx, done)
        for refused in done:
            log.error("record.refused", topic=refused.topic, offset=refused.offset, reason=refused.reason)
            EVENTS_REFUSED.labels(refused.topic, refused.reason).inc()

    async def _known(self, tx: Tx, batch: _Batch, settings_overdue: bool) -> _Batch:  # noqa: FBT001  # likewise
        """Leave out the events of merchants that nobody has ever heard of, once their settings are overdue."""
        if self.event is SettingsChanged or all(tx.knows(event.merchant_id) for event, _ in batch.events):
            return batch
        if not settings_overdue:
            raise Retryable("a merchant's settings have not arrived")
        known = _Batch(tombstones=batch.tombstones, refused=list(batch.refused))
        for event, record in batch.events:
            if tx.knows(event.merchant_id):
                known.events.append((event, record))
            else:
                known.refused.append(
                    _refused(
                        self.topic.name,
                        record,
                        "unknown_merchant",
                        f"no settings within {SETTINGS_WITHIN:g} s",
                    )
                )
        return known

    async def _handle(
        self,
        tx: Tx,
        batch: _Batch,
        how: Callable[[Tx, list[tuple[Event, ConsumerRecord[bytes, bytes]]]], Awaitable[list[Refused]]],
    ) -> list[Refused]:
        fresh = batch.events
        if not self.topic.snapshot:
            unseen = await inbox.unseen(tx, [event for event, _ in fresh])
            wanted = {id(event) for event in unseen}
            EVENTS_REPEATED.labels(self.topic.name).inc(len(fresh) - len(unseen))
            fresh = [(event, record) for event, record in fresh if id(event) in wanted]
        await tx.lock_customers(customers_of([event for event, _ in fresh]))
        culprits = await how(tx, fresh)
        if batch.tombstones and self._subscription.erased is not None:
            await self._subscription.erased(batch.tombstones, tx)
        EVENTS_HANDLED.labels(self.topic.name).inc(len(fresh) - len(culprits))
        return culprits

    async def _all_at_once(
        self, tx: Tx, fresh: list[tuple[Event, ConsumerRecord[bytes, bytes]]]
    ) -> list[Refused]:
        if fresh:
            await self._subscription.handler([event for event, _ in fresh], tx)
        return []

    async def _one_by_one(
        self, tx: Tx, fresh: list[tuple[Event, ConsumerRecord[bytes, bytes]]]
    ) -> list[Refused]:
        """Find the culprit: each message on its own, in a savepoint; a refused one may come again after replay."""
        culprits = []
        for event, record in fresh:
            try:
                async with tx.savepoint():
                    await self._subscription.handler([event], tx)
            except Exception as error:
                refusal = unprocessable(error)
                if refusal is None:
                    raise
                culprits.append(_refused(self.topic.name, record, refusal.reason, refusal.detail))
                await inbox.forget(tx, [event.id])
        return culprits

    def _count_refusals(self, culprits: Sequence[Refused]) -> None:
        now = time.monotonic()
        self._refusals.extend(now for _ in culprits)
        while self._refusals and self._refusals[0] < now - 60:
            self._refusals.popleft()
        if len(self._refusals) > self._bears:
            msg = f"{len(self._refusals)} refusals within a minute, the last: {culprits[-1].reason}"
            raise _Stop(msg)

    async def _commit(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Commit their offsets, or not: who reads them again, this member or another, finds them in the inbox."""
        try:
            async with asyncio.timeout(COMMITTED_WITHIN):
                await self.consumer.commit(offsets := _after(records))
            self._done.update(offsets)
        except (KafkaError, TimeoutError) as error:
            self._hearing.lost |= isinstance(error, TimeoutError)
            log.warning("offsets.not_committed", topic=self.topic.name, error=repr(error)[:300])

    def _seek_back(self, records: Sequence[ConsumerRecord[bytes, bytes]]) -> None:
        """Have the records fetched anew: polling goes on, so that the group keeps us, and nothing is passed over."""
        assigned = self.consumer.assignment()
        for where, offset in _before(records).items():
            if where in assigned:
                self.consumer.seek(where, offset)

    def _stop(self, why: Exception) -> None:
        self.stopped_because = f"{type(why).__name__}: {why}"[:300]
        CONSUMER_STOPPED.labels(self.topic.name).set(1)
        log.critical("subscription.stopped", topic=self.topic.name, error=self.stopped_because, exc_info=why)

    def begin(self) -> None:
        """Make ready for a consumer that starts."""
        self.stopping.clear()
        self._hearing = Hearing()

    async def is_deaf(self) -> bool:
        """Tell whether its consumer does not bring what waits, though nothing else keeps it, or has no answers."""
        if self.consumer is not None and self.idle.is_set() and not self.stopped_because:
            await self._hearing.listen(self.consumer)
        return self._hearing.lost

    def lag(self) -> int:
        """Count the records that wait in the partitions we hold, as far as the last poll knew."""
        if self.consumer is None:
            return 0
        return sum(
            max(0, (self.consumer.highwater(where) or 0) - self._done.get(where, 0))
            for where in self.consumer.assignment()
            if where in self._done
        )


def _gathering(took: float) -> float:
    """Say for how many seconds records gather after a batch that took so many."""
    return min(max(GATHER, took * GATHER_TIMES), GATHER_AT_MOST) - took


def customers_of(events: Sequence[Event]) -> set[Customer]:
    """Give the customers that events are about."""
    return {(event.merchant_id, event.customer_id) for event in events if isinstance(event, CustomerEvent)}


def _where(record: ConsumerRecord[bytes, bytes]) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)


def _after(records: Sequence[ConsumerRecord[bytes, bytes]]) -> dict[TopicPartition, int]:
    return {
        where: max(r.offset for r in group) + 1
        for where, group in groupby(sorted(records, key=_where), _where)
    }


def _before(records: Sequence[ConsumerRecord[bytes, bytes]]) -> dict[TopicPartition, int]:
    return {
        where: min(r.offset for r in group) for where, group in groupby(sorted(records, key=_where), _where)
    }


def _refused(topic: str, record: ConsumerRecord[bytes, bytes], reason: str, detail: str) -> Refused:
    headers = headers_of(record.headers)
    return Refused(
        topic=topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        headers=tuple(record.headers),
        value=record.value,
        reason=reason,
        detail=detail,
        merchant_id=_storable(headers.get("ce_recoupmerchant")),
        customer_id=_storable(headers.get("ce_recoupcustomer")),
    )


def _storable(header: str | None) -> str | None:
    """Give a header that a column can hold: a name with a NUL is nobody's."""
    return None if header is None or "\0" in header else header
