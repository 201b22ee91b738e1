"""A soak with random faults of every kind: the books agree all along, memory stays flat, dead rows and lag bounded."""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median

import psutil
import pytest

from recoup_local.house import SERVICES, House
from recoup_local.kafka import Kafka
from recoup_local.postgres import Postgres
from recoup_local.sandbox import open_sandbox

from . import stores, topics
from .load import load
from .network import EDGES, Network, house_behind_proxies
from .proxy import Fault
from .supervised import kill, restart, supervised
from .tally import Tally

PART = "minutes"
MINUTE = 60.0
SAMPLE_EVERY = 5.0
"""Seconds."""

MEMORY_MAY_GROW = 1.2
"""Median of a service's memory in the last quarter against that of the second one."""

DEAD_ROWS = 50_000
"""That one table may have: autovacuum looks once a minute."""

LAG = 20_000
"""Records that one group may be behind while something is broken."""

DEAD = "SELECT relname, n_dead_tup FROM pg_stat_user_tables ORDER BY n_dead_tup DESC LIMIT 1"
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@dataclass
class Gauges:
    """What was measured, a list of samples each. `memory`: bytes by service."""

    memory: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in SERVICES})
    dead_rows: list[tuple[int, str]] = field(default_factory=list)
    lag: list[int] = field(default_factory=list)
    outbox: list[int] = field(default_factory=list)

    async def watch(self, house: House) -> None:
        """Measure until cancelled; what can't be asked just now is left out."""
        while True:
            for name, samples in self.memory.items():
                samples.extend(_memory(house, name))
            try:
                await self._ask(house)
            except Exception as down:  # noqa: BLE001  # the very store that is asked may be down on purpose
                sys.stdout.write(f"not measured: {type(down).__name__}\n")
            await asyncio.sleep(SAMPLE_EVERY)

    async def _ask(self, house: House) -> None:
        waiting = 0
        for name in SERVICES:
            async with stores.opened(house, name) as store:
                waiting += await store.fetchval(stores.OUTBOX)
                row = await store.fetchrow(DEAD)
                if row is not None:
                    self.dead_rows.append((row["n_dead_tup"], f"{name}: {row['relname']}"))
        self.outbox.append(waiting)
        self.lag.append(max((await topics.lags(house)).values(), default=0))

    def complaints(self) -> list[str]:
        """Say what grew."""
        found = []
        for name, samples in self.memory.items():
            quarter = len(samples) // 4
            early, late = median(samples[quarter : 2 * quarter]), median(samples[-quarter:])
            sys.stdout.write(f"{name}: {early / 2**20:.0f} MiB, then {late / 2**20:.0f} MiB\n")
            if late > early * MEMORY_MAY_GROW:
                found.append(f"{name} grew from {early / 2**20:.0f} to {late / 2**20:.0f} MiB")
        many, table = max(self.dead_rows)
        sys.stdout.write(
            f"at most {many} dead rows ({table}), lag {max(self.lag)}, outbox {max(self.outbox)}\n"
        )
        if many > DEAD_ROWS:
            found.append(f"{many} dead rows in {table}")
        if max(self.lag) > LAG:
            found.append(f"a group was {max(self.lag)} records behind")
        return found


def _memory(house: House, name: str) -> list[int]:
    try:
        (running,) = psutil.Process(house.services[name].process.pid).children()
        return [running.memory_info().rss]
    except (psutil.Error, ValueError):
        return []  # between a kill and the next start


def faults(house: House, net: Network, draw: random.Random) -> dict[str, Callable[[], Awaitable[None]]]:
    """Give what may go wrong, each to be called again and again."""

    async def network() -> None:
        proxy = net.proxies[draw.choice(EDGES)]
        proxy.strike(draw.choice(list(Fault)))
        await asyncio.sleep(draw.uniform(0.5, 10.0))
        proxy.heal()

    async def broker() -> None:
        assert isinstance(house.kafka, Kafka)
        await house.kafka.kill()
        await asyncio.sleep(draw.uniform(0.0, 5.0))
        await house.kafka.restart()

    async def database() -> None:
        assert isinstance(house.postgres, Postgres)
        await house.postgres.crash()
        await asyncio.sleep(draw.uniform(0.0, 5.0))
        await house.postgres.restart()

    async def killing() -> None:
        await kill(house, draw.choice(SERVICES))

    async def stopping() -> None:
        await restart(house, draw.choice(SERVICES))

    return {"network": network, "broker": broker, "database": database, "kill": killing, "restart": stopping}


@pytest.mark.part(PART)
@pytest.mark.timeout(4 * 3600)
async def test_hours_of_random_faults_leave_the_books_in_order_and_memory_flat(tally: Tally) -> None:
    draw, minutes, began = random.Random(tally.seed), tally.size(PART), time.monotonic()
    gauges = Gauges()
    async with house_behind_proxies() as (house, net):
        await house.start()
        async with supervised(house):
            watching = asyncio.create_task(gauges.watch(house))
            blocks = 0
            while time.monotonic() - began < minutes * MINUTE:
                blocks += 1
                # Who is killed has no memory that could grow: kills come in the first quarter only.
                young = time.monotonic() - began < minutes * MINUTE / 4
                await _block(house, net, draw, kills=young, seed=tally.seed * 1000 + blocks)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    sys.stdout.write(f"{blocks} merchants\n")
    grown = gauges.complaints()
    assert grown == [], "\n".join(grown)
    tally.did(PART, minutes)


async def _block(house: House, net: Network, draw: random.Random, *, kills: bool, seed: int) -> None:
    """Let one merchant's customers fail among faults for about a minute, and judge."""
    wrong = faults(house, net, draw)
    chosen = [name for name in wrong if kills or name not in ("kill", "restart")]
    gateway = house.practice or await house.start_practice()
    async with await open_sandbox(house, gateway=gateway) as sandbox, load(sandbox, seed, 20) as going:
        for _ in range(draw.randint(2, 6)):
            await asyncio.sleep(draw.uniform(0.0, 6.0))
            await wrong[draw.choice(chosen)]()
        await going.judge()
