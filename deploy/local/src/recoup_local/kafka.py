"""Apache Kafka on this machine: one KRaft broker, or a cluster of three for fault tests.

Real brokers on loopback, from the jars of the lock and any Java of 17 or newer. A broker that is killed comes
back with its data on its port.
"""

import asyncio
import logging
import secrets
import signal
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from recoup_local.jars import classpath
from recoup_local.java import java
from recoup_local.ports import LOOPBACK, free_port, is_free
from recoup_local.processes import Process
from recoup_local.run import Run
from recoup_local.state import LocalError

READY_WITHIN = 300.0  # seconds; 3 s are usual, minutes on a machine that is busy with more
CHOICES_OF_PORTS = 5
POLL = 0.05  # seconds
STORAGE_TOOL = "kafka.tools.StorageTool"
HEAP_MEGABYTES = 256
KEEP_DAYS = 90  # consumer offsets live as long as the events
JVM = (
    "-Xms64m",
    f"-Xmx{HEAP_MEGABYTES}m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",  # else every JVM leaves a file in the machine's temporary directory
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
)


@dataclass(frozen=True)
class Broker:
    """One broker's place: it keeps both ports and the directory for life."""

    id: int  # starts at 1
    port: int
    controller_port: int
    directory: Path

    @property
    def name(self) -> str:
        """Of its process and log."""
        return f"kafka-{self.id}"

    @property
    def settings(self) -> Path:
        """Its server.properties."""
        return self.directory / "server.properties"


class Kafka:
    """A cluster of one or three brokers that belongs to a run."""

    def __init__(
        self,
        run: Run,
        brokers: tuple[Broker, ...],
        java_with: tuple[str, ...],
        cluster_id: str,
        overrides: Mapping[str, str],
    ) -> None:
        self._run = run
        self._java = java_with
        self._cluster_id = cluster_id
        self._overrides = overrides
        self.brokers = brokers
        self.replication = len(brokers)

    @classmethod
    async def start(
        cls,
        run: Run,
        brokers: int = 1,
        port: Callable[[], int] = free_port,
        overrides: Mapping[str, str] | None = None,
    ) -> Self:
        """Start a cluster and wait until its API lists every broker.

        Args:
            run: what it belongs to.
            brokers: 1, or 3 (then three replicas, two of which must have a record before it is acknowledged).
            port: chooses one. Where somebody takes it before the broker does, all are chosen again.
            overrides: server.properties that differ from ours.

        Raises:
            LocalError: no Java, a jar that isn't the locked one, or a broker that doesn't start.
        """
        if brokers not in (1, 3):
            raise ValueError(f"a cluster has 1 broker or 3, not {brokers}")
        directories = [run.data(f"kafka-{number}") for number in range(1, brokers + 1)]
        command = (await asyncio.to_thread(java), *JVM, "-cp", await asyncio.to_thread(classpath))
        cluster_id = "R" + urlsafe_b64encode(secrets.token_bytes(16)).decode()[:20] + "A"
        for _ in range(CHOICES_OF_PORTS):
            places = tuple(
                Broker(number, port(), port(), directory)
                for number, directory in enumerate(directories, start=1)
            )
            cluster = cls(run, places, command, cluster_id, overrides or {})
            if await cluster._try_start():
                return cluster
        raise LocalError(
            f"no port for Kafka in {CHOICES_OF_PORTS} tries: every one was taken before it started"
        )

    @property
    def bootstrap_servers(self) -> str:
        """Host and port of every broker, comma-separated."""
        return ",".join(f"{LOOPBACK}:{broker.port}" for broker in self.brokers)

    def process(self, broker: int = 1) -> Process:
        """The broker's process, by its id."""
        return self._run.processes[self._broker(broker).name]

    async def kill(self, broker: int = 1) -> None:
        """Crash it (kill -9). Its data stay for `restart`."""
        await self.process(broker).kill()

    async def stop(self, broker: int = 1) -> None:
        """Shut one broker down in order (SIGTERM)."""
        process = self.process(broker)
        process.send(signal.SIGTERM)
        if not await process.ended(within=60):
            raise LocalError(f"{process.name} doesn't stop on SIGTERM:\n{process.last_words()}")

    async def restart(self, broker: int = 1) -> None:
        """Start a broker that was killed or stopped, on its port with its data, and wait until it is back."""
        place = self._broker(broker)
        self._start(place)
        if not await self._ready(place):
            raise LocalError(f"port {place.port} or {place.controller_port} was taken while Kafka was down")

    async def close(self) -> None:
        """End all brokers at once; the data go with the run."""
        await asyncio.gather(*(self.process(broker.id).stop() for broker in self.brokers))

    def _broker(self, number: int) -> Broker:
        return self.brokers[number - 1]

    async def _try_start(self) -> bool:
        """Start all; False if a port was taken meanwhile."""
        for broker in self.brokers:
            changed = "".join(f"{name}={value}\n" for name, value in self._overrides.items())
            broker.settings.write_text(settings(broker, self.brokers) + changed)
        await asyncio.gather(*(self._format(broker) for broker in self.brokers))
        for broker in self.brokers:
            self._start(broker)
        ready = await asyncio.gather(*(self._ready(broker) for broker in self.brokers))
        if all(ready):
            return True
        await self.close()
        return False

    async def _format(self, broker: Broker) -> None:
        if (broker.directory / "data" / "meta.properties").exists():
            return
        alone = ["--standalone"] if self.replication == 1 else []
        process = self._run.start(
            f"{broker.name}-format",
            [*self._java, STORAGE_TOOL, "format", *alone, "-t", self._cluster_id, "-c", broker.settings],
        )
        if not await process.ended(READY_WITHIN) or process.returncode:
            raise LocalError(f"Kafka can't format its storage:\n{process.last_words()}")

    def _start(self, broker: Broker) -> None:
        self._run.start(
            broker.name,
            [*self._java, "kafka.Kafka", broker.settings],
            cwd=broker.directory,
            stop_signal=signal.SIGKILL,  # its data go with the run: an orderly end is 2 s for nothing
        )

    async def _ready(self, broker: Broker) -> bool:
        """Wait until the broker's own API lists the whole cluster; False if it ended over a taken port."""
        process = self._run.processes[broker.name]
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not await self._answers(broker):
                    if process.returncode is not None:
                        if is_free(broker.port) and is_free(broker.controller_port):
                            raise LocalError(f"{broker.name} doesn't start:\n{process.last_words()}")
                        return False
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise LocalError(
                f"{broker.name} isn't ready within {READY_WITHIN:.0f} s:\n{process.last_words()}"
            ) from None
        return process.returncode is None

    async def _answers(self, broker: Broker) -> bool:
        told = await ask(broker.port)
        return (
            told.cluster_id == self._cluster_id  # and not another run's broker that took the port
            and broker.id in told.brokers
            and len(told.brokers) > len(self.brokers) // 2
        )


