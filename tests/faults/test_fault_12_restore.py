"""A service's database is restored to an earlier point while failures, charges and webhooks go on, by the runbook.

docs/runbooks/restore.md, step by step, in a seeded world (see test_fault_03_simulation.py): charging off, rows as they
were, consumer groups back, the gateway's events and open invoices read again, charging on.
"""

import pytest

from .tally import Tally
from .world import STORM, World
from .world_restore import Loss
from .world_services import SERVICES, Services
from .world_verdict import must_hold

PART = "restores"

pytestmark = [pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.part(PART)
@pytest.mark.timeout(0)  # bounded by the steps of each world
async def test_restored_by_the_runbook_nothing_is_lost_and_nobody_is_charged_twice(
    services: Services, tally: Tally
) -> None:
    for number in range(tally.size(PART)):
        for other, service in enumerate(SERVICES):
            loss = Loss(service)
            seed = tally.seed * 1_000_000 + number * len(SERVICES) + other
            happens = {STORM // 3: loss.backs_up, STORM * 2 // 3: loss.restores}
            await must_hold(World(services, seed, happens=happens))
        tally.did(PART)
