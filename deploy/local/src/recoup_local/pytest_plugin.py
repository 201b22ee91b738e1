"""Fixtures for every member's tests: one broker and one Postgres a run, started when the first test asks.

They are real and come from where `recoup_local.sources` says. Each service's schema is migrated once into a
template; tests get a copy. Tests keep apart by merchant id and by topic prefix.
"""

import importlib
import secrets
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from types import ModuleType

import pytest
import pytest_asyncio

from recoup_events.topics import TOPICS
from recoup_local import sources
from recoup_local.databases import Database, Databases
from recoup_local.eventually import eventually
from recoup_local.kafka import Kafka
from recoup_local.postgres import Postgres
from recoup_local.run import Run
from recoup_local.topics import create_topics

__all__ = ["ServiceDatabases", "Topics", "eventually"]


@dataclass
class ServiceDatabases:
    """Databases of services, by name as in `gateway-adapter`; `chassis` has the chassis' tables alone.

    `await database("notifier")` is the service's one for the whole run; `await database.fresh("notifier")`
    is a new copy for a test that breaks or counts things.
    """

    _databases: Databases
    _templates: dict[str, Database] = field(default_factory=dict)
    _shared: dict[str, Database] = field(default_factory=dict)

    async def __call__(self, service: str) -> Database:
        """Give the service's migrated database, the same one for the whole run."""
        if service not in self._shared:
            self._shared[service] = await self.fresh(service)
        return self._shared[service]

    async def fresh(self, service: str) -> Database:
        """Give a copy of the service's migrated database that nobody else has (50 ms)."""
        if service not in self._templates:
            template = await self._databases.create(service)
            await _migrate(service, template)
            self._templates[service] = template
        template = self._templates[service]
        copy = f"{template.name}_{secrets.token_hex(4)}"
        return await self._databases.create(service, copy, template=template.name)

    async def empty(self, service: str) -> Database:
        """Give a database without any table, for tests of migrations themselves."""
        name = f"{self._databases.prefix}empty_{secrets.token_hex(4)}"
        return await self._databases.create(service, name)

    async def drop(self, database: Database) -> None:
        """Remove a fresh or empty one before the run's end."""
        await self._databases.drop(database.name)


@dataclass(frozen=True)
class Topics:
    """Makes topics on the run's broker."""

    bootstrap_servers: str

    async def create(self, prefix: str, partitions: int = 12, only: Iterable[str] | None = None) -> str:
        """Make Recoup's topics, or `only` those named, under a prefix; safe to repeat. Gives the prefix."""
        chosen = TOPICS if only is None else {name: TOPICS[name] for name in only}
        wanted = {prefix + name: topic.config() for name, topic in chosen.items()}
        await create_topics(self.bootstrap_servers, wanted, partitions=partitions)
        return prefix


async def _migrate(service: str, database: Database) -> None:
    """Bring the empty database to the service's schema, as its `migrate` command does."""
    migrations: ModuleType = importlib.import_module("recoup_chassis.migrate")
    await migrations.migrate(
        database.owner_dsn,
        f"recoup_{service.replace('-', '_')}",
        {"app": database.app_role, "http": database.http_role},
    )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def local_run() -> AsyncIterator[Run]:
    """This pytest run's directory and processes; they end with it, even after a kill -9."""
    async with Run() as run:
        yield run


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kafka_server(local_run: Run) -> Kafka | sources.ExternalKafka:
    """The run's broker; one on this machine can be killed and restarted."""
    return await sources.kafka(local_run)


@pytest.fixture(scope="session")
def kafka_bootstrap(kafka_server: Kafka | sources.ExternalKafka) -> str:
    """Host and port of the run's broker."""
    return kafka_server.bootstrap_servers


@pytest.fixture(scope="session")
def topics(kafka_bootstrap: str) -> Topics:
    """Makes Recoup's topics under a prefix."""
    return Topics(kafka_bootstrap)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres_server(local_run: Run) -> Postgres | sources.ExternalPostgres:
    """The run's Postgres; one on this machine can be crashed and restarted."""
    return await sources.postgres(local_run)


@pytest.fixture(scope="session")
def database(local_run: Run, postgres_server: Postgres | sources.ExternalPostgres) -> ServiceDatabases:
    """Give each service its migrated database; call it with the name as in `gateway-adapter`."""
    return ServiceDatabases(sources.databases(local_run, postgres_server))
