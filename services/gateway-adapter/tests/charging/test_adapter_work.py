"""The queue of what gateways are asked: fair over accounts, bounded, leased, and not while an account is down."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY

from recoup_gateway_adapter.charging import metrics as charging
from recoup_gateway_adapter.work import domain, metrics, store
from recoup_gateway_adapter.work.domain import (
    AT_ONCE,
    BURST,
    OPEN_FROM,
    OPEN_TO,
    RATE,
    TRIPS_AFTER,
    Busy,
    Failing,
    Flow,
    Healthy,
    Kind,
    RefusesUs,
)
from recoup_gateway_adapter.work.loop import Executor
from recoup_gateway_adapter.work.store import Item, Work
from recoup_local.eventually import eventually

Bench = Any

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FLOW = Flow("m_1", "acct_1", BURST, NOW)


@pytest.mark.parametrize(
    ("allowances", "slots", "dealt"),
    [
        ([], 10, []),
        ([0, 0], 10, [0, 0]),
        ([100], 10, [10]),
        ([100, 100], 10, [5, 5]),
        ([100, 1, 100], 9, [4, 1, 4]),
        ([100, 100, 100], 2, [1, 1, 0]),
        ([2, 3], 10, [2, 3]),
    ],
)
def test_slots_are_dealt_out_in_turn(allowances: list[int], slots: int, dealt: list[int]) -> None:
    assert domain.shares(allowances, slots) == dealt


def test_an_account_is_asked_no_faster_than_its_rate() -> None:
    empty = replace(FLOW, tokens=0.0)
    assert domain.allowance(empty, 0, NOW) == 0
    later = domain.refilled(empty, NOW + timedelta(seconds=0.5))
    assert later.tokens == RATE / 2
    assert domain.refilled(empty, NOW + timedelta(hours=1)).tokens == BURST


def test_an_account_has_only_so_many_under_way() -> None:
    assert domain.allowance(replace(FLOW, tokens=100.0), AT_ONCE - 3, NOW) == 3
    assert domain.allowance(replace(FLOW, tokens=100.0), AT_ONCE + 3, NOW) == 0


def test_failures_in_a_row_open_the_breaker_longer_and_longer_and_one_answer_closes_it() -> None:
    flow, pauses = FLOW, []
    for _ in range(TRIPS_AFTER + 8):
        flow = domain.heard(flow, Failing("timeout"), NOW)
        if flow.closed_until is not None:
            pauses.append(flow.closed_until - NOW)
    assert pauses[0] == OPEN_FROM
    assert pauses[-1] == OPEN_TO
    assert pauses == sorted(pauses)
    assert domain.allowance(flow, 0, NOW) == 0
    after = NOW + OPEN_TO
    assert (domain.allowance(flow, 0, after), domain.allowance(flow, 1, after)) == (1, 0), "one probe"
    assert domain.heard(flow, Healthy(), after) == replace(
        flow, failures=0, closed_until=None, closed_because=None
    )


def test_who_asks_us_to_slow_down_is_left_alone_for_as_long() -> None:
    flow = domain.heard(FLOW, Busy(timedelta(seconds=7)), NOW)
    assert (flow.closed_until, flow.closed_because) == (NOW + timedelta(seconds=7), "throttled")
    assert domain.heard(FLOW, RefusesUs(), NOW).closed_because == "account_refused"


# --- the queue in Postgres --------------------------------------------------------------------------------


def items(account: str, count: int, due: datetime, priority: int = 10) -> list[Item]:
    return [
        Item(Kind.ATTEMPT, "m_1", account, f"{account}-{priority}-{n}", f"cus_{n}", priority, due)
        for n in range(count)
    ]


async def put(bench: Bench, *batches: list[Item]) -> None:
    async with bench.database.transaction(()) as tx:
        for batch in batches:
            await store.put(tx, batch)


async def claim(bench: Bench, slots: int, lease: timedelta = timedelta(minutes=1)) -> list[Work]:
    async with bench.database.transaction(()) as tx:
        return await store.claim(tx, uuid4(), tx.real_now + lease, slots)


def counted(claimed: list[Work]) -> dict[str, int]:
    found: dict[str, int] = {}
    for work in claimed:
        found[work.account_id] = found.get(work.account_id, 0) + 1
    return found


LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def test_a_flood_of_one_account_leaves_the_others_their_share(bench: Bench) -> None:
    await put(
        bench, items("acct_flood", 1500, LONG_AGO), items("acct_small", 2, LONG_AGO + timedelta(days=1))
    )
    assert counted(await claim(bench, 10)) == {"acct_flood": 5, "acct_small": 2}
    assert counted(await claim(bench, 3)) == {"acct_flood": 3}


async def test_an_item_that_is_queued_twice_in_one_breath_is_there_once(bench: Bench) -> None:
    (item,) = items("acct_twice", 1, LONG_AGO)
    await put(bench, [item, item])
    assert len(await claim(bench, 10)) == 1


async def test_what_is_leased_is_nobody_elses_until_the_lease_is_over(bench: Bench) -> None:
    await put(bench, items("acct_1", 3, LONG_AGO))
    assert len(await claim(bench, 10, lease=timedelta(0))) == 3
    again = await claim(bench, 10)
    assert len(again) == 3, "an expired lease is taken over"
    assert await claim(bench, 10) == []


async def test_a_person_who_waits_comes_first_and_what_is_not_due_does_not(bench: Bench) -> None:
    later = datetime.now(tz=UTC) + timedelta(hours=1)
    await put(
        bench, items("acct_1", 5, LONG_AGO), items("acct_1", 1, LONG_AGO, 0), items("acct_1", 1, later, 5)
    )
    first = await claim(bench, 2)
    assert [work.priority for work in first] == [0, 10]
    assert len(await claim(bench, 20)) == 4


async def test_a_closed_account_is_not_asked_and_then_by_one_probe(bench: Bench) -> None:
    await put(bench, items("acct_1", 5, LONG_AGO))
    async with bench.database.transaction(()) as tx:
        await store.report(tx, "m_1", "acct_1", Busy(timedelta(hours=1)))
    assert await claim(bench, 10) == []
    async with bench.database.transaction(()) as tx:
        await store.report(tx, "m_1", "acct_1", Busy(timedelta(0)))
    assert len(await claim(bench, 10)) == 1
    async with bench.database.transaction(()) as tx:
        await store.report(tx, "m_1", "acct_1", Healthy())
    await eventually(lambda: claim(bench, 10))


async def test_a_lease_is_renewed_while_its_work_runs_and_a_surprise_gives_it_back(bench: Bench) -> None:
    await put(bench, items("acct_1", 1, LONG_AGO))
    running, release, runs = asyncio.Event(), asyncio.Event(), []

    async def run(work: Work) -> None:
        runs.append(work.failures)
        running.set()
        await release.wait()
        if len(runs) == 1:
            raise LookupError("a surprise")
        async with bench.database.transaction(()) as tx:
            await store.done(tx, [work])

    executor, stopping = Executor(bench.database, {Kind.ATTEMPT: run}), asyncio.Event()
    serving = asyncio.create_task(executor.serve(stopping))
    await running.wait()
    assert await claim(bench, 10) == []
    release.set()
    await eventually(lambda: _rows(bench, "failures = 1 AND lease_id IS NULL AND due_at > now()"))
    async with bench.database.transaction(()) as tx:
        await tx.execute("UPDATE gateway_work SET due_at = now()")
    await eventually(lambda: _empty(bench))
    stopping.set()
    await serving
    assert runs == [0, 1]


async def _rows(bench: Bench, where: str) -> bool:
    query = f"SELECT count(*) > 0 FROM gateway_work WHERE {where}"  # noqa: S608  # our own words
    async with bench.database.transaction(()) as tx:
        return bool(await tx.fetchval(query))


async def _empty(bench: Bench) -> bool:
    return not await _rows(bench, "true")


async def test_the_gauges_tell_what_waits_and_who_is_closed(bench: Bench) -> None:
    await put(bench, items("acct_1", 3, LONG_AGO))
    async with bench.database.transaction(()) as tx:
        await store.report(tx, "m_1", "acct_1", RefusesUs())
        await tx.execute(
            "INSERT INTO attempt_states VALUES ('m_1', $1, 'unknown', 'needs_person', now() - interval '1 hour')",
            uuid4(),
        )
    parts, stopping = (metrics.watch(bench.database), charging.watch(bench.database)), asyncio.Event()
    serving = [asyncio.create_task(part.serve(stopping)) for part in parts]
    for name, labels, least in (
        ("recoup_gateway_work_due", {"kind": "attempt"}, 3),
        ("recoup_gateway_work_late_seconds", {"kind": "attempt"}, 3600),
        ("recoup_accounts_closed", {"reason": "account_refused"}, 1),
        ("recoup_unknown_attempt_age_seconds", {}, 3600),
        ("recoup_attempts_need_person", {}, 1),
        ("recoup_attempts", {"state": "unknown"}, 1),
    ):
        await eventually(partial(_at_least, name, labels, least))
    stopping.set()
    await asyncio.gather(*serving)


def _at_least(name: str, labels: dict[str, str], least: float) -> bool:
    return (REGISTRY.get_sample_value(name, labels) or 0) >= least
