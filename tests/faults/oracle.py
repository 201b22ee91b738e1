"""The checker: the gateway's fsynced ledger, its log of every 2xx, the topics and, last, the stores.

Promise: it believes nobody who decides. What it says is complained about was compared with what the practice
gateway wrote down before anybody heard of it.
"""

import asyncio
import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from recoup_local.demo.verdict import CLOSED, judge
from recoup_local.house import House
from recoup_local.sandbox import Sandbox

from . import stores, topics

DRAIN = 60.0
"""Seconds that everything has to come to rest, once the load has ended; a machine that is busy with more than
this house has the same again for as long as fewer things are on their way at the end of them."""

LOOK_AGAIN = 0.3
"""Seconds."""

LOOKS = 3
"""At the books, before they are said to differ."""


async def at_rest(sandbox: Sandbox) -> None:
    """Wait until nothing is on its way: webhooks, translation, outboxes, topics, timers that are due, mail.

    Raises:
        AssertionError: something is and does not become less, for instance because its task is dead.
    """
    least, deadline = math.inf, time.monotonic() + DRAIN
    while moving := await _moving(sandbox):
        if time.monotonic() > deadline:
            many = sum(moving.values())
            assert many < least, f"does not come to rest: {moving}"
            least, deadline = many, time.monotonic() + DRAIN
        await asyncio.sleep(LOOK_AGAIN)


async def _moving(sandbox: Sandbox) -> dict[str, int]:
    """Count what is on its way, by what it is."""
    unwell = dict.fromkeys(await dead(sandbox.house), 1)
    told = await sandbox.gateway.control("GET", f"/webhooks?account={sandbox.account_id}")
    sent = {"webhooks that wait at the gateway": told["pending"]} if told["pending"] else {}
    found = unwell | sent | await stores.under_way(sandbox.house, sandbox.merchant_id)
    return found or await topics.behind(sandbox.house)


async def dead(house: House) -> list[str]:
    """Name every service that has ended, or that says it is not well."""
    found = []
    for service in house.services.values():
        if service.process.returncode is not None:
            found.append(f"{service.process_name} ended with {service.process.returncode}")
        elif problem := await service.problem():
            found.append(f"{service.process_name} isn't ready: {problem}")
    return found


async def complaints(sandbox: Sandbox, failed: Sequence[str], quarantined: int = 0) -> list[str]:
    """Compare everything, once all is at rest; every difference in a sentence.

    What is found is looked for again, twice: a case at rest may still await the gateway in real time (a closed account,
    a repeat, a look-up), and what moves between two readings is no difference.

    Args:
        failed: the invoices whose renewal failed, as the gateway knows them.
        quarantined: how many records of the merchant's may be in quarantine.
    """
    for _ in range(LOOKS - 1):
        if not await _compared(sandbox, failed, quarantined):
            return []
        await at_rest(sandbox)
    return await _compared(sandbox, failed, quarantined)


async def _compared(sandbox: Sandbox, failed: Sequence[str], quarantined: int) -> list[str]:
    cases = await sandbox.api.cases()
    ledger, obligations = await sandbox.ledger(), await sandbox.obligations()
    now = (await sandbox.now()).isoformat()
    verdict = judge(failed, cases, ledger["invoices"], obligations, now)
    awaited = await stores.awaited_invoices(sandbox.house, sandbox.merchant_id)
    verdict.late = [text for text in verdict.late if text.split(":")[0] not in awaited]
    return [
        *verdict.complaints,
        *_never_too_much(ledger["invoices"], obligations),
        *_totals(failed, cases, ledger["invoices"]),
        *await _told(sandbox, failed, ledger["invoices"]),
        *await _kept(sandbox),
        *await stores.left_alone(sandbox.house, sandbox.merchant_id),
        *await stores.differing(sandbox.house, sandbox.merchant_id, cases),
        *await stores.quarantined(sandbox.house, sandbox.merchant_id, quarantined),
        *await dead(sandbox.house),
    ]


def _never_too_much(
    ledger: Mapping[str, Mapping[str, Any]], obligations: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Hold every obligation against what was taken for it, those that never failed too."""
    return [
        f"double: {invoice}: {taken['captures']} captures, {taken['captured']} of {owed}"
        for invoice, taken in ledger.items()
        if taken["captures"] > 1 or taken["captured"] > (owed := obligations[invoice]["amount_due"])
    ]


def _totals(
    failed: Sequence[str], cases: Sequence[Mapping[str, Any]], ledger: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    told = {
        *failed,
        *(case["invoice_id"] for case in cases),
    }  # a long run's subscriptions renew by themselves too
    theirs = sum(
        ledger[invoice]["captured"] - ledger[invoice]["refunded"] for invoice in told if invoice in ledger
    )
    ours = sum(case["recovered"]["minor"] for case in cases if case["recovered"])
    return [] if theirs == ours else [f"differs: the gateway's total is {theirs}, ours {ours}"]


async def _told(
    sandbox: Sandbox, failed: Sequence[str], ledger: Mapping[str, Mapping[str, Any]]
) -> list[str]:
    """Look for each failure and each capture on its topic."""
    events = await topics.of_merchant(
        sandbox.house, sandbox.merchant_id, ("payment.failed", "payment.succeeded")
    )
    wanted = set(failed)
    failures = {event.invoice.invoice_id for event in events["payment.failed"] if event.invoice}
    paid = {
        event.charge_id
        for event in events["payment.succeeded"]
        if event.charge_id and event.invoice and event.invoice.invoice_id in wanted
    }
    charged = {charge for invoice in wanted & set(ledger) for charge in ledger[invoice]["charges"]}
    return [
        *(f"lost: {invoice} failed, and no event says so" for invoice in sorted(wanted - failures)),
        *(f"lost: {charge} was captured, and no event says so" for charge in sorted(charged - paid)),
        *(f"differs: an event tells of {charge}, the ledger does not" for charge in sorted(paid - charged)),
    ]


async def _kept(sandbox: Sandbox) -> list[str]:
    """Look for each webhook that was answered 2xx in the store."""
    receipts = await asyncio.to_thread((sandbox.gateway.state / "receipts.jsonl").read_text)
    lines = [json.loads(line) for line in receipts.splitlines(keepends=True) if line.endswith("\n")]
    answered = {line["event"] for line in lines if line["account"] == sandbox.account_id}
    missing = answered - await stores.webhooks(sandbox.house, sandbox.merchant_id)
    return [f"lost: webhook {event} was answered 2xx and is not kept" for event in sorted(missing)]


async def still_open(sandbox: Sandbox, wanted: int) -> list[str]:
    """Give the states of the cases that are not closed, and `missing` for those that are not there."""
    cases = await sandbox.api.cases()
    states = sorted(case["state"] for case in cases if case["state"] not in CLOSED)
    return states + ["missing"] * (wanted - len(cases))


async def drained(sandbox: Sandbox, wanted: int) -> list[str]:
    """Wait until every case is closed, as long as fewer are open from one `DRAIN` to the next; give what stays.

    Whether it may stay open is for `complaints` to say.
    """
    least, deadline = math.inf, time.monotonic() + DRAIN
    while still := await still_open(sandbox, wanted):
        if time.monotonic() > deadline:
            if len(still) >= least:
                return still
            least, deadline = len(still), time.monotonic() + DRAIN
        await asyncio.sleep(LOOK_AGAIN)
    return []
