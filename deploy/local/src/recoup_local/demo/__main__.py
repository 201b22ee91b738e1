"""`make demo`: fail 300 renewals, recover what can be recovered, and check the books."""

import argparse
import asyncio
import sys
import time
from collections import Counter
from datetime import timedelta

from rich.console import Console
from rich.live import Live

from recoup_local.demo.customers import Customers
from recoup_local.demo.verdict import CLOSED, Verdict, judge
from recoup_local.demo.view import Scene, closing, live
from recoup_local.house import open_house
from recoup_local.run import Run
from recoup_local.sandbox import Sandbox, open_sandbox
from recoup_local.state import LocalError

RATE = 20_000.0
"""Merchant seconds a real second: fourteen days in about a minute."""

FAULTS = {
    "requests": [
        {"kind": "lose_before", "match": r"POST /v1/invoices/.*/pay", "probability": 0.02, "seed": 1},
        {"kind": "lose_after", "match": r"POST /v1/invoices/.*/pay", "probability": 0.02, "seed": 2},
        {
            "kind": "error",
            "status": 429,
            "match": r"POST /v1/invoices/.*/pay",
            "probability": 0.02,
            "seed": 3,
        },
    ],
    "webhooks": [
        {"kind": "duplicate", "probability": 0.1, "copies": 2, "seed": 4},
        {"kind": "reorder", "probability": 0.2, "seconds": 0.3, "seed": 5},
    ],
}
"""The gateway loses answers, is busy, and tells things twice and out of order."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="renewals that fail (%(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="of the customers and their cards (%(default)s)")
    parser.add_argument(
        "--rate", type=float, default=RATE, help="merchant seconds a real second (%(default)s)"
    )
    parser.add_argument("--within", type=float, default=240.0, help="real seconds at the most (%(default)s)")
    return parser.parse_args()


async def main(asked: argparse.Namespace, console: Console) -> bool:
    """Run the demo; tell whether the books agree."""
    began = time.monotonic()
    async with Run() as run:
        house = await open_house(run, say=lambda text: console.print(f"[dim]·[/] {text}"))
        console.print("[dim]·[/] starting the four services")
        await house.start()
        console.print("[dim]·[/] connecting a sandbox merchant to the practice gateway")
        async with await open_sandbox(house) as sandbox:
            console.print(f"[dim]·[/] ready after {time.monotonic() - began:.0f} s")
            verdict = await _play(asked, console, sandbox)
    console.print(
        f"[dim]{time.monotonic() - began:.0f} s in all; logs and the ledger are in {run.directory}[/]"
    )
    return verdict.good


async def _play(asked: argparse.Namespace, console: Console, sandbox: Sandbox) -> Verdict:
    await sandbox.faults(**FAULTS)
    renewals = await sandbox.renewals(asked.count, seed=asked.seed)
    failed = [renewal["invoice"] for renewal in renewals if renewal["status"] == "open"]
    why = Counter(renewal["reason"] for renewal in renewals if renewal["status"] == "open")
    console.print(f"[bold]{len(failed)} renewals failed[/] at the gateway: " + _reasons(why))
    house = sandbox.house
    customers, done = Customers(house.mail.url, house.portal_url), asyncio.Event()
    reading = asyncio.create_task(customers.live(done))
    await sandbox.run_clock(asked.rate)
    try:
        await _watch(asked, console, sandbox, customers, len(failed))
    finally:
        done.set()
        await reading
    cases = await sandbox.api.cases()
    ledger = await sandbox.ledger()
    now = (await sandbox.now()).isoformat().replace("+00:00", "Z")
    verdict = judge(failed, cases, ledger["invoices"], await sandbox.obligations(), now)
    console.print(closing(cases, verdict, customers.mended, customers.mails))
    for complaint in [*verdict.complaints, *(f"a customer gave up: {text}" for text in customers.gave_up)][
        :20
    ]:
        console.print(f"[red]{complaint}[/]")
    mark = "[bold green]The books agree[/]" if verdict.good else "[bold red]The books differ[/]"
    console.print(
        f"{mark}: the gateway's ledger against ours: "
        f"{len(verdict.lost)} lost, {len(verdict.double)} double, {len(verdict.differing)} differing"
    )
    return verdict


async def _watch(
    asked: argparse.Namespace, console: Console, sandbox: Sandbox, customers: Customers, wanted: int
) -> None:
    """Draw until every case is closed."""
    start, deadline = await sandbox.now(), time.monotonic() + asked.within
    scene = Scene(wanted=wanted)
    with Live(
        live(scene), console=console, refresh_per_second=4, transient=not console.is_terminal
    ) as picture:
        while time.monotonic() < deadline:
            cases = await sandbox.api.cases()
            scene.states = Counter(case["state"] for case in cases)
            scene.day = (await sandbox.now() - start) / timedelta(days=1)
            scene.captured = (await sandbox.ledger())["captured"]
            scene.mails, scene.mended = sum(customers.mails.values()), customers.mended
            picture.update(live(scene))
            if len(cases) >= wanted and all(case["state"] in CLOSED for case in cases):
                return
            await asyncio.sleep(0.5)
    console.print(f"[red]cases are still open after {asked.within:.0f} s[/]")


def _reasons(why: Counter[str]) -> str:
    return ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in why.most_common())


if __name__ == "__main__":
    try:
        sys.exit(0 if asyncio.run(main(arguments(), Console())) else 1)
    except LocalError as error:
        sys.exit(f"make demo: {error}")
