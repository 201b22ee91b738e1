"""What a world that has drained must show: the gateway's ledger against cases, pages and queues.

Promise: money is counted by the ledger, failures by the gateway's own charges; our stores are only compared.
"""

import asyncio
import sys
from collections.abc import Sequence
from itertools import product
from typing import Any

from .world import CLOSED, World
from .world_services import ADAPTER, PORTAL, SCHEDULER

HANGS = 600
"""Real seconds; a world takes one."""

SHOWN = 400
"""Lines of a failed world's trace."""

UNTIMED = """
SELECT case_id::text FROM public.cases c
WHERE wake_at IS NOT NULL AND NOT EXISTS (SELECT FROM public.timers t WHERE t.subject = c.case_id::text)
"""
UNOWNED = """
SELECT kind FROM public.timers t
WHERE NOT EXISTS (SELECT FROM public.cases c WHERE t.subject = c.case_id::text AND wake_at IS NOT NULL)
"""
UNFINISHED = {
    "attempts without an end": (ADAPTER, "SELECT attempt_id::text || ' ' || state FROM public.attempts"),
    "webhooks set aside": (ADAPTER, "SELECT reason FROM public.set_aside"),
    "works that failed": (
        ADAPTER,
        "SELECT kind || ' ' || subject FROM public.gateway_work WHERE failures > 0",
    ),
    "open cases without a timer": (SCHEDULER, UNTIMED),
    "timers of no open case": (SCHEDULER, UNOWNED),
}


DAY, HOUR = 86_400, 3_600
TECHNICAL = {"issuer_not_available", "processing_error"}
FORBIDDEN = {"lost_card", "stolen_card", "fraudulent", "revocation_of_authorization", "expired_card"}


CASES = "SELECT case_id, invoice_id, state, tries_made, recovered_minor, revision FROM public.cases"
ABOVE = "SELECT coalesce(extract(epoch FROM restored_at) * 1000, 0)::bigint FROM public.restored"


async def must_hold(world: World) -> None:
    """Let a world live and judge it; show what was done where it does not hold."""
    try:
        async with asyncio.timeout(HANGS):
            await world.live()
        found = await complaints(world)
        assert not found, f"seed {world.seed}: {found}"
    except BaseException:
        sys.stdout.write("\n".join(world.trace[-SHOWN:]) + "\n")
        raise


async def complaints(world: World) -> list[str]:
    """Say what a world that has drained lost, doubled or left behind, by its gateway's ledger; best nothing."""
    captures = world.practice.captures(world.account)
    told = await world.services.admins[SCHEDULER].fetch(CASES)
    shown = await world.services.admins[PORTAL].fetch(CASES)
    above = await world.services.admins[SCHEDULER].fetchval(ABOVE)
    cases = {row["invoice_id"]: row for row in told}
    found = [f"{invoice} failed and has no case" for invoice in sorted(world.failed) if invoice not in cases]
    found += [f"{name} has a case and never failed" for name in cases if name not in world.failed]
    for invoice, row in cases.items():
        taken = captures.get(invoice, {"captured": 0, "captures": 0})
        owed = world.account.invoices.get(invoice)
        assert owed is not None
        if taken["captures"] > 1 or taken["captured"] > owed.amount_due:
            found.append(f"{invoice}: {taken['captures']} captures of {taken['captured']}")
        if (row["recovered_minor"] or 0) != taken["captured"]:
            found.append(f"{invoice}: the ledger has {taken['captured']}, its case {row['recovered_minor']}")
        if row["state"] not in CLOSED:
            found.append(f"{invoice} is {row['state']}")
    found += untrue(told, shown, above)
    for name, admin in world.services.admins.items():
        for table in ("outbox", "quarantine"):
            count = await admin.fetchval(f"SELECT count(*) FROM public.{table}")  # noqa: S608  # two names above
            found += [f"{name} has {count} in its {table}"] if count else []
    for what, (name, sql) in UNFINISHED.items():
        left = [row[0] for row in await world.services.admins[name].fetch(sql)]
        found += [f"{what}: {left}"] if left else []
    return found + too_early(world)


def untrue(told: Sequence[Any], shown: Sequence[Any], above: int) -> list[str]:
    """Say where pages differ from cases, or show an older word about them than the last."""
    pages = {row["case_id"]: row for row in shown}
    found = [f"a page of no case: {page}" for page in pages.keys() - {row["case_id"] for row in told}]
    for case in told:
        page = pages.get(case["case_id"])
        if page is None:
            found.append(f"{case['invoice_id']} has no page")
            continue
        found += [
            f"{case['invoice_id']}: its page says {name} {page[name]}, its case {case[name]}"
            for name in ("state", "tries_made", "recovered_minor")
            if page[name] != case[name]
        ]
        if page["revision"] - case["revision"] not in {0, above}:
            found.append(f"{case['invoice_id']}: revision {page['revision']} of {case['revision']}")
    return found


def too_early(world: World) -> list[str]:
    """Say which charges came before their time: the ladder's first day, an hour after a technical failure, or ever.

    Where a customer gave a new card, a try may come at any time.
    """
    found = []
    for invoice in sorted(world.failed):
        made_of = [made for made in world.account.charges if made.invoice == invoice]
        first, later = made_of[:1], made_of[1:]  # in the order in which they were made
        codes = {made.decline.decline_code or made.decline.code for made in first if made.decline}
        for code, made in product(codes, later):
            if made.customer in world.new_card_of:
                continue
            if code in FORBIDDEN:
                found.append(f"{invoice} was charged after {code}")
            elif made.created < first[0].created + (HOUR if code in TECHNICAL else DAY):
                found.append(f"{invoice} was charged {made.created - first[0].created} s after {code}")
    return found
