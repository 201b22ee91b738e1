"""The broker killed, a cluster's leader killed, Postgres stopped at once: services wait and go on by themselves."""

import asyncio
import random

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from tests.conftest import OpenSandbox

from recoup_local.house import House, open_house
from recoup_local.kafka import Kafka
from recoup_local.postgres import Postgres
from recoup_local.run import Run
from recoup_local.sandbox import open_sandbox

from .load import load
from .tally import Tally

BROKER, LEADER, POSTGRES = (
    "kills of the one broker",
    "kills of the leader of three",
    "immediate stops of Postgres",
)
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.part(BROKER)
@pytest.mark.timeout(7200)
async def test_a_broker_that_is_killed_and_comes_back_costs_nothing(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    draw, kills, broker = random.Random(tally.seed), tally.size(BROKER), house.kafka
    if not isinstance(broker, Kafka):
        pytest.skip("this broker isn't ours to kill")
    async with load(await merchant(), tally.seed, kills) as going:
        for _ in range(kills):
            await asyncio.sleep(draw.uniform(0.0, 4.0))  # the moment, drawn
            await broker.kill()
            await asyncio.sleep(draw.uniform(0.0, 4.0))  # how long it is away
            await broker.restart()
        await going.judge()
    tally.did(BROKER, kills)


@pytest.mark.part(POSTGRES)
@pytest.mark.timeout(7200)
async def test_a_database_that_stops_at_once_and_comes_back_costs_nothing(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    draw, stops, server = random.Random(tally.seed), tally.size(POSTGRES), house.postgres
    if not isinstance(server, Postgres):
        pytest.skip("this server isn't ours to stop")
    async with load(await merchant(), tally.seed, stops) as going:
        for _ in range(stops):
            await asyncio.sleep(draw.uniform(0.0, 4.0))  # the moment, drawn
            await server.crash()
            await asyncio.sleep(draw.uniform(0.0, 3.0))  # how long it is away
            await server.restart()
        await going.judge()
    tally.did(POSTGRES, stops)


@pytest.mark.part(LEADER)
@pytest.mark.timeout(7200)
async def test_a_cluster_whose_leader_is_killed_goes_on(tally: Tally) -> None:
    draw, kills = random.Random(tally.seed), tally.size(LEADER)
    async with Run() as run:
        house = await open_house(run, brokers=3)
        await house.start()
        cluster = house.kafka
        if not isinstance(cluster, Kafka):
            pytest.skip("these brokers aren't ours to kill")
        async with await open_sandbox(house) as sandbox, load(sandbox, tally.seed, kills) as going:
            for _ in range(kills):
                await asyncio.sleep(draw.uniform(0.0, 4.0))  # the moment, drawn
                leader = await _leader(cluster, draw)
                await cluster.kill(leader)
                await asyncio.sleep(draw.uniform(0.0, 6.0))  # how long the two others are alone
                await cluster.restart(leader)
            await going.judge()
    tally.did(LEADER, kills)


async def _leader(cluster: Kafka, draw: random.Random) -> int:
    """Give the broker that leads a partition of the scheduler's orders."""
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap_servers)
    await admin.start()
    try:
        (topic,) = await admin.describe_topics(["retry.due"])
        leaders = [partition["leader"] for partition in topic["partitions"] if partition["leader"] > 0]
        return int(draw.choice(leaders))
    finally:
        await admin.close()
