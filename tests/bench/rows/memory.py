"""Memory: what each service holds idle, and after work, more than its imports alone."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil

from recoup_local.house import SCHEDULER, SERVICES, House
from recoup_local.sandbox import open_sandbox

from ..measure import Goal, Reading, Row, Side
from ..place import Place
from .month import CASES, wait_for

MIB = 2**20
IDLE, WORKED, AGAIN = "idle", "after work", "after as much again"
IMPORTS = """
import importlib, psutil
importlib.import_module("recoup_{name}.app")
importlib.import_module("recoup_{name}.cli")
print(psutil.Process().memory_info().rss)
"""


@asynccontextmanager
async def row(place: Place) -> AsyncIterator[Row]:
    """One house; its services are started once and worked twice."""
    failures = place.size(2_000, 3)
    house = await place.house()
    alone = {service: await _imports_alone(service) for service in SERVICES}

    async def worked() -> Reading:
        async with await open_sandbox(
            house, gateway=house.practice or await house.start_practice()
        ) as sandbox:
            await sandbox.renewals(failures, mix={"insufficient_funds": 1})
            await wait_for(house, SCHEDULER, CASES, failures, sandbox.merchant_id, None)
        return _reading(house, alone)

    async def idle() -> Reading:
        return _reading(house, alone)

    yield Row(
        "memory",
        "Resident memory of each service beyond that of a process that has only imported it; the value is the "
        "service's that holds the most more.",
        "MiB more than imports alone",
        [Side(IDLE, idle), Side(WORKED, worked), Side(AGAIN, worked)],
        [Goal(IDLE, at_most=70.0), Goal(AGAIN, at_most=70.0), Goal(AGAIN, WORKED, at_most=1.1)],
        settings={
            "work": f"{failures:,} failures, each with what follows in all four services",
            **{f"imports of {service}, MiB": f"{rss / MIB:.0f}" for service, rss in alone.items()},
        },
    )


async def _imports_alone(service: str) -> int:
    text = IMPORTS.format(name=service.replace("-", "_"))
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", text], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def _reading(house: House, alone: dict[str, int]) -> Reading:
    more = {
        service: (psutil.Process(house.services[service].process.pid).memory_info().rss - rss) / MIB
        for service, rss in alone.items()
    }
    return Reading(max(more.values()), {f"{service}, MiB more": value for service, value in more.items()})
