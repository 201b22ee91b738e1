"""Mode smart, end to end: an instant is chosen, its reason shown, the charge passes then; policies reach open cases."""

import time
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from tests.conftest import OpenSandbox
from tests.e2e.test_flows import case_is, case_of, one_renewal

from recoup_local.pytest_plugin import eventually
from recoup_local.sandbox import Sandbox

DAY = 86_400.0
HOUR = timedelta(hours=1)
SMART = {"mode": "smart", "max_tries": 4, "min_gap_hours": 12, "window_days": 10}
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


async def advance_to(sandbox: Sandbox, at: datetime) -> None:
    """Move the clock on to an instant, and wait until it shows it."""
    await sandbox.advance_clock((at - await sandbox.now()) / HOUR)

    async def shows() -> bool:
        return await sandbox.now() >= at

    await eventually(shows, within=60)


async def test_a_try_is_chosen_its_reason_is_shown_and_it_passes_at_its_instant(
    merchant: OpenSandbox,
) -> None:
    sandbox = await merchant()
    await sandbox.setting("recovery", SMART)
    renewal = await one_renewal(sandbox, "processing_error_once")
    case = await case_is(sandbox, renewal["invoice"], "scheduled")
    failed_at, chosen, resolve_by = (
        datetime.fromisoformat(case[name]) for name in ("failed_at", "next_try_at", "resolve_by")
    )
    assert failed_at + HOUR <= chosen <= resolve_by == failed_at + timedelta(days=10)
    assert "; try 1 of 4: " in case["reason"]
    assert " %" in case["reason"]
    assert (case["tries_made"], case["tries_planned"]) == (0, 4)
    await advance_to(sandbox, chosen - timedelta(minutes=30))
    case = await case_is(sandbox, renewal["invoice"], "scheduled")
    assert datetime.fromisoformat(case["next_try_at"]) == chosen
    await advance_to(sandbox, chosen + timedelta(seconds=1))
    case = await case_is(sandbox, renewal["invoice"], "recovered")
    assert (case["recovered_by"], case["tries_made"]) == ("scheduled_retry", 1)
    assert (await sandbox.ledger())["invoices"][renewal["invoice"]]["captures"] == 1


async def test_what_never_passes_is_tried_no_oftener_than_the_policy_allows(merchant: OpenSandbox) -> None:
    sandbox = await merchant()
    await sandbox.setting("recovery", {**SMART, "max_tries": 2, "final_action": "nothing"})
    renewal = await one_renewal(sandbox, "insufficient_funds")
    await case_is(sandbox, renewal["invoice"], "scheduled")
    await sandbox.run_clock(DAY / 4)
    case = await case_is(sandbox, renewal["invoice"], "ended")
    assert 1 <= case["tries_made"] <= 2


async def test_open_cases_follow_a_policy_that_is_for_them_too(merchant: OpenSandbox) -> None:
    """Within two seconds on a machine at leisure: how long it took is told (`pytest -s`), not held."""
    sandbox = await merchant()
    renewal = await one_renewal(sandbox, "insufficient_funds")
    case = await case_is(sandbox, renewal["invoice"], "scheduled")
    failed_at = datetime.fromisoformat(case["failed_at"])

    async def follows(tries: int, window: timedelta) -> dict[str, Any]:
        case = await case_of(sandbox, renewal["invoice"])
        assert case is not None
        assert case["tries_planned"] == tries
        assert datetime.fromisoformat(case["resolve_by"]) == failed_at + window
        return case

    for policy, tries, window in (
        ({**SMART, "applies_to": "open"}, 4, timedelta(days=10)),
        ({"schedule_days": [2, 4], "window_days": 6, "applies_to": "open"}, 2, timedelta(days=6)),
    ):
        began = time.monotonic()
        await sandbox.api.call("PUT", "/settings/recovery", policy)
        case = await eventually(partial(follows, tries, window), within=60)
        print(f"open cases followed after {time.monotonic() - began:.2f} s")  # noqa: T201  # a measurement
    assert datetime.fromisoformat(case["next_try_at"]) == failed_at + timedelta(days=2)
    await sandbox.api.call("PUT", "/settings/recovery", {"schedule_days": [5], "window_days": 9})
    await sandbox.setting("portal", {"require_sign_in": True})
    other = await one_renewal(sandbox, "insufficient_funds")
    newer = await case_is(sandbox, other["invoice"], "scheduled")
    assert newer["tries_planned"] == 1
    await follows(2, timedelta(days=6))
