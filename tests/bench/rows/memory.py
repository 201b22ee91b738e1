"""Memory: what each service holds idle, and after a million events, more than its imports alone."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import aiohttp
import psutil

from recoup_local.house import ADAPTER, NOTIFIER, PORTAL, SCHEDULER, SERVICES, House

from ..events import failure, put
from ..measure import Goal, Reading, Row, Side
from ..place import Place
from ..webhooks import customer_updated, signature
from .ingest import CONNECTIONS, PATH, connect_account
from .month import wait_for

MIB = 2**20
IDLE, WORKED, AGAIN = "idle", "after half of the work", "after all of it"

TOLD = "SELECT count(*) FROM contacts WHERE merchant_id = $1"
OPENED = "SELECT count(*) FROM cases WHERE merchant_id = $1"
WRITTEN_OFF = "SELECT count(*) FROM correspondence WHERE merchant_id = $1 AND state = 'dropped'"
IMPORTS = """
import importlib, psutil
importlib.import_module("recoup_{name}.app")
importlib.import_module("recoup_{name}.cli")
print(psutil.Process().memory_info().rss)
"""


@asynccontextmanager
async def row(place: Place) -> AsyncIterator[Row]:
    """One house; its services are started once and take half of the work at a time."""
    customers = place.size(1_000_000, 4)
    half = customers // 2
    house = await place.house()
    merchant = json.loads(
        (await house.command(PORTAL, "create-merchant", "--name", "Bench")).splitlines()[-1]
    )
    own = house.environments[ADAPTER]
    await connect_account(own["DATABASE_URL"], merchant["merchant_id"], own["SEALING_KEYS"])
    alone = {service: await _imports_alone(service) for service in SERVICES}
    halves = count(1)

    async def work() -> Reading:
        done = next(halves)
        numbers = range((done - 1) * half, done * half)
        place.say(f"{half:,} customers are told of, and a renewal of each fails")
        await _tell(house, numbers)
        await wait_for(house, NOTIFIER, TOLD, done * half, merchant["merchant_id"])
        failed = (failure(number, merchant=merchant["merchant_id"]) for number in numbers)
        await put(house.kafka.bootstrap_servers, house.environments[SCHEDULER]["KAFKA_TOPIC_PREFIX"], failed)
        for service, query in ((SCHEDULER, OPENED), (PORTAL, OPENED), (NOTIFIER, WRITTEN_OFF)):
            await wait_for(house, service, query, done * half, merchant["merchant_id"])
        return _reading(house, alone)

    async def idle() -> Reading:
        return _reading(house, alone)

    yield Row(
        "memory",
        "Resident memory of each service beyond that of a process that has only imported it; the value is that of "
        "the service that holds the most more. Every customer is told of by a webhook and followed from "
        "gateway-adapter to notifier and portal-api; then a renewal of each fails, and is followed from "
        "retry-scheduler to both. The customers have no address, so that nobody is written to.",
        "MiB more than imports alone",
        [Side(IDLE, idle), Side(WORKED, work, once=True), Side(AGAIN, work, once=True)],
        [Goal(IDLE, at_most=70.0), Goal(AGAIN, at_most=70.0), Goal(AGAIN, WORKED, at_most=1.1)],
        settings={
            "work": f"{2 * half:,} webhooks and as many failures: gateway-adapter takes and tells {2 * half:,} events, "
            f"retry-scheduler too, notifier takes {4 * half:,}, portal-api {6 * half:,}",
            **{f"imports of {service}, MiB": f"{rss / MIB:.0f}" for service, rss in alone.items()},
        },
    )


async def _tell(house: House, numbers: range) -> None:
    """Post a webhook about each customer."""
    waiting = iter(numbers)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(house.ingest_url, connector=connector) as http:

        async def post() -> None:
            for number in waiting:
                body = customer_updated(number, email=None)
                headers = {"Stripe-Signature": signature(body), "Content-Type": "application/json"}
                async with http.post(PATH, data=body, headers=headers) as answer:
                    assert answer.status == 200, await answer.text()

        await asyncio.gather(*(post() for _ in range(CONNECTIONS)))


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
