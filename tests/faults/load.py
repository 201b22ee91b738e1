"""Load: renewals that fail in batches, customers who mend, a gateway that is unreliable, a clock that runs.

A row begins it, makes its faults while it goes on, and has it judged. Everything is drawn from the seed.
"""

import asyncio
import contextlib
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from recoup_local.demo.customers import Customers
from recoup_local.sandbox import Sandbox

from . import oracle

DAY = 86_400.0
RATE = DAY / 3
"""Merchant seconds a real second: a case lives for ten seconds at most."""

ENOUGH_WAITING = 60
"""Webhooks: more than so many that are not answered yet, and nobody new comes; a busy machine must not drown."""

SOME, FOR_EACH = 30, 6
"""Renewals at most, and for each fault: where a fault takes minutes, for instance a broker's start on a busy machine,
what piles up must not take hours."""

MONTHS = 36
"""From a renewal to the next, which nobody counts: the merchant's months are over in minutes."""

RECOVERY = {"schedule_days": [1, 2], "window_days": 3, "final_action": "cancel"}
PAY = r"POST /v1/invoices/.*/pay"


@dataclass
class Load:
    """What goes on while faults are made.

    Args:
        seed: of the customers, their cards and the gateway's faults.
    """

    sandbox: Sandbox
    seed: int
    customers: Customers
    failed: list[str] = field(default_factory=list)
    batches: int = 0
    most: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    trading: asyncio.Task[None] | None = None

    async def renew(self, count: int) -> None:
        """Let so many subscriptions renew; most fail."""
        self.batches += 1
        seed = self.seed * 10_000 + self.batches
        renewals = await self.sandbox.renewals(count, seed=seed, months=MONTHS)
        self.failed += [renewal["invoice"] for renewal in renewals if renewal["status"] == "open"]

    async def trade(self, count: int, every: float) -> None:
        """Let `count` renewals come every so many seconds, unless too many webhooks wait, until there were enough."""
        while not self.over.is_set() and self.batches * count < self.most:
            told = await self.sandbox.gateway.control("GET", f"/webhooks?account={self.sandbox.account_id}")
            if told["pending"] < ENOUGH_WAITING:
                await self.renew(count)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.over.wait(), every)

    async def judge(self) -> None:
        """End the load, let everything come to rest, and compare the books.

        Raises:
            AssertionError: the books differ, something does not come to rest, or nothing was tried.
        """
        if self.trading is not None:
            self.over.set()
            await self.trading
        if still := await oracle.drained(self.sandbox, len(self.failed)):
            sys.stdout.write(f"still open: {still}\n")
        await self.sandbox.run_clock(0)
        await oracle.at_rest(self.sandbox)
        found = await oracle.complaints(self.sandbox, self.failed)
        sys.stdout.write(
            f"{len(self.failed)} renewals failed, {self.customers.mended} customers mended, seed {self.seed}\n"
        )
        assert found == [], "\n".join(found)
        assert self.failed, "nothing failed"


@asynccontextmanager
async def load(
    sandbox: Sandbox, seed: int, tries: int, *, count: int = 2, every: float = 1.0, rate: float = RATE
) -> AsyncIterator[Load]:
    """Begin the load; it trades until it is judged, the block ends, or there were enough renewals for the tries.

    Args:
        tries: faults that will be made.
        count: renewals at a time.
        every: seconds between them.
        rate: merchant seconds a real second.
    """
    await sandbox.setting("recovery", RECOVERY)
    await sandbox.faults(**unreliable(seed))
    house = sandbox.house
    customers = Customers(house.mail.url, house.portal_url, only=f".{sandbox.account_id}@")
    going = Load(sandbox, seed, customers, most=SOME + FOR_EACH * tries)
    gone = asyncio.Event()
    reading = asyncio.create_task(customers.live(gone))
    await sandbox.run_clock(rate)
    going.trading = asyncio.create_task(going.trade(count, every))
    try:
        yield going
    finally:
        going.over.set()
        gone.set()
        await asyncio.gather(going.trading, reading, return_exceptions=True)


def unreliable(seed: int) -> dict[str, list[dict[str, object]]]:
    """Give the gateway's faults: answers and requests lost, too busy, webhooks twice and out of order."""
    draw = random.Random(seed)
    return {
        "requests": [
            {"kind": "lose_before", "match": PAY, "probability": 0.03, "seed": draw.randrange(1000)},
            {"kind": "lose_after", "match": PAY, "probability": 0.03, "seed": draw.randrange(1000)},
            {"kind": "error", "status": 429, "match": PAY, "probability": 0.02, "seed": draw.randrange(1000)},
        ],
        "webhooks": [
            {"kind": "duplicate", "probability": 0.1, "copies": 2, "seed": draw.randrange(1000)},
            {"kind": "reorder", "probability": 0.2, "seconds": 0.3, "seed": draw.randrange(1000)},
        ],
    }
