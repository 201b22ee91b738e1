"""kill -9 of each service under load; the gateway's fsynced ledger says whether anything was lost or doubled."""

import asyncio
import random

import pytest
from tests.conftest import OpenSandbox

from recoup_local.house import SERVICES, House

from .load import load
from .supervised import kill, supervised
from .tally import Tally

PART = "kills of each service"
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.part(PART)
@pytest.mark.timeout(7200)
async def test_killed_with_minus_9_under_load_they_lose_nothing_and_charge_nobody_twice(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    draw, kills = random.Random(tally.seed), tally.size(PART)
    order = [name for name in SERVICES for _ in range(kills)]
    draw.shuffle(order)
    async with supervised(house), load(await merchant(), tally.seed, len(order)) as going:
        for name in order:
            await asyncio.sleep(draw.uniform(0.0, 1.5))  # the moment, drawn
            await kill(house, name)
        await going.judge()
    tally.did(PART, kills)
