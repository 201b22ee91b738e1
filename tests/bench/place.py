"""Where a row is measured: broker, Postgres and databases that are started when a row first asks for them.

They end with the run, whatever happens. Each database is new and migrated, each set of topics has a prefix of its own.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg

from recoup_chassis.config import ServiceConfig
from recoup_chassis.process import Part
from recoup_local import sources
from recoup_local.databases import Database
from recoup_local.house import ADAPTER, SERVICES, House, open_house
from recoup_local.jars import locked
from recoup_local.kafka import Kafka
from recoup_local.postgres import Postgres
from recoup_local.pytest_plugin import ServiceDatabases, Topics
from recoup_local.run import Run
from recoup_local.services import Service

from .measure import Say

READY_WITHIN = 300.0
"""Seconds for a service to become ready; a limit against hanging."""


class Place:
    """What a row may use.

    Args:
        run: what is started belongs to it.
        quick: sizes are as small as can be, for a look whether everything works.
        scale: share of the full sizes, above 0, at most 1.
        say: is told what takes its time.
        kafka: a broker that runs already.
        postgres: a server that runs already.
        databases: those made on it.
        house: services, broker and databases that run already.
    """

    def __init__(
        self,
        run: Run,
        *,
        quick: bool = False,
        scale: float = 1.0,
        say: Say = lambda _: None,
        kafka: Kafka | sources.ExternalKafka | None = None,
        postgres: Postgres | sources.ExternalPostgres | None = None,
        databases: ServiceDatabases | None = None,
        house: House | None = None,
    ) -> None:
        self.run, self.quick, self.scale, self.say = run, quick, scale, say
        self._kafka, self._postgres, self._databases, self._house = kafka, postgres, databases, house

    def size(self, full: int, quick: int) -> int:
        """Give the size for this invocation."""
        return quick if self.quick else max(quick, round(full * self.scale))

    async def kafka(self) -> str:
        """Give the broker's host and port."""
        if self._kafka is None:
            self.say("starting Kafka")
            self._kafka = await sources.kafka(self.run)
        return self._kafka.bootstrap_servers

    async def topics(self, only: Iterable[str] | None = None, partitions: int = 12) -> str:
        """Make Recoup's topics, or only those named, anew; give their prefix."""
        return await Topics(await self.kafka()).create(f"b{secrets.token_hex(4)}.", partitions, only)

    async def postgres(self) -> Postgres | sources.ExternalPostgres:
        """Give the server."""
        if self._postgres is None:
            self.say("starting Postgres")
            self._postgres = await sources.postgres(self.run)
            self._databases = ServiceDatabases(sources.databases(self.run, self._postgres))
        return self._postgres

    async def database(self, service: str) -> Database:
        """Give a new, migrated database of a service; `chassis` has the chassis' tables alone."""
        await self.postgres()
        assert self._databases is not None
        return await self._databases.fresh(service)

    async def drop(self, database: Database) -> None:
        """Remove a database before the run's end, to give its disk back."""
        assert self._databases is not None
        await self._databases.drop(database)

    async def house(self) -> House:
        """Give the whole house, every service running; one account may be asked as fast as the house is able."""
        if self._house is None:
            house = await open_house(self.run, say=self.say)
            own = {**house.environments[ADAPTER], "ACCOUNT_RATE": "1000"}
            self._house = replace(house, environments={**house.environments, ADAPTER: own})
            self._kafka, self._postgres = house.kafka, house.postgres
            self.say("starting the four services")
            for name in SERVICES:
                self._house.services[name] = Service(self.run, name, self._house.environments[name])
                self._house.services[name].launch()
            for service in self._house.services.values():
                await service.ready(READY_WITHIN)
        return self._house

    def config(self, database: Database, kafka: str = "", prefix: str = "") -> ServiceConfig:
        """Give what the chassis is configured with."""
        return ServiceConfig(
            database_url=database.app_dsn,
            kafka_bootstrap_servers=kafka,
            kafka_topic_prefix=prefix,
            ops_port=0,
        )

    async def versions(self) -> dict[str, str]:
        """Say the versions of the servers that were used."""
        told = {}
        if self._postgres is not None:
            connection = await asyncpg.connect(self._postgres.admin_dsn)
            told["PostgreSQL"] = (await connection.fetchval("SHOW server_version")).split()[0]
            await connection.close()
        if isinstance(self._kafka, Kafka):
            told["Apache Kafka"] = kafka_version()
        return told


def kafka_version() -> str:
    """Give the version of the jars that brokers on this machine run from."""
    return next(jar.coordinate.rpartition(":")[2] for jar in locked() if ":kafka-server:" in jar.coordinate)


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
