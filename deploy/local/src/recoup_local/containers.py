"""The same broker and server in containers, for who has Docker and wants no Java and no wheel.

Ports are on loopback only. testcontainers' reaper removes them after a kill.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable

import asyncpg
from docker.errors import DockerException  # type: ignore[import-untyped] # ships no types
from testcontainers.core.container import DockerContainer

from recoup_local.kafka import ask
from recoup_local.ports import LOOPBACK, free_port
from recoup_local.run import Run
from recoup_local.state import LocalError

KAFKA_IMAGE = "apache/kafka:4.3.0"
POSTGRES_IMAGE = "postgres:18"
READY_WITHIN = 120.0  # seconds after the image is here


async def kafka_container(run: Run) -> str:
    """Start one KRaft broker; give its bootstrap servers."""
    port = free_port()
    settings = {
        "NODE_ID": "1",
        "PROCESS_ROLES": "broker,controller",
        "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "ADVERTISED_LISTENERS": f"PLAINTEXT://{LOOPBACK}:{port}",
        "LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "INTER_BROKER_LISTENER_NAME": "PLAINTEXT",
        "AUTO_CREATE_TOPICS_ENABLE": "false",
        "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "BROKER_SESSION_TIMEOUT_MS": "2000",
        "BROKER_HEARTBEAT_INTERVAL_MS": "300",
    }
    container = _container(KAFKA_IMAGE)
    for name, value in settings.items():
        container.with_env(f"KAFKA_{name}", value)
    container.ports["9092/tcp"] = (LOOPBACK, port)  # type: ignore[assignment] # Docker takes an address

    async def answers() -> bool:
        return bool((await ask(port)).brokers)

    await _start(run, container, answers)
    return f"{LOOPBACK}:{port}"


async def postgres_container(run: Run) -> str:
    """Start one server with fsync on; give the superuser's DSN."""
    port, password = free_port(), secrets.token_urlsafe(24)
    dsn = f"postgresql://postgres:{password}@{LOOPBACK}:{port}/postgres"
    container = _container(POSTGRES_IMAGE).with_env("POSTGRES_PASSWORD", password)
    container.ports["5432/tcp"] = (LOOPBACK, port)  # type: ignore[assignment] # likewise

    async def answers() -> bool:
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
        except (OSError, asyncpg.PostgresError, TimeoutError):
            return False
        await connection.close()
        return True

    await _start(run, container, answers)
    return dsn


def _container(image: str) -> DockerContainer:
    try:
        return DockerContainer(image)
    except DockerException as error:
        raise LocalError(f"RECOUP_LOCAL=docker, but Docker doesn't answer: {error}") from error


async def _start(run: Run, container: DockerContainer, answers: Callable[[], Awaitable[bool]]) -> None:
    async def stop() -> None:
        await asyncio.to_thread(container.stop)

    run.at_the_end(stop)
    try:
        await asyncio.to_thread(container.start)
    except (DockerException, OSError) as error:
        raise LocalError(f"RECOUP_LOCAL=docker, but {container.image} doesn't start: {error}") from error
    deadline = time.monotonic() + READY_WITHIN
    while not await answers():
        if time.monotonic() > deadline:
            output = b"".join(container.get_logs()).decode(errors="replace")
            raise LocalError(f"{container.image} isn't ready within {READY_WITHIN:.0f} s:\n{output[-2000:]}")
        await asyncio.sleep(0.1)
