"""Postgres stopped at once and started again: services wait, and go on by themselves."""

import asyncio
import random

import pytest
from tests.conftest import OpenSandbox

from recoup_local.house import House
from recoup_local.postgres import Postgres

from .load import load
from .tally import Tally

POSTGRES = "immediate stops of Postgres"
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


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
