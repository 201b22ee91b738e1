"""Where brokers and databases come from, for demo, tests and bench alike.

In this order: those named by KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL; containers, when RECOUP_LOCAL=docker;
this machine. Each is there inside the `async with` and gone after it, but for those that were named.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from recoup_local.kafka import Kafka
from recoup_local.postgres import Postgres
from recoup_local.run import Run
from recoup_local.state import LocalError


@dataclass(frozen=True)
class ExternalKafka:
    """A broker that isn't ours to kill."""

    bootstrap_servers: str


@dataclass(frozen=True)
class ExternalPostgres:
    """A server that isn't ours to crash, and that others may use: names made on it need a prefix."""

    admin_dsn: str = field(repr=False)
    prefix: str


@asynccontextmanager
async def kafka(run: Run, brokers: int = 1) -> AsyncIterator[Kafka | ExternalKafka]:
    """A broker, or a cluster of three on this machine.

    Raises:
        LocalError: it doesn't start, or three are asked for where they can't be.
    """
    if servers := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield ExternalKafka(servers)
    elif _docker():
        from recoup_local.containers import kafka_container  # noqa: PLC0415 - docker's client takes 0.3 s

        if brokers != 1:
            raise LocalError("a cluster of three starts on this machine only: unset RECOUP_LOCAL")
        async with kafka_container() as bootstrap_servers:
            yield ExternalKafka(bootstrap_servers)
    else:
        cluster = await Kafka.start(run, brokers)
        try:
            yield cluster
        finally:
            await cluster.close()


@asynccontextmanager
async def postgres(run: Run) -> AsyncIterator[Postgres | ExternalPostgres]:
    """A server.

    Raises:
        LocalError: it doesn't start.
    """
    prefix = f"r{run.id.replace('-', '_')}_"
    if dsn := os.environ.get("DATABASE_URL"):
        yield ExternalPostgres(dsn, prefix)
    elif _docker():
        from recoup_local.containers import postgres_container  # noqa: PLC0415 - docker's client takes 0.3 s

        async with postgres_container() as admin_dsn:
            yield ExternalPostgres(admin_dsn, "")
    else:
        server = await Postgres.start(run)
        try:
            yield server
        finally:
            await server.process.stop()


def _docker() -> bool:
    match os.environ.get("RECOUP_LOCAL", ""):
        case "docker":
            return True
        case "" | "machine":
            return False
        case other:
            raise LocalError(f"RECOUP_LOCAL={other} is unknown: `docker`, or `machine` (the default)")
