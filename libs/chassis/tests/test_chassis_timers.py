"""Timers fire on their merchant's clock, once, and with what they lead to or not at all."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from recoup_chassis import clocks
from recoup_chassis.errors import Unprocessable
from recoup_chassis.postgres import Tx
from recoup_chassis.timers import AT_ONCE, Dispatcher, NewTimer, Timer, arm, disarm
from recoup_events.models import SettingsChanged
from recoup_events.values import fact_id
from recoup_local.pytest_plugin import eventually

from .conftest import WHEN, Bench, live_merchant, running

pytestmark = pytest.mark.postgres

MERCHANT_EPOCH = datetime(2030, 1, 1, tzinfo=UTC)


def clock(merchant: str, rate: float, version: int = 1, origin: datetime = MERCHANT_EPOCH) -> SettingsChanged:
    return SettingsChanged(
        id=fact_id(merchant, "settings.changed", "clock", str(version)),
        time=WHEN,
        merchant_id=merchant,
        version=version,
        setting="clock",
        value={
            "origin_real": datetime.now(UTC).isoformat(),
            "origin_merchant": origin.isoformat(),
            "rate": rate,
        },
    )


def timer(merchant: str, subject: str, due_at: datetime, *, real: bool = False) -> NewTimer:
    return NewTimer(merchant, "c1", "step", subject, due_at, real=real)


async def set_clocks(bench: Bench, *settings: SettingsChanged) -> None:
    async with bench.database.transaction([s.merchant_id for s in settings]) as tx:
        await clocks.settings_changed(settings, tx)


async def armed(bench: Bench, *timers: NewTimer) -> None:
    async with bench.database.transaction({t.merchant_id for t in timers}) as tx:
        await tx.lock_customers({(t.merchant_id, t.customer_id) for t in timers})
        await arm(tx, timers)


class Fired:
    def __init__(self, bench: Bench, *, refuse: str = "") -> None:
        self.subjects: list[str] = []
        self._refuse = refuse
        self.dispatcher = Dispatcher(bench.database, self.handle, name="test", kinds=["step"])

    async def handle(self, timers: Sequence[Timer], tx: Tx) -> None:
        if any(t.subject == self._refuse for t in timers):
            raise Unprocessable("unlucky")
        self.subjects += [t.subject for t in timers]


async def test_a_timer_of_a_live_merchant_fires_when_real_time_has_come(bench: Bench) -> None:
    await set_clocks(bench, live_merchant("m1"))
    now = datetime.now(UTC)
    await armed(bench, timer("m1", "due", now), timer("m1", "later", now + timedelta(hours=1)))
    fired = Fired(bench)
    assert await fired.dispatcher.fire() is True
    assert await fired.dispatcher.fire() is False
    assert fired.subjects == ["due"]
    assert await bench.as_owner("SELECT string_agg(subject, ',') FROM timers") == "later"


async def test_a_sandbox_clock_that_runs_a_day_a_second_brings_its_timers_forward(bench: Bench) -> None:
    await set_clocks(bench, clock("m1", 86_400), live_merchant("m2"))
    day = timedelta(days=1)
    await armed(bench, *(timer("m1", f"day {n}", MERCHANT_EPOCH + n * day) for n in (1, 2)))
    await armed(bench, timer("m2", "live, same instant", MERCHANT_EPOCH + day))
    fired = Fired(bench)
    async with running(fired.dispatcher):
        await eventually(lambda: len(fired.subjects) == 2)
    assert fired.subjects == ["day 1", "day 2"]


async def test_a_real_timer_of_a_sandbox_merchant_ignores_its_clock(bench: Bench) -> None:
    await set_clocks(bench, clock("m1", 1))
    now = datetime.now(UTC)
    await armed(
        bench, timer("m1", "now", now, real=True), timer("m1", "later", now + timedelta(hours=1), real=True)
    )
    fired = Fired(bench)
    await fired.dispatcher.fire()
    assert fired.subjects == ["now"]


async def test_a_stopped_clock_fires_nothing_and_an_older_setting_does_not_turn_it_back(bench: Bench) -> None:
    await set_clocks(bench, clock("m1", 0, version=5))
    await set_clocks(bench, clock("m1", 86_400, version=4))
    await armed(bench, timer("m1", "soon", MERCHANT_EPOCH + timedelta(seconds=1)))
    fired = Fired(bench)
    await fired.dispatcher.fire()
    assert fired.subjects == []
    await set_clocks(bench, clock("m1", 0, version=6, origin=MERCHANT_EPOCH + timedelta(hours=1)))
    await fired.dispatcher.fire()
    assert fired.subjects == ["soon"]


async def test_a_disarmed_timer_does_not_fire(bench: Bench) -> None:
    await set_clocks(bench, live_merchant("m1"))
    now = datetime.now(UTC)
    await armed(bench, timer("m1", "a", now), timer("m1", "b", now))
    async with bench.database.transaction(["m1"]) as tx:
        await disarm(tx, [("m1", "a")], ["step"])
        await disarm(tx, [("m1", "b")], ["another kind"])
    fired = Fired(bench)
    await fired.dispatcher.fire()
    assert fired.subjects == ["b"]


async def test_two_dispatchers_never_fire_the_same_timer_and_skip_a_customer_that_is_held(
    bench: Bench,
) -> None:
    await set_clocks(bench, live_merchant("m1"))
    now = datetime.now(UTC)
    customers = [NewTimer("m1", f"c{n}", "step", f"s{n}", now) for n in range(300)]
    await armed(bench, *customers)
    one, two = Fired(bench), Fired(bench)
    async with bench.database.transaction(["m1"]) as tx:
        await tx.lock_customers([("m1", "c7")])
        await asyncio.gather(one.dispatcher.fire(), two.dispatcher.fire())
        assert "s7" not in one.subjects + two.subjects
    await one.dispatcher.fire()
    assert sorted(one.subjects + two.subjects) == sorted(t.subject for t in customers)


async def test_when_more_is_due_than_one_batch_takes_merchants_take_turns(bench: Bench) -> None:
    await set_clocks(bench, live_merchant("big"), live_merchant("small"), clock("sandbox", 1))
    now = datetime.now(UTC)
    crowd = [NewTimer("big", f"c{n}", "step", f"big {n}", now - timedelta(hours=1)) for n in range(1200)]
    await armed(bench, *crowd, timer("small", "small", now), timer("sandbox", "its own", MERCHANT_EPOCH))
    fired = Fired(bench)
    assert await fired.dispatcher.fire() is True
    assert {"small", "its own"} <= set(fired.subjects)
    while await fired.dispatcher.fire():
        pass
    assert sorted(fired.subjects) == sorted(["small", "its own", *(t.subject for t in crowd)])


async def test_batches_side_by_side_fire_each_timer_of_a_customer_once(bench: Bench) -> None:
    await set_clocks(bench, live_merchant("m1"))
    now = datetime.now(UTC)
    crowd = [NewTimer("m1", f"c{n % 700}", "step", f"s{n}", now - timedelta(hours=1)) for n in range(1300)]
    await armed(bench, *crowd)
    fired = Fired(bench)
    assert await fired.dispatcher.fire() is True
    assert len(fired.subjects) > AT_ONCE
    while await fired.dispatcher.fire():
        pass
    assert sorted(fired.subjects) == sorted(timer.subject for timer in crowd)


async def test_a_batch_that_takes_long_holds_up_nothing_that_is_due_meanwhile(bench: Bench) -> None:
    await set_clocks(bench, live_merchant("m1"))
    now = datetime.now(UTC)
    others = [
        NewTimer("m1", f"o{n}", "step", f"other {n}", now + timedelta(seconds=1 + n / 10)) for n in range(9)
    ]
    await armed(bench, NewTimer("m1", "slow", "step", "slow", now - timedelta(seconds=1)), *others)
    goes_on, fired = asyncio.Event(), Fired(bench)

    async def slow(timers: Sequence[Timer], tx: Tx) -> None:
        if any(t.subject == "slow" for t in timers):
            await goes_on.wait()
        await fired.handle(timers, tx)

    dispatcher = Dispatcher(bench.database, slow, name="test", kinds=["step"])
    async with running(dispatcher):
        await eventually(lambda: set(fired.subjects) == {t.subject for t in others})
        goes_on.set()
        await eventually(lambda: "slow" in fired.subjects)
    assert len(fired.subjects) == len(set(fired.subjects)) == 1 + len(others)


async def test_a_refused_timer_is_set_aside_and_holds_its_customer(bench: Bench) -> None:
    await set_clocks(bench, live_merchant("m1"))
    now = datetime.now(UTC)
    await armed(bench, timer("m1", "good", now), timer("m1", "bad", now), timer("m1", "good too", now))
    fired = Fired(bench, refuse="bad")
    await fired.dispatcher.fire()
    assert sorted(fired.subjects) == ["good", "good too"]
    async with bench.database.transaction(["m1"]) as tx:
        assert await tx.held([("m1", "c1")]) == {("m1", "c1")}


async def test_a_timer_cannot_be_armed_without_holding_its_customer(bench: Bench) -> None:
    await set_clocks(bench, live_merchant("m1"))
    async with bench.database.transaction(["m1"]) as tx:
        with pytest.raises(AssertionError, match="lock the customers"):
            await arm(tx, [timer("m1", "x", WHEN)])


async def test_transactions_that_lock_overlapping_customers_old_and_new_never_deadlock(bench: Bench) -> None:
    await set_clocks(bench, live_merchant("m1"))
    draw = random.Random(5)

    async def lock_some(names: list[str]) -> None:
        async with bench.database.transaction(["m1"]) as tx:
            await tx.lock_customers(("m1", name) for name in names)
            await asyncio.sleep(0)
            await tx.lock_customers(("m1", name) for name in names)

    for round_of in range(60):
        names = [f"c{round_of // 3}_{n}" for n in range(40)] + [f"C{n}" for n in range(20)]
        await asyncio.gather(*(lock_some(draw.sample(names, 25)) for _ in range(8)))
    found = await bench.as_owner("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert found == 0