@dataclass(frozen=True)
class Told:
    """What a broker says about its cluster."""

    cluster_id: str = ""
    brokers: frozenset[int] = frozenset()


async def ask(port: int) -> Told:
    """Ask the broker on this port of loopback for its cluster; it tells nothing while it isn't ready."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return Told()
    writer.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=f"{LOOPBACK}:{port}", request_timeout_ms=2_000)
    quiet = logging.getLogger("aiokafka")
    level = quiet.level
    quiet.setLevel(logging.CRITICAL)  # it says ERROR for each look at a broker that is still starting
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
        return Told(cluster["cluster_id"], frozenset(node["node_id"] for node in cluster["brokers"]))
    except (KafkaError, OSError):
        return Told()
    finally:
        quiet.setLevel(level)
        await admin.close()


def settings(broker: Broker, brokers: tuple[Broker, ...]) -> str:
    """The server.properties of one broker of the cluster.

    The session time-out brings a killed broker back 7 s after its restart, 13 s with Kafka's own; a shorter one
    takes the partitions from a broker that is only starved of CPU. Topics are
    made by whoever owns them, never by a typing error.
    """
    replicas, acknowledged = len(brokers), len(brokers) // 2 + 1
    quorum = (
        f"controller.quorum.bootstrap.servers={LOOPBACK}:{broker.controller_port}"
        if replicas == 1
        else "controller.quorum.voters=" + ",".join(f"{b.id}@{LOOPBACK}:{b.controller_port}" for b in brokers)
    )
    return f"""\
process.roles=broker,controller
node.id={broker.id}
{quorum}
listeners=PLAINTEXT://{LOOPBACK}:{broker.port},CONTROLLER://{LOOPBACK}:{broker.controller_port}
advertised.listeners=PLAINTEXT://{LOOPBACK}:{broker.port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={broker.directory / "data"}
auto.create.topics.enable=false
default.replication.factor={replicas}
min.insync.replicas={acknowledged}
offsets.topic.replication.factor={replicas}
offsets.topic.num.partitions=8
offsets.retention.minutes={KEEP_DAYS * 24 * 60}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={acknowledged}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={acknowledged}
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=5000
broker.heartbeat.interval.ms=300
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size={16 * 1024 * 1024}
"""
