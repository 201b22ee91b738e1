"""Clocks that are wrong, and clocks that change: nothing is lost, charged twice or early, and no hour leads astray.

All that a service knows of time it reads from its own database, but for ingest, which judges a signature's age by the
process' clock; both are set wrong here together. Not covered: a clock that jumps within one transaction, and what
libraries do with time (TLS, the broker's sessions: monotonic clocks).
"""

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from recoup_events.values import MessageKind
from recoup_notifier.compose.domain import Facts, Sender
from recoup_retry_scheduler.cases.domain.case import Policy, next_step

from .cases_machine import life_
from .tally import Tally
from .transitions import Transition, transitions
from .world import STORM, World
from .world_services import ADAPTER, SERVICES, Services
from .world_verdict import must_hold

FAULTS, TRANSITIONS = "clock faults", "transitions"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SKEWS = (HOUR, -HOUR, 25 * HOUR, -25 * HOUR)
BEFORE = (timedelta(minutes=30), HOUR, 12 * HOUR, 24 * HOUR, 25 * HOUR, 71 * HOUR)
"""How long before a transition a renewal failed."""


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.part(FAULTS)
@pytest.mark.timeout(0)  # bounded by the steps of each world
async def test_with_a_clock_that_is_wrong_nothing_is_lost_and_nobody_is_charged_early_or_twice(
    services: Services, tally: Tally
) -> None:
    refused = 0
    for number in range(tally.size(FAULTS)):
        skew = SKEWS[number % len(SKEWS)]
        for other, wrong in enumerate(SERVICES):
            seed = tally.seed * 1_000_000 + number * len(SERVICES) + other
            world = World(services, seed, skew={wrong: skew}, happens={STORM // 2: _days_pass})
            await must_hold(world)
            assert wrong == ADAPTER or not world.refused
            refused += world.refused
        tally.did(FAULTS)
    assert refused, "a signature from a clock an hour away is refused, and brought again later"
    sys.stdout.write(f"{refused} webhooks were refused and brought again\n")


async def _days_pass(world: World) -> None:
    """Let what the wrong clock brings about happen while it is wrong."""
    await world.go_on(world.draw.randint(4, 16))


@pytest.mark.part(TRANSITIONS)
def test_no_change_of_local_time_moves_a_try_or_misnames_its_day(tally: Tally) -> None:
    found = list(transitions())
    for change in found:
        for earlier in BEFORE:
            _follow(change, change.at - earlier)
    zones = {change.zone for change in found}
    assert {"Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"} <= zones
    sys.stdout.write(f"{len(found)} transitions of {len(zones)} zones\n")
    tally.did(TRANSITIONS)


def _follow(change: Transition, failed_at: datetime) -> None:
    """Each try is named by the local day on which it lies, and by no other instant."""
    sender = Sender("m_1", "Shop", ZoneInfo(change.zone))
    for at in (failed_at, *_steps(failed_at)):
        local = Facts(MessageKind.PAYMENT_FAILED, sender, "https://portal").local(at)
        offset = change.before if at < change.at else change.after
        assert local.replace(tzinfo=None) == (at + offset).replace(tzinfo=None), (change, at)
        assert local.astimezone(UTC) == at, "the same instant"


@cache
def _steps(failed_at: datetime) -> tuple[datetime, ...]:
    """Give a case's steps: whole days after the failure, never in the past, each once, whoever's clocks change."""
    life = life_.Life(Policy(schedule=(DAY, 2 * DAY, 3 * DAY)), now=failed_at)
    life.tell(life.failed())
    case, now, steps = life.case(), failed_at, []
    for position in range(3):
        step = next_step(replace(case, position=position), now, retry_soon=False)
        assert step is not None
        assert step.at > now, "in the past"
        steps.append(step.at)
        now = step.at
    assert [at - failed_at for at in steps] == [DAY, 2 * DAY, 3 * DAY], "skipped or doubled"
    return tuple(steps)
