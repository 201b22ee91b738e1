"""Replicas that come and go under load, and services restarted in turn: nothing is lost or done twice."""

import asyncio
import random

import pytest
from tests.conftest import OpenSandbox

from recoup_local.house import ADAPTER, SCHEDULER, SERVICES, House

from .load import load
from .rows import SCALE
from .supervised import joined, kill, restart, supervised
from .tally import Tally

REBALANCES, RESTARTS = "rebalances", "restarts"
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.part(RESTARTS)
@pytest.mark.timeout(3600)
async def test_services_that_are_restarted_in_turn_lose_nothing(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    draw, restarts = random.Random(tally.seed), tally.size(RESTARTS)
    async with supervised(house), load(await merchant(), tally.seed, restarts) as going:
        for number in range(restarts):
            await asyncio.sleep(draw.uniform(0.0, 1.5))  # the moment, drawn
            await restart(house, SERVICES[number % len(SERVICES)])
        await going.judge()
    tally.did(RESTARTS, restarts)


@pytest.mark.part(REBALANCES)
@pytest.mark.timeout(7200)
async def test_replicas_that_come_and_go_lose_nothing(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    draw, rebalances = random.Random(tally.seed), tally.size(REBALANCES)
    names = (
        SERVICES if SCALE else (ADAPTER, SCHEDULER)
    )  # all consume by the same code, and each start costs seconds
    async with load(await merchant(), tally.seed, rebalances) as going, joined(house, names) as replicas:
        for number in range(rebalances):
            await asyncio.sleep(draw.uniform(0.0, 1.5))  # the moment, drawn
            leave = draw.choice((kill, restart))
            await leave(house, replicas[number % len(replicas)])
        await going.judge()
    tally.did(REBALANCES, rebalances)
