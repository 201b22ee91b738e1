"""Where brokers and databases come from, for demo, tests and bench alike.

In this order: those named by KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL; containers, when RECOUP_LOCAL=docker;
this machine. What is started here ends with the run.
"""

import os
from dataclasses import dataclass, field

from recoup_local.databases import Databases
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


async def kafka(run: Run, brokers: int = 1) -> Kafka | ExternalKafka:
    """Give a broker, or a cluster of three on this machine; it ends with the run.

    Raises:
        LocalError: it doesn't start, or three are asked for where they can't be.
    """
    if servers := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        return ExternalKafka(servers)
    if _docker():
        from recoup_local.containers import kafka_container  # noqa: PLC0415 - docker's client takes 0.3 s

        if brokers != 1:
            raise LocalError("a cluster of three starts on this machine only: unset RECOUP_LOCAL")
        return ExternalKafka(await kafka_container(run))
    return await Kafka.start(run, brokers)


async def postgres(run: Run) -> Postgres | ExternalPostgres:
    """Give a server; it ends with the run.

    Raises:
        LocalError: it doesn't start.
    """
    if dsn := os.environ.get("DATABASE_URL"):
        return ExternalPostgres(dsn, prefix=f"r{run.id.replace('-', '_')}_")
    if _docker():
        from recoup_local.containers import postgres_container  # noqa: PLC0415 - docker's client takes 0.3 s

        return ExternalPostgres(await postgres_container(run), prefix="")
    return await Postgres.start(run)


def databases(run: Run, server: Postgres | ExternalPostgres) -> Databases:
    """Make databases on a server; on one that others use they are dropped at the end of the run."""
    if isinstance(server, Postgres):
        return Databases(server.admin_dsn)
    made = Databases(server.admin_dsn, server.prefix)
    if server.prefix:
        run.at_the_end(made.close)
    return made


def _docker() -> bool:
    match os.environ.get("RECOUP_LOCAL", ""):
        case "docker":
            return True
        case "" | "machine":
            return False
        case other:
            raise LocalError(f"RECOUP_LOCAL={other} is unknown: `docker`, or `machine` (the default)")
