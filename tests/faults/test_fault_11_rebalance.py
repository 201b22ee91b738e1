"""Services restarted in turn under load: nothing is lost or done twice."""

import asyncio
import random

import pytest
from tests.conftest import OpenSandbox

from recoup_local.house import SERVICES, House

from .load import load
from .supervised import restart, supervised
from .tally import Tally

RESTARTS = "restarts"
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
