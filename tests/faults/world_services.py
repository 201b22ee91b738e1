"""The four services in this process, each loop a step: their own handlers on their own databases, on one clock.

Promise: nothing of theirs is replaced but time (a schema before pg_catalog), the broker (logs in memory, delivered by
the chassis' own subscriber), the mail server (takes everything) and the gateway's socket.
"""

import asyncio
import base64
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from aiokafka import ConsumerRecord, TopicPartition

from recoup_chassis import postgres
from recoup_chassis.batches import Subscriber, Subscription
from recoup_chassis.outbox import OutboxWatch, Relay
from recoup_chassis.postgres import Tx
from recoup_chassis.timers import Dispatcher
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.app import runners
from recoup_gateway_adapter.facts.cursor import EventCursor
from recoup_gateway_adapter.facts.join import Joining
from recoup_gateway_adapter.facts.loop import Translation
from recoup_gateway_adapter.subscriptions import SUBSCRIPTIONS as ADAPTERS
from recoup_gateway_adapter.work.loop import Executor
from recoup_local.databases import Database as Made
from recoup_notifier.channels.smtp import Delivered
from recoup_notifier.compose.links import Links, SigningKey
from recoup_notifier.correspondence.loop import Sender
from recoup_notifier.subscriptions import SUBSCRIPTIONS as NOTIFIERS
from recoup_portal_api.access.domain import Marks
from recoup_portal_api.subscriptions import table
from recoup_retry_scheduler.cases import handlers as cases
from recoup_retry_scheduler.cases.domain.case import WakeKind
from recoup_retry_scheduler.subscriptions import SUBSCRIPTIONS as SCHEDULERS

from .world_gateway import Practice

ADAPTER, SCHEDULER, NOTIFIER, PORTAL = SERVICES = (
    "gateway-adapter",
    "retry-scheduler",
    "notifier",
    "portal-api",
)
KEY = base64.b64encode(bytes(32)).decode()
PATIENCE = timedelta(hours=1)

CLOCK = """
CREATE SCHEMA sim;
CREATE TABLE sim.clock (at timestamptz NOT NULL);
INSERT INTO sim.clock VALUES (pg_catalog.now());
CREATE FUNCTION sim.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM sim.clock';
CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM sim.clock';
CREATE FUNCTION sim.statement_timestamp() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM sim.clock';
GRANT USAGE ON SCHEMA sim TO PUBLIC;
GRANT SELECT ON sim.clock TO PUBLIC;
DO $$
DECLARE found record;
BEGIN
    FOR found IN SELECT c.relname, a.attname FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.adnum
        WHERE pg_get_expr(d.adbin, d.adrelid) IN ('now()', 'pg_catalog.now()')
    LOOP
        EXECUTE format('ALTER TABLE public.%I ALTER %I SET DEFAULT sim.now()', found.relname, found.attname);
    END LOOP;
END $$;
"""

EMPTY = """
SELECT 'SET session_replication_role = replica; '
    || string_agg(format('DELETE FROM public.%I; ', tablename), '' ORDER BY tablename)
    || 'DELETE FROM public.merchant_clocks; DELETE FROM public.clocks WHERE clock_id <> 0; '
    || 'UPDATE public.restored SET restored_at = NULL; RESET session_replication_role'
FROM pg_tables WHERE schemaname = 'public'
  AND tablename NOT IN ('relay_buckets', 'restored', 'schema_migrations', 'stop_everything', 'clocks',
                        'merchant_clocks')
"""


class Database(postgres.Database):
    """A service's database in which a crash before or after a commit can be drawn."""

    practice: Practice

    @asynccontextmanager
    async def transaction(self, merchants: Iterable[str]) -> AsyncIterator[Tx]:
        """Open a transaction; die before its commit, or just after it, as the weather has it."""
        async with super().transaction(merchants) as tx:
            yield tx
            self.practice.may_crash("before a commit")
        self.practice.may_crash("after a commit")


