"""Seeded worlds: all four services in one process, one step at a time; the gateway's ledger judges each.

A failing seed prints what was done, step by step, and how to do it again.
"""

import os
import sys
import time

import pytest

from .tally import Tally
from .world import World
from .world_services import Services
from .world_verdict import must_hold

PART = "seeds"
WORLD = os.environ.get("WORLD")
"""One world to try again, by its seed."""

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.part(PART)
@pytest.mark.timeout(0)  # seeds by the thousand: bounded by the steps of each
async def test_every_seed_loses_nothing_and_charges_nobody_twice(services: Services, tally: Tally) -> None:
    began = time.monotonic()
    if WORLD:
        await must_hold(World(services, int(WORLD)))
        pytest.skip("one world alone is not counted")
    for seed in (tally.seed * 1_000_000 + n for n in range(tally.size(PART))):
        try:
            await must_hold(World(services, seed))
        except BaseException:
            sys.stdout.write(
                f"again: WORLD={seed} .venv/bin/pytest -s tests/faults/test_fault_03_simulation.py\n"
            )
            raise
        tally.did(PART)
    sys.stdout.write(f"{tally.done[PART]} seeds in {time.monotonic() - began:.1f} s\n")
