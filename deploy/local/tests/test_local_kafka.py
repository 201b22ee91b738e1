"""A real broker: it starts on free ports, survives kill -9 with its data, and forms a cluster of three."""

from collections.abc import AsyncIterator, Iterator
from itertools import chain, repeat
from socket import socket

import psutil
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from recoup_local.kafka import Kafka
from recoup_local.ports import LOOPBACK, free_port
from recoup_local.run import Run
from recoup_local.state import LocalError
from recoup_local.topics import create_topics

pytestmark = pytest.mark.kafka
WITH_THREE_REPLICAS = {"min.insync.replicas": "2"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def broker(local_run: Run) -> AsyncIterator[Kafka]:
    async with Run() as run:
        yield await Kafka.start(run)


async def produce(bootstrap: str, topic: str, numbers: range) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        for number in numbers:
            await producer.send_and_wait(topic, str(number).encode(), partition=number % 3)


async def read_everything(bootstrap: str, topic: str) -> list[int]:
    partitions = [TopicPartition(topic, number) for number in range(3)]
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        found: list[int] = []
        while len(found) < sum(ends.values()):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [int(record.value) for record in records]
    return sorted(found)


async def test_acknowledged_records_survive_a_kill_of_the_only_broker(broker: Kafka) -> None:
    await create_topics(broker.bootstrap_servers, {"survives": {}}, partitions=3)
    await produce(broker.bootstrap_servers, "survives", range(100))
    before = broker.bootstrap_servers

    await broker.kill()
    await broker.restart()

    assert broker.bootstrap_servers == before
    await produce(broker.bootstrap_servers, "survives", range(100, 150))
    assert await read_everything(broker.bootstrap_servers, "survives") == list(range(150))


async def test_a_stopped_broker_comes_back_too(broker: Kafka) -> None:
    await create_topics(broker.bootstrap_servers, {"stopped": {}}, partitions=3)
    await produce(broker.bootstrap_servers, "stopped", range(10))
    await broker.stop()
    await broker.restart()
    assert await read_everything(broker.bootstrap_servers, "stopped") == list(range(10))


async def test_a_topic_is_not_made_by_a_typing_error(broker: Kafka) -> None:
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers) as consumer:
        assert "mistyped" not in await consumer.topics()
        assert consumer.partitions_for_topic("mistyped") is None
        await create_topics(broker.bootstrap_servers, {"meant": {}}, partitions=3)
        assert "mistyped" not in await consumer.topics()


async def test_topics_can_be_created_again_but_not_with_another_number_of_partitions(broker: Kafka) -> None:
    table = {"compacted": {"cleanup.policy": "compact"}, "kept": {"retention.ms": "7776000000"}}
    await create_topics(broker.bootstrap_servers, table, partitions=12)
    await create_topics(broker.bootstrap_servers, table, partitions=12)
    with pytest.raises(LocalError, match="has 12 partitions, not 6"):
        await create_topics(broker.bootstrap_servers, {"kept": {}}, partitions=6)
    with pytest.raises(LocalError, match="refuses topic wrong"):
        await create_topics(broker.bootstrap_servers, {"wrong": {"cleanup.policy": "burn"}})


async def test_it_listens_on_loopback_only(broker: Kafka) -> None:
    connections = psutil.Process(broker.process().pid).net_connections()
    assert {place.laddr.port for place in connections} >= {broker.brokers[0].port}
    assert {place.laddr.ip.removeprefix("::ffff:") for place in connections} == {LOOPBACK}


async def test_a_port_that_is_taken_is_replaced_by_another(local_run: Run) -> None:
    with socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        choices: Iterator[int] = chain([taken.getsockname()[1]], (free_port() for _ in repeat(None)))
        async with Run() as run:
            kafka = await Kafka.start(run, port=lambda: next(choices))
            await create_topics(kafka.bootstrap_servers, {"works": {}})
            assert kafka.brokers[0].port != taken.getsockname()[1]


async def test_the_broker_of_another_run_on_the_chosen_port_is_not_taken_for_ours(broker: Kafka) -> None:
    choices: Iterator[int] = chain([broker.brokers[0].port], (free_port() for _ in repeat(None)))
    async with Run() as run:
        kafka = await Kafka.start(run, port=lambda: next(choices))
        assert kafka.bootstrap_servers != broker.bootstrap_servers
        await create_topics(kafka.bootstrap_servers, {"ours": {}})
    async with AIOKafkaConsumer(bootstrap_servers=broker.bootstrap_servers) as consumer:
        assert "ours" not in await consumer.topics()


async def test_a_broker_that_cannot_start_says_why(local_run: Run) -> None:
    async with Run() as run:
        with pytest.raises(LocalError, match=r"log\.retention\.ms must be unlimited"):
            await Kafka.start(run, overrides={"log.retention.ms": "0"})


async def test_a_cluster_of_three_loses_nothing_with_one_broker_down(local_run: Run) -> None:
    async with Run() as run:
        cluster = await Kafka.start(run, brokers=3)
        await create_topics(cluster.bootstrap_servers, {"three": WITH_THREE_REPLICAS}, partitions=3)
        await produce(cluster.bootstrap_servers, "three", range(60))
        await cluster.kill(2)
        await produce(cluster.bootstrap_servers, "three", range(60, 120))
        await cluster.restart(2)
        await cluster.kill(1)
        await cluster.restart(1)
        found = await read_everything(cluster.bootstrap_servers, "three")
        assert found == list(range(120))


async def test_a_cluster_has_one_or_three(local_run: Run) -> None:
    with pytest.raises(ValueError, match="1 broker or 3, not 2"):
        await Kafka.start(local_run, brokers=2)
