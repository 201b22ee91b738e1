"""Where brokers and databases come from: the environment, containers, this machine, in this order."""

import asyncio
import os
import sys

import asyncpg
import pytest

from recoup_local import sources
from recoup_local.kafka import Kafka
from recoup_local.postgres import Postgres
from recoup_local.run import Run
from recoup_local.state import LocalError


async def test_a_named_broker_and_server_are_used_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "broker.example:9092")
    monkeypatch.setenv("DATABASE_URL", "postgresql://admin@db.example/postgres")
    monkeypatch.setenv("RECOUP_LOCAL", "docker")
    async with Run() as run:
        kafka, postgres = await sources.kafka(run), await sources.postgres(run)
        assert kafka == sources.ExternalKafka("broker.example:9092")
        assert postgres.admin_dsn == "postgresql://admin@db.example/postgres"
        assert run.processes == {}


async def test_an_unknown_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RECOUP_LOCAL", "podman")
    async with Run() as run:
        with pytest.raises(LocalError, match="RECOUP_LOCAL=podman is unknown"):
            await sources.kafka(run)
        with pytest.raises(LocalError, match="RECOUP_LOCAL=podman is unknown"):
            await sources.postgres(run)


CONTAINERS = """
import asyncio
import asyncpg
from recoup_local import sources
from recoup_local.run import Run
from recoup_local.state import LocalError

async def main():
    async with Run() as run:
        try:
            kafka, postgres = await sources.kafka(run), await sources.postgres(run)
        except LocalError as error:
            return print("refused:", error)
        connection = await asyncpg.connect(postgres.admin_dsn)
        print(type(kafka).__name__, await connection.fetchval("SHOW fsync"))
        await connection.close()

asyncio.run(main())
"""


@pytest.mark.slow
async def test_containers_serve_or_say_that_docker_is_missing() -> None:
    docker = await asyncio.create_subprocess_exec("sh", "-c", "docker info >/dev/null 2>&1")
    there = await docker.wait() == 0
    ours = ("KAFKA_BOOTSTRAP_SERVERS", "DATABASE_URL")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CONTAINERS),
        stdout=asyncio.subprocess.PIPE,
        env=environment | {"RECOUP_LOCAL": "docker"},
    )
    told = (await program.communicate())[0].decode()
    assert told.startswith(
        "ExternalKafka on" if there else "refused: RECOUP_LOCAL=docker, but Docker doesn't answer"
    )


@pytest.mark.postgres
async def test_on_a_shared_server_names_are_the_runs_own_and_are_dropped_at_its_end(
    monkeypatch: pytest.MonkeyPatch, postgres_server: Postgres | sources.ExternalPostgres
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_server.admin_dsn)
    async with Run() as one, Run() as other:
        made = []
        for run in (one, other):
            server = await sources.postgres(run)
            made.append(await sources.databases(run, server).create("notifier"))
        assert len({database.name for database in made}) == 2
        assert len({database.app_role for database in made}) == 2
    admin = await asyncpg.connect(postgres_server.admin_dsn)
    names = [database.name for database in made]
    assert await admin.fetchval("SELECT count(*) FROM pg_database WHERE datname = ANY ($1)", names) == 0
    roles = [database.app_role for database in made]
    assert await admin.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = ANY ($1)", roles) == 0
    await admin.close()


@pytest.mark.kafka
def test_this_machine_is_the_default(kafka_server: Kafka | sources.ExternalKafka) -> None:
    if not isinstance(kafka_server, Kafka):
        pytest.skip("this run uses a broker that was named")
    assert kafka_server.bootstrap_servers.startswith("127.0.0.1:")
