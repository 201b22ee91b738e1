"""However the gateway tells it, the same comes of it: repeats, disorder, silence."""

import asyncio
from typing import Any

import pytest
from tests.conftest import OpenSandbox
from tests.faults.oracle import at_rest, complaints, still_open
from tests.faults.stores import awaited_invoices

from recoup_local.demo.verdict import CLOSED
from recoup_local.pytest_plugin import eventually
from recoup_local.sandbox import Sandbox

DAY = 86_400.0
COUNT = 40
SHORT = {"schedule_days": [1, 2, 4], "window_days": 6}
HOURS, STEPS = 12, 24
"""The clock moves on so far whenever all is at rest, so that no busy machine changes what happens: a window is over
after twelve steps."""

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


async def all_settled(sandbox: Sandbox, wanted: int) -> list[dict[str, Any]] | None:
    """Give the cases once none is open, but for a charge that will be looked up in minutes or hours of real time."""
    cases = await sandbox.api.cases()
    awaited = await awaited_invoices(sandbox.house, sandbox.merchant_id)
    settled = all(case["state"] in CLOSED or case["invoice_id"] in awaited for case in cases)
    return cases if settled and len(cases) == wanted else None


async def play(sandbox: Sandbox) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Let renewals fail and the clock run until every case is settled; check the books."""
    await sandbox.setting("recovery", SHORT)
    renewals = await sandbox.renewals(COUNT, seed=11)
    cases = None
    for _ in range(STEPS):
        await at_rest(sandbox)
        cases = await all_settled(sandbox, COUNT)
        if cases:
            break
        await sandbox.advance_clock(HOURS)
    assert cases, f"open when all their windows are over: {await still_open(sandbox, COUNT)}"
    assert await complaints(sandbox, [renewal["invoice"] for renewal in renewals]) == []
    return renewals, cases


def told(renewals: list[dict[str, Any]], cases: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """What became of each renewal, in the order in which they were made."""
    by_invoice = {case["invoice_id"]: case for case in cases}
    return [
        (
            renewal["reason"],
            by_invoice[renewal["invoice"]]["state"],
            (by_invoice[renewal["invoice"]]["recovered"] or {"minor": 0})["minor"],
        )
        for renewal in renewals
    ]


async def test_every_webhook_five_times_in_random_order_changes_nothing(merchant: OpenSandbox) -> None:
    clean = await merchant()
    shuffled = await merchant()
    await shuffled.faults(webhooks=[{"kind": "shuffle", "copies": 5, "seconds": 1.0, "seed": 3}])
    one, other = await asyncio.gather(play(shuffled), play(clean))
    assert told(*one) == told(*other)


async def test_a_gateway_that_loses_answers_and_is_busy_charges_nobody_twice(merchant: OpenSandbox) -> None:
    sandbox = await merchant()
    pay = r"POST /v1/invoices/.*/pay"
    await sandbox.faults(
        requests=[
            {"kind": "lose_before", "match": pay, "probability": 0.1, "seed": 1},
            {"kind": "lose_after", "match": pay, "probability": 0.1, "seed": 2},
            {"kind": "error", "status": 429, "match": pay, "probability": 0.1, "seed": 3},
            {"kind": "error", "status": 409, "match": pay, "probability": 0.05, "seed": 4},
            {"kind": "error", "status": 500, "match": pay, "probability": 0.05, "seed": 5},
            {"kind": "error_after", "status": 500, "match": pay, "probability": 0.05, "seed": 6},
        ]
    )
    await play(sandbox)


async def test_an_endpoint_that_was_dead_for_three_days_misses_no_case(merchant: OpenSandbox) -> None:
    sandbox = await merchant()
    await sandbox.faults(webhooks=[{"kind": "drop", "probability": 1.0}])
    renewals = await sandbox.renewals(COUNT, seed=5)
    assert await sandbox.api.cases() == []
    began = await sandbox.now()
    await sandbox.run_clock(DAY / 4)
    await eventually(lambda: _three_days_later(sandbox, began.timestamp()), within=60)
    await sandbox.faults()
    cases = await eventually(lambda: all_settled(sandbox, COUNT), within=150)
    failed = [renewal["invoice"] for renewal in renewals]
    assert {case["invoice_id"] for case in cases} == set(failed)
    await at_rest(sandbox)
    assert await complaints(sandbox, failed) == []


async def _three_days_later(sandbox: Sandbox, began: float) -> bool:
    return (await sandbox.now()).timestamp() > began + 3 * DAY
