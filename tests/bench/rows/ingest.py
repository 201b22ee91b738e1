"""Ingest: signed webhooks posted on 64 connections, each answered 2xx after its commit."""

import sys
import time
import timeit
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg
import psutil
from pydantic_core import from_json

from recoup_chassis.postgres import Database
from recoup_events.sensitive import hidden
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import NewAccount
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.gateways.stripe.events import envelope_of
from recoup_gateway_adapter.gateways.stripe.signature import is_signed
from recoup_local.eventually import eventually
from recoup_local.ports import free_port, listens
from recoup_local.processes import Process

from ..events import ACCOUNT, MERCHANT, know
from ..measure import Goal, Reading, Row, Side
from ..place import Place
from ..report import ROOT
from ..webhooks import SECRET, charge_failed, signature

OURS, BARE, INSERT = "Recoup's ingest port", "bare ASGI and HMAC", "one INSERT a request"
GROUPS = "JSON read, one INSERT for all that wait"
CONNECTIONS = 64
NOBODY = "http://127.0.0.1:9"
PATH = f"/webhooks/stripe/{ACCOUNT}"
KEYS = f"bench={b64encode(bytes(range(32))).decode()}"
TABLE = """
CREATE TABLE webhooks_one_by_one (
    id uuid PRIMARY KEY, account_id text NOT NULL, event_at timestamptz NOT NULL, body bytea NOT NULL
)
"""


@asynccontextmanager
async def row(place: Place) -> AsyncIterator[Row]:
    """Four servers on the same database server, loaded one at a time by a process of its own."""
    requests = place.size(10_000, 200)
    own = await place.database("gateway-adapter")
    await know(own.owner_dsn)
    await connect_account(own.app_dsn)
    owner = await asyncpg.connect(own.owner_dsn)
    await owner.execute(TABLE)
    series = count(1)

    async def measure(what: str) -> Reading:
        return await _measure(
            place,
            what,
            own.owner_dsn if what in {"insert", "groups"} else own.app_dsn,
            requests,
            next(series),
        )

    yield Row(
        "ingest",
        f"Signed webhooks of {len(charge_failed(1)) / 1000:.1f} kB on {CONNECTIONS} connections, each answered 2xx; "
        "what is stored is committed before. Load and server are processes of their own.",
        "requests/s",
        [
            Side(OURS, lambda: measure("recoup")),
            Side(BARE, lambda: measure("bare")),
            Side(INSERT, lambda: measure("insert")),
            Side(GROUPS, lambda: measure("groups")),
        ],
        [Goal(OURS, BARE, at_least=0.20), Goal(OURS, INSERT, at_least=2.0)],
        settings={
            "requests a run": f"{requests:,}",
            "connections to the database": "10 of all",
            "what ours does with a body before it waits for the commit": _parts(),
        },
    )
    stored = await owner.fetchval("SELECT count(*) FROM raw_webhooks")
    assert stored >= requests, f"{stored} stored"
    await owner.close()


def _parts() -> str:
    """Say what checking and reading a body costs, the best of three times over."""
    bodies = [charge_failed(number, "parts_") for number in range(1000)]
    now = time.time()
    headers = [signature(body).encode() for body in bodies]

    def microseconds(work: Callable[[bytes, bytes], object]) -> float:
        pairs = list(zip(bodies, headers, strict=True))
        return (
            min(timeit.repeat(lambda: [work(*pair) for pair in pairs], number=1, repeat=3)) / len(pairs) * 1e6
        )

    parts = {
        "signature, by the vendor's package": lambda body, header: is_signed(body, header, [SECRET], now),
        "card numbers and keys looked for": lambda body, _: hidden(body),
        "JSON and envelope": lambda body, _: envelope_of(from_json(body, cache_strings="keys")),
    }
    return ", ".join(f"{name} {microseconds(work):.0f} us" for name, work in parts.items())


async def connect_account(
    dsn: str, merchant: str = MERCHANT, keys: str = KEYS, base_url: str = NOBODY
) -> None:
    """Store the account whose webhooks come, unless told with a gateway that nobody answers for."""
    new = NewAccount(
        account_id=ACCOUNT,
        merchant_id=merchant,
        gateway="stripe",
        name="Bench",
        livemode=False,
        base_url=base_url,
        api_version=None,
        collection_paused=None,
        api_key="sk_test_bench_0123456789",
        webhook_secret=SECRET,
    )
    async with (
        await Database.connect(dsn, source="/bench") as database,
        database.transaction([merchant]) as tx,
    ):
        assert await accounts.put(tx, Vault.parse(keys), new)


async def _measure(place: Place, what: str, dsn: str, requests: int, series: int) -> Reading:
    port = free_port()
    environment = {"BENCH_DSN": dsn, "SEALING_KEYS": KEYS}
    server = place.run.start(
        f"bench-{what}", [sys.executable, "-m", "tests.bench.serving", what, str(port)],
        environment=environment, cwd=ROOT,
    )  # fmt: skip
    try:
        await eventually(lambda: listens(port), within=120)
        started = sum(psutil.Process(server.pid).cpu_times()[:2])
        told = await post(place, port, requests, f"s{series}_")
        worked = sum(psutil.Process(server.pid).cpu_times()[:2]) - started
    finally:
        await server.stop()
    assert told["statuses"] == {"200": requests}, told
    return Reading(
        requests / told["seconds"],
        {
            "answer p50, ms": told["p50"],
            "answer p99, ms": told["p99"],
            "CPU of the server, ms a request": worked / requests * 1000,
        },
    )


async def post(place: Place, port: int, requests: int, series: str) -> dict[str, Any]:
    """Let the load process post; give what it says."""
    arguments = [str(port), PATH, str(CONNECTIONS), str(requests), series]
    load: Process = place.run.start(
        "bench-load", [sys.executable, "-m", "tests.bench.load", *arguments], cwd=ROOT
    )
    told: dict[str, Any] = await load.announcement(within=600)
    if not await load.ended(within=30):
        await load.kill()
    return told
