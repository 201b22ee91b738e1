"""Clocks that change: every transition of local time from 2024 to 2030, in every zone that IANA names."""

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

TRANSITIONS = "transitions"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEFORE = (timedelta(minutes=30), HOUR, 12 * HOUR, 24 * HOUR, 25 * HOUR, 71 * HOUR)
"""How long before a transition a renewal failed."""


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