@dataclass
class Batch:
    """Records of one partition on their way."""

    records: list[tuple[bytes, bytes | None, list[tuple[str, bytes]]]] = field(default_factory=list)

    def append(
        self, *, timestamp: None, key: bytes, value: bytes | None, headers: list[tuple[str, bytes]]
    ) -> bool:
        """Add a record."""
        self.records.append((key, value, headers))
        return timestamp is None


@dataclass
class Bus:
    """Topics in memory. Order holds within a partition, unless a world shuffles."""

    practice: Practice
    logs: dict[TopicPartition, list[Any]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[tuple[str, TopicPartition], int] = field(default_factory=lambda: defaultdict(int))

    def create_batch(self) -> "Batch":
        """Give an empty batch, which is never full."""
        return Batch()

    async def send_batch(self, batch: "Batch", topic: str, *, partition: int) -> "asyncio.Future[None]":
        """Append a batch's records, acknowledged at once."""
        log = self.logs[TopicPartition(topic, partition)]
        for key, value, headers in batch.records:
            size = len(value or b"")
            log.append(
                ConsumerRecord(
                    topic, partition, len(log), 0, 0, key, value, None, len(key), size, tuple(headers)
                )
            )
            self.practice.may_crash("after a record was published")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def waiting(self, group: str, topic: str) -> list[Any]:
        """Give what a group has not committed of a topic, each partition in its order."""
        found: list[Any] = []
        for where, log in sorted(self.logs.items()):
            if where.topic == topic:
                found += log[self.committed[group, where] :]
        return found


@dataclass
class Group:
    """A consumer group's position: what the chassis' subscriber commits to."""

    bus: Bus
    name: str

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        """Move on."""
        for where, offset in offsets.items():
            self.bus.committed[self.name, where] = offset

    def assignment(self) -> set[TopicPartition]:
        """Hold every partition."""
        return set(self.bus.logs)

    def seek(self, where: TopicPartition, offset: int) -> None:
        """Read again from here."""
        self.bus.committed[self.name, where] = min(offset, self.bus.committed[self.name, where])


@dataclass
class Mailbox:
    """A mail server that takes everything."""

    mails: list[str] = field(default_factory=list)

    async def send(self, sender: str, recipient: str, raw: bytes) -> Delivered:
        """Take a mail."""
        assert sender
        assert raw
        self.mails.append(recipient)
        return Delivered()


@dataclass
class Services:
    """What can be stepped."""

    practice: Practice
    databases: dict[str, Database]
    admins: dict[str, asyncpg.Connection]
    emptying: dict[str, str]
    relays: dict[str, asyncpg.Connection]
    made: dict[str, Made]

    @classmethod
    async def open(cls, practice: Practice, made: dict[str, Made], admin_dsn: str) -> Self:
        """Put the clock into each database and connect."""
        databases, admins, emptying, relays = {}, {}, {}, {}
        for name, one in made.items():
            admin = admins[name] = await asyncpg.connect(
                urlunsplit(urlsplit(admin_dsn)._replace(path=f"/{one.name}"))
            )
            await admin.execute(CLOCK)
            await admin.execute(f"ALTER DATABASE {one.name} SET search_path = sim, pg_catalog, public")
            await admin.execute(f"ALTER DATABASE {one.name} SET synchronous_commit = off")
            await admin.execute(f"ALTER DATABASE {one.name} SET jit = off")
            emptying[name] = await admin.fetchval(EMPTY)
            database = await Database.connect(one.app_dsn, source=f"/recoup/{name}", connections=2)
            database.practice = practice
            databases[name] = database
            relays[name] = await asyncpg.connect(one.app_dsn)
        return cls(practice, databases, admins, emptying, relays, made)

    async def reconnect(self) -> None:
        """After a crash: what a task that died held in its hands is nobody's any more."""
        for name, database in self.databases.items():
            if database.pool.get_idle_size() < database.pool.get_size():
                await database.close()
                again = await Database.connect(self.made[name].app_dsn, source=database.source, connections=2)
                database.pool = again.pool

    async def close(self) -> None:
        """Let go of the databases."""
        for database in self.databases.values():
            await database.close()
        for connection in (*self.admins.values(), *self.relays.values()):
            connection.terminate()

    async def clear(self) -> None:
        """Leave nothing of the last world."""
        await asyncio.gather(*(admin.execute(self.emptying[name]) for name, admin in self.admins.items()))

    async def set_clock(self, at: datetime, skew: Mapping[str, timedelta]) -> None:
        """Let the gateway and every database show this instant; a service's clock may be wrong by its skew."""
        self.practice.now.at = at
        await asyncio.gather(
            *(
                admin.execute("UPDATE sim.clock SET at = $1", at + skew.get(name, timedelta(0)))
                for name, admin in self.admins.items()
            )
        )


class Started:
    """The services of one world, started; whatever they hold in memory ends with it, or with a crash."""

    def __init__(self, services: Services, bus: Bus, mailbox: Mailbox) -> None:
        self.services, self.bus, self.mailbox = services, bus, mailbox
        self.loops: dict[str, Callable[[], Any]] = {}
        self.subscribers: dict[tuple[str, str], Subscriber] = {}
        self.announced: set[str] = set()
        self.restart()

    def restart(self) -> None:
        """Begin again, as processes do after a crash."""
        http: Any = self.services.practice
        adapter, scheduler, notifier = (self.services.databases[name] for name in SERVICES[:3])
        vault = Vault.parse(f"k1={KEY}")
        self.executor = Executor(adapter, runners(adapter, vault, http), slots=1)
        smtp: Any = self.mailbox
        links = Links("http://portal.invalid", SigningKey.read(f"k1={KEY}"))
        fire = Dispatcher(scheduler, cases.timers_fired, name="cases", kinds=[k.value for k in WakeKind]).fire
        self.loops = {
            "translate": Translation(adapter).once,
            "join": Joining(adapter, vault, http, PATIENCE).once,
            "work": self.executor.once,
            "cursor": EventCursor(adapter, vault, http).once,
            "timers": fire,
            "mail": Sender(notifier, smtp, links, mail_from="a@recoup.example", replica="0").once,
        } | {f"relay {name}": self._relay(name) for name in SERVICES}
        tables: dict[str, Any] = {
            ADAPTER: ADAPTERS,
            SCHEDULER: SCHEDULERS,
            NOTIFIER: NOTIFIERS,
            PORTAL: table(Marks(bytes(32))),
        }
        for name, subscriptions in tables.items():
            database = self.services.databases[name]
            for event, done in subscriptions.items():
                subscription = done if isinstance(done, Subscription) else Subscription(done)
                subscriber = Subscriber(event, subscription, database, OutboxWatch(database), bears=0)
                group = Group(self.bus, f"{name}.{event.TOPIC.name}")
                subscriber.source = SimpleNamespace(consumer=group)
                self.subscribers[name, event.TOPIC.name] = subscriber

    def _relay(self, name: str) -> Callable[[], Any]:
        config: Any = SimpleNamespace(kafka_topic_prefix="")
        relay = Relay(self.services.databases[name], config)
        self.services.databases[name]._on_announced = [partial(self.announced.add, name)]
        relay._acquired = set(range(1024))  # every bucket: there is no other relay
        producer: Any = self.bus

        async def once() -> bool:
            more = await relay._relay_some(self.services.relays[name], producer)
            if not more:
                self.announced.discard(name)
            return more

        return once

    def backlog(self) -> list[tuple[str, str]]:
        """Give who has something to consume, of which topic."""
        return [
            (service, topic)
            for service, topic in self.subscribers
            if self.bus.waiting(f"{service}.{topic}", topic)
        ]

    async def consume(self, service: str, topic: str, records: list[Any]) -> None:
        """Let a service handle records as one poll."""
        subscriber = self.subscribers[service, topic]
        await subscriber.consume(records)
        assert subscriber.stopped_because is None, f"{service} stopped {topic}: {subscriber.stopped_because}"
