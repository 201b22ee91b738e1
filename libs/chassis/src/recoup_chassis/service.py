"""What every service is made of beside its own parts: consumers, relay, operator's port, pruning."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from recoup_chassis import inbox, telemetry
from recoup_chassis.config import ServiceConfig
from recoup_chassis.errors import Retryable
from recoup_chassis.http import HttpServer, Problem, operations
from recoup_chassis.kafka import Consumers, Handler, Subscription
from recoup_chassis.outbox import OutboxWatch, Relay
from recoup_chassis.postgres import Database
from recoup_chassis.process import Loop, Part, run
from recoup_events.models import Event


async def connect(service: str, config: ServiceConfig, *, connections: int = 10) -> Database:
    """Set up logs and traces, and wait for the service's own database for as long as it takes."""
    telemetry.configure(service, config.log_level)
    while True:
        try:
            return await Database.connect(
                config.database_url,
                source=f"/recoup/{service}",
                partitions=config.kafka_partitions,
                connections=connections,
            )
        except Retryable as down:
            telemetry.log.warning("database.waiting", error=str(down)[:200])
            await asyncio.sleep(1)


async def serve(
    service: str,
    config: ServiceConfig,
    database: Database,
    *,
    subscriptions: Mapping[type[Event], Handler | Subscription],
    parts: Sequence[Part] = (),
    problems: Mapping[str, Problem] | None = None,
) -> None:
    """Run a service until SIGTERM: consumers and its own parts first, the relay last.

    Raises:
        ExceptionGroup: a part failed; all the others were stopped first.
    """
    watch = OutboxWatch(database)
    consumers = Consumers(database, config, service=service, subscriptions=subscriptions, watch=watch)
    readiness = {"database": database.problem, "consumers": consumers.problem, **(problems or {})}
    operator = HttpServer(operations(readiness), config.bind_address, config.ops_port, "operations")

    async def prune() -> None:
        async with database.transaction(()) as tx:
            await inbox.prune(tx)

    pruning = Loop("inbox-prune", prune, every=timedelta(minutes=1))
    telemetry.log.info("service.started", replica=config.replica)
    await run([operator, watch.part, consumers, pruning, *parts], last=[Relay(database, config)])
    await database.close()
    telemetry.log.info("service.stopped")
