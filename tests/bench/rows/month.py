"""The first of the month: failures as fast as they are taken, then all of them due together, to the last mail."""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from recoup_local.eventually import eventually
from recoup_local.house import NOTIFIER, SCHEDULER, House
from recoup_local.sandbox import open_sandbox

from ..measure import Goal, Reading, Row, Side
from ..place import Place

WHOLE = "whole path"
SUBSCRIBERS, FAIL = 10_000_000, 0.05
"""What the last figures are for: so many subscribers, of whom this share fails on the first of the month."""

WITHIN_HOURS = 8
"""And within so many hours all of them are to be tried again."""

OF_POSTGRES = "of postgres, "
"""Begins the name of what the sessions of one database spent, which is a part of what Postgres did."""

LONGEST = 1800.0
"""Seconds until a run is given up; no measurement."""

CASES = "SELECT count(*) FROM cases WHERE merchant_id = $1 AND ($2::text IS NULL OR state = $2)"
MAILS = "SELECT count(*) FROM correspondence WHERE merchant_id = $1 AND kind = $2 AND state = 'sent'"


@asynccontextmanager
async def row(place: Place) -> AsyncIterator[Row]:
    """A merchant of its own for each run."""
    cases = place.size(3_000, 3)
    house = await place.house()
    yield Row(
        "month",
        "Renewals fail at the practice gateway as fast as their webhooks are taken, and every customer is told; then "
        "the merchant's clock moves on a day and every retry falls due at once. From the first failure until the "
        "last customer of a recovered case has got the mail that says so. Four services, broker, Postgres, practice "
        "gateway and mail server share the machine.",
        "cases/s",
        [Side(WHOLE, lambda: _month(place, house, cases))],
        [Goal(WHOLE, at_least=150.0)],
        settings={
            "failures": f"{cases:,}, one decline each, paid at the first retry",
            "merchants and accounts": "one",
            "replicas of each service": "one",
        },
    )


async def _month(place: Place, house: House, cases: int) -> Reading:
    async with await open_sandbox(house, gateway=house.practice or await house.start_practice()) as sandbox:
        await sandbox.setting("recovery", {"schedule_days": [1], "window_days": 5})
        before, began = cpu_of(house), time.monotonic()
        await sandbox.renewals(cases, mix={"processing_error_once": 1})
        await wait_for(house, SCHEDULER, CASES, cases, sandbox.merchant_id, None)
        await wait_for(house, NOTIFIER, MAILS, cases, sandbox.merchant_id, "payment_failed")
        opened = time.monotonic() - began
        place.say(f"month: {cases:,} cases open, and their customers written to, after {opened:.1f} s")
        await sandbox.api.call("POST", "/sandbox/clock/advance", {"hours": 25})
        await sandbox._tell_gateway()
        due = time.monotonic()
        await wait_for(house, SCHEDULER, CASES, cases, sandbox.merchant_id, "recovered")
        recovered = time.monotonic() - due
        await wait_for(house, NOTIFIER, MAILS, cases, sandbox.merchant_id, "all_set")
        seconds = opened + time.monotonic() - due
        worked = {name: cpu - before.get(name, 0.0) for name, cpu in cpu_of(house).items()}
    a_thousand = {name: cpu / cases * 1000 for name, cpu in worked.items()}
    return Reading(
        cases / seconds,
        {
            "opened, cases/s": cases / opened,
            "due until recovered, cases/s": cases / recovered,
            **{f"CPU s per 1,000 cases: {name}": spent for name, spent in sorted(a_thousand.items())},
            "CPU s per 1,000 cases: all of ours and their servers": _ours(a_thousand),
            f"cores for {SUBSCRIBERS:,} subscribers, {FAIL:.0%} failing within {WITHIN_HOURS} h": _cores(
                a_thousand
            ),
        },
    )


def _ours(spent: Mapping[str, float]) -> float:
    """Leave out what stands for the world outside, the gateway and the mail server, and what is a part of another."""
    outside = {"practice-gateway", "mail"}
    return sum(cpu for name, cpu in spent.items() if name not in outside and not name.startswith(OF_POSTGRES))


def _cores(spent: Mapping[str, float]) -> float:
    return SUBSCRIBERS * FAIL / 1000 * _ours(spent) / (WITHIN_HOURS * 3600)


def cpu_of(house: House) -> dict[str, float]:
    """Give the CPU seconds that each process of the house has spent, its children's among them."""
    spent: defaultdict[str, float] = defaultdict(float)
    for name, process in house.run.processes.items():
        with suppress(psutil.Error):
            root = psutil.Process(process.pid)
            own = root.cpu_times()
            spent[name] += own.user + own.system + own.children_user + own.children_system
            for child in root.children(recursive=True):
                with suppress(psutil.Error):
                    times = child.cpu_times()
                    spent[name] += times.user + times.system
                    if database := _database_of(child):
                        spent[OF_POSTGRES + database] += times.user + times.system
    return {name: seconds for name, seconds in spent.items() if seconds >= 0.01}


def _database_of(process: psutil.Process) -> str | None:
    """Read the title of a session's process: `postgres: <user> <database> <client> <what it does>`."""
    title, *_ = process.cmdline() or [""]
    match title.split():
        case ["postgres:", _, database, client, *_] if "(" in client:
            return database
        case _:
            return None


async def wait_for(house: House, service: str, query: str, wanted: int, *args: object) -> None:
    """Wait until so many rows of one merchant are there, looking every tenth of a second past row-level security."""
    server = urlsplit(house.postgres.admin_dsn)
    dsn = urlunsplit(server._replace(path=f"/{house.databases[service].name}"))
    connection = await asyncpg.connect(dsn)

    async def are_there() -> bool:
        return bool(await connection.fetchval(query, *args) >= wanted)

    try:
        await eventually(are_there, within=LONGEST)
    finally:
        await connection.close()
