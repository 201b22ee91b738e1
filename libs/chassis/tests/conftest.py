"""A service in miniature: it counts failures by customer. Its handler stands for any service's."""

import asyncio
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from recoup_chassis import clocks
from recoup_chassis.config import ServiceConfig
from recoup_chassis.kafka import Consumers, Handler, Subscription
from recoup_chassis.outbox import OutboxWatch, Relay
from recoup_chassis.postgres import Database, Tx
from recoup_chassis.process import Part
from recoup_events.envelope import write
from recoup_events.models import Event, PaymentFailed, SettingsChanged
from recoup_events.parts import DeclineFacts, Money
from recoup_events.values import FailureNature, fact_id
from recoup_local.pytest_plugin import ServiceDatabases, Topics

SERVICE = Path(__file__).with_name("tally_service.py")
WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
TALLY = """
CREATE TABLE tally (merchant_id text NOT NULL, customer_id text NOT NULL, n bigint NOT NULL,
                    PRIMARY KEY (merchant_id, customer_id));
ALTER TABLE tally ENABLE ROW LEVEL SECURITY;
ALTER TABLE tally FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tally USING (merchant_id = ANY ((SELECT recoup_merchants())::text[]));
"""


def failure(merchant: str, customer: str, n: int = 0) -> PaymentFailed:
    """The n-th failure of a customer."""
    return PaymentFailed(
        id=fact_id("acct_1", "payment.failed", f"ch_{merchant}_{customer}_{n}"),
        time=WHEN,
        merchant_id=merchant,
        customer_id=customer,
        account_id="acct_1",
        gateway="stripe",
        nature=FailureNature.RENEWAL,
        charge_id=f"ch_{merchant}_{customer}_{n}",
        amount=Money(minor=1999, currency="EUR"),
        decline=DeclineFacts(code="insufficient_funds"),
    )


def live_merchant(merchant: str) -> SettingsChanged:
    """The setting that puts a merchant on the real clock."""
    return SettingsChanged(
        id=fact_id(merchant, "settings.changed", "merchant", "1"),
        time=WHEN,
        merchant_id=merchant,
        version=1,
        setting="merchant",
        value={"name": "A merchant"},
    )


async def count_failures(batch: Sequence[PaymentFailed], tx: Tx) -> None:
    """Count each failure once."""
    for event in batch:
        await tx.execute(
            "INSERT INTO tally VALUES ($1, $2, 1) ON CONFLICT (merchant_id, customer_id) DO UPDATE SET n = tally.n + 1",
            event.merchant_id,
            event.customer_id,
        )


@dataclass
class Bench:
    """One database, one set of topics, and members of a service on them."""

    config: ServiceConfig
    database: Database
    owner_dsn: str
    producer: AIOKafkaProducer
    _replicas: Any = field(default_factory=itertools.count)

    async def send(self, *events: Event) -> None:
        """Put events on their topics as a relay would."""
        await asyncio.gather(*[await self._send(event) for event in events])

    async def _send(self, event: Event) -> Any:
        record = write(event, source="/test", partitions=12)
        return await self.producer.send(
            self.config.kafka_topic_prefix + record.topic,
            value=record.value,
            key=record.key,
            partition=record.partition,
            headers=record.headers,
        )

    async def send_raw(
        self, topic: str, value: bytes | None, headers: list[tuple[str, Any]], partition: int
    ) -> None:
        """Put anything on a topic."""
        prefix = self.config.kafka_topic_prefix
        await self.producer.send_and_wait(
            prefix + topic, value=value, key=b"k", partition=partition, headers=headers
        )

    async def told(self) -> int:
        """How many failures the topic holds, one that was told twice counted twice."""
        topic = self.config.kafka_topic_prefix + "payment.failed"
        consumer = AIOKafkaConsumer(bootstrap_servers=self.config.kafka_bootstrap_servers)
        await consumer.start()
        try:
            ends = await consumer.end_offsets([TopicPartition(topic, number) for number in range(12)])
        finally:
            await consumer.stop()
        return sum(ends.values())

    def member(self, handler: Handler | Subscription = count_failures) -> Consumers:
        """Another member of the group."""
        config = self.config.model_copy(update={"replica": str(next(self._replicas))})
        table: dict[type[Event], Handler | Subscription] = {
            PaymentFailed: handler,
            SettingsChanged: clocks.settings_changed,
        }
        return Consumers(
            self.database, config, service="tally", subscriptions=table, watch=OutboxWatch(self.database)
        )

    def relay(self) -> Relay:
        """A relay on this database."""
        return Relay(self.database, self.config)

    async def command(self, *arguments: str) -> Any:
        """Run the command line that all services share; give what it printed."""
        env = {name.upper(): str(value) for name, value in self.config.model_dump().items() if value != ""}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(SERVICE),
            *arguments,
            env={**os.environ, **env},
            stdout=asyncio.subprocess.PIPE,
        )
        printed, _ = await process.communicate()
        assert process.returncode == 0
        return json.loads(printed)

    async def tally(self) -> int:
        """How many failures were counted, over all merchants."""
        return int(await self.as_owner("SELECT coalesce(sum(n), 0) FROM tally"))

    async def as_owner(self, query: str, *args: Any) -> Any:
        """One value, past row-level security (the owner is let through by a session setting)."""
        connection = await asyncpg.connect(self.owner_dsn)
        try:
            await connection.execute("ALTER TABLE tally NO FORCE ROW LEVEL SECURITY")
            return await connection.fetchval(query, *args)
        finally:
            await connection.execute("ALTER TABLE tally FORCE ROW LEVEL SECURITY")
            await connection.close()


@asynccontextmanager
async def running(*parts: Part) -> AsyncIterator[None]:
    """Run parts; stop them at the end as a process does."""
    stopping = asyncio.Event()
    tasks = [asyncio.create_task(part.serve(stopping)) for part in parts]
    try:
        yield
    finally:
        stopping.set()
        await asyncio.gather(*tasks)


@pytest_asyncio.fixture(loop_scope="session")
async def bench(database: ServiceDatabases, topics: Topics) -> AsyncIterator[Bench]:
    """A fresh database and fresh topics."""
    own = await database.fresh("chassis")
    owner = await asyncpg.connect(own.owner_dsn)
    await owner.execute(TALLY)
    await owner.close()
    prefix = await topics.create(f"t{uuid4().hex[:8]}.", only=["payment.failed", "settings.changed"])
    config = ServiceConfig(
        database_url=own.app_dsn,
        kafka_bootstrap_servers=topics.bootstrap_servers,
        kafka_topic_prefix=prefix,
        ops_port=0,
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=topics.bootstrap_servers, acks="all", enable_idempotence=True
    )
    await producer.start()
    async with await Database.connect(own.app_dsn, source="/test") as db:
        yield Bench(config, db, own.owner_dsn, producer)
    await producer.stop()
