"""kill -9 of each service under load; the gateway's fsynced ledger says whether anything was lost or doubled."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from recoup_local.demo.customers import Customers
from recoup_local.demo.verdict import CLOSED, judge
from recoup_local.house import SERVICES, House, open_house
from recoup_local.pytest_plugin import eventually
from recoup_local.run import Run
from recoup_local.sandbox import Sandbox, open_sandbox

from .rows import ROWS
from .tally import Tally

PART = "kills of each service"
BATCH = 30
DAY = 86_400.0
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@pytest_asyncio.fixture(loop_scope="session")
async def house() -> AsyncIterator[House]:
    """A house of its own, for it is not treated gently."""
    async with Run() as run:
        opened = await open_house(run)
        await opened.start()
        yield opened


@pytest.mark.part(PART)
@pytest.mark.timeout(300 + 60 * ROWS[1].parts[0].size)
async def test_killed_with_minus_9_under_load_they_lose_nothing_and_charge_nobody_twice(
    house: House, tally: Tally
) -> None:
    seed, kills = tally.seed, tally.size(PART)
    draw = random.Random(seed)
    async with await open_sandbox(house) as sandbox:
        await sandbox.setting(
            "recovery", {"schedule_days": [1, 2, 3], "window_days": 5, "final_action": "cancel"}
        )
        await sandbox.faults(
            requests=[
                {"kind": "lose_before", "match": "/pay$", "probability": 0.03, "seed": seed},
                {"kind": "lose_after", "match": "/pay$", "probability": 0.03, "seed": seed + 1},
            ],
            webhooks=[{"kind": "duplicate", "probability": 0.1, "copies": 2, "seed": seed}],
        )
        customers, done = Customers(house.mail.url, house.portal_url), asyncio.Event()
        reading = asyncio.create_task(customers.live(done))
        await sandbox.run_clock(DAY / 8)
        failed: list[str] = []
        order = [name for name in SERVICES for _ in range(kills)]
        draw.shuffle(order)
        for number, name in enumerate(order):
            renewals = await sandbox.renewals(BATCH, seed=seed * 1000 + number)
            failed += [renewal["invoice"] for renewal in renewals if renewal["status"] == "open"]
            await asyncio.sleep(draw.uniform(0.0, 2.0))  # the moment of the kill, drawn
            await house.services[name].kill()
            await house.services[name].start()
        sys.stdout.write(f"{len(order)} kills, {len(failed)} failed renewals, seed {seed}\n")
        cases = await eventually(lambda: _all_closed(sandbox, len(failed)), within=180)
        done.set()
        await reading
        ledger = await sandbox.ledger()
        now = (await sandbox.now()).isoformat()
        verdict = judge(failed, cases, ledger["invoices"], await sandbox.obligations(), now)
        assert verdict.complaints == []
        assert ledger["captured_twice"] == []
        assert customers.mended > 0
        tally.did(PART, kills)


async def _all_closed(sandbox: Sandbox, wanted: int) -> list[dict[str, Any]]:
    cases = await sandbox.api.cases()
    states = sorted(case["state"] for case in cases if case["state"] not in CLOSED)
    assert len(cases) == wanted, f"{len(cases)} cases of {wanted}"
    assert states == [], f"still open: {states}"
    return cases
