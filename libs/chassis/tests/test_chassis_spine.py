"""Outbox → relay → Kafka → consumer → database, on the real things."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from recoup_chassis import batches, hearing, kafka
from recoup_chassis.errors import Unprocessable
from recoup_chassis.kafka import Consumers, Subscription
from recoup_chassis.postgres import KEEPALIVES, Tx
from recoup_events.envelope import write
from recoup_events.models import PaymentFailed
from recoup_local.pytest_plugin import eventually

from .conftest import Bench, count_failures, failure, live_merchant, running

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def test_what_is_announced_in_a_transaction_arrives_and_is_handled_once(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    async with bench.database.transaction(["m1"]) as tx:
        await tx.emit(failure("m1", f"c{n}") for n in range(700))
    async with running(bench.relay(), bench.member()):
        await eventually(lambda: _counted(bench, 700))
    assert await bench.as_owner("SELECT count(*) FROM outbox") == 0


async def test_a_rolled_back_transaction_announces_nothing(bench: Bench) -> None:
    async def fail_after_announcing() -> None:
        async with bench.database.transaction(["m1"]) as tx:
            await tx.emit([failure("m1", "c1")])
            await tx.execute("SELECT 1 / 0")

    with pytest.raises(asyncpg.DivisionByZeroError):
        await fail_after_announcing()
    assert await bench.as_owner("SELECT count(*) FROM outbox") == 0


async def test_an_event_delivered_five_times_in_any_order_counts_once(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    events = [failure("m1", f"c{n % 20}", n) for n in range(100)] * 5
    random.Random(7).shuffle(events)
    await bench.send(*events)
    async with running(bench.member()):
        await eventually(lambda: _counted(bench, 100))
        await eventually(lambda: _all_committed(bench, 500))
    assert await bench.tally() == 100


async def test_what_comes_one_by_one_while_a_batch_is_handled_makes_one_batch(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    sizes: list[int] = []

    async def meanwhile(batch: Sequence[PaymentFailed], tx: Tx) -> None:
        sizes.append(len(batch))
        if len(sizes) == 1:
            for n in range(30):
                await bench.send(failure("m1", f"c{n}", n))
        await count_failures(batch, tx)

    member = bench.member(meanwhile)
    async with running(member):
        await eventually(lambda: _no_problem(member))
        await bench.send(failure("m1", "first", 100))
        await eventually(lambda: _counted(bench, 31))
    assert sizes == [1, 30]


def _dead_fetcher(consumer: Any) -> None:
    consumer._fetcher._fetch_task.cancel()


def _dead_coordinator(consumer: Any) -> None:
    consumer._coordinator._coordination_task.cancel()


def _coordinator_that_does_not_end(consumer: Any) -> None:
    _dead_fetcher(consumer)
    _dead_coordinator(consumer)
    consumer._coordinator._coordination_task = asyncio.create_task(asyncio.Event().wait())


def _coordinator_that_is_never_found(consumer: Any) -> None:
    consumer._coordinator.ensure_coordinator_known = asyncio.Event().wait
    consumer._coordinator.coordinator_dead()


@pytest.mark.parametrize(
    "break_it",
    [_dead_fetcher, _dead_coordinator, _coordinator_that_does_not_end, _coordinator_that_is_never_found],
)
async def test_a_consumer_that_brings_nothing_any_more_begins_anew(
    bench: Bench, break_it: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hearing, "SILENT", 1.0)
    monkeypatch.setattr(hearing, "DEAF", 1.0)
    monkeypatch.setattr(kafka, "LEFT_WITHIN", 1.0)
    monkeypatch.setattr(batches, "COMMITTED_WITHIN", 2.0)
    await bench.send(live_merchant("m1"), failure("m1", "before"))
    member = bench.member()
    async with running(member):
        await eventually(lambda: _counted(bench, 1))
        for subscriber in member._subscribers:
            break_it(subscriber.consumer)
        await bench.send(live_merchant("m2"), failure("m2", "after"))
        await eventually(lambda: _counted(bench, 2))
        await eventually(lambda: _all_committed(bench, 2))
        await eventually(lambda: _no_problem(member))


async def test_a_rebalance_in_mid_batch_runs_nothing_twice(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    entered, go_on = asyncio.Event(), asyncio.Event()
    handled: list[PaymentFailed] = []

    async def slow(batch: Sequence[PaymentFailed], tx: Tx) -> None:
        handled.extend(batch)
        entered.set()
        await go_on.wait()
        await count_failures(batch, tx)

    first = bench.member(slow)
    async with running(first):
        await eventually(lambda: _no_problem(first))
        await bench.send(*[failure("m1", f"c{n}") for n in range(200)])
        await entered.wait()
        second = bench.member()
        async with running(second):  # joins while the first is in the middle of its batch
            await eventually(lambda: _no_problem(second))
            await asyncio.sleep(0.5)  # time for the second to fetch the first's uncommitted records
            go_on.set()
            await eventually(lambda: _counted(bench, 200))
            await eventually(lambda: _all_committed(bench, 200))
    assert handled
    assert await bench.tally() == 200


async def test_two_members_of_one_process_share_a_topic_and_count_each_failure_once(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    await bench.send(*[failure("m1", f"c{n % 90}", n) for n in range(1300)])
    member = bench.member(Subscription(count_failures, members=2))
    async with running(member):
        await eventually(lambda: _counted(bench, 1300))
        await eventually(lambda: _all_committed(bench, 1300))
        await eventually(lambda: _share_evenly(member))
    assert await bench.tally() == 1300


async def _share_evenly(member: Consumers) -> bool:
    """The one that was there first gives up half when the other joins."""
    held = [s.consumer.assignment() for s in member._subscribers if s.topic.name == "payment.failed"]
    return [len(partitions) for partitions in held] == [6, 6]


async def test_two_members_of_one_process_count_their_refusals_together(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))

    async def broken(batch: Sequence[PaymentFailed], tx: Tx) -> None:
        raise Unprocessable("bad_deploy")

    member = bench.member(Subscription(broken, members=2))
    async with running(member):
        await eventually(lambda: _no_problem(member))
        await bench.send(*[failure("m1", f"c{n}") for n in range(21)])
        await eventually(lambda: _problem_says(member, "payment.failed stopped"))
    async with running(bench.member()):
        await eventually(lambda: _counted_or_held(bench, 21))


async def test_poison_goes_to_quarantine_with_its_reason_and_the_partition_goes_on(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    good = write(failure("m1", "c1"), source="/test", partitions=12)
    value, partition = good.value or b"", good.partition
    headers = dict(good.headers)
    poison: list[tuple[str, bytes | None, dict[str, bytes | None]]] = [
        ("headers", value, {**headers, "ce_type": b"\xff\xfe"}),
        ("headers", value, {**headers, "ce_type": None}),
        ("headers", value, {**headers, "ce_type": b"recoup.payment.failed.vs"}),
        ("headers", value, {**headers, "ce_recoupmerchant": b"m\x001"}),
        ("schema", value, {**headers, "ce_time": b"9999-12-31T23:59:59Z"}),
        ("headers", value, {k: v for k, v in headers.items() if k != "ce_id"}),
        ("headers", value, {**headers, "ce_recoupmerchant": b"m2"}),
        ("json", b"{", {**headers}),
        ("schema", b'{"merchant_id": "m1"}', {**headers}),
        ("nul", value.replace(b"acct_1", b"acct\\u0000"), {**headers}),
        ("null", None, {**headers}),
        ("size", b" " * 300_000, {**headers}),
    ]
    for _, body, head in poison:
        await bench.send_raw("payment.failed", body, list(head.items()), partition)
    await bench.send(failure("m1", "c1"))
    async with running(bench.member()):
        await eventually(lambda: _counted(bench, 1))
    rows = await _rows(bench, "SELECT reason, customer_id FROM quarantine ORDER BY record_offset")
    assert [row["reason"] for row in rows] == [reason for reason, _, _ in poison]
    async with bench.database.transaction(["m1"]) as tx:
        assert await tx.held([("m1", "c1"), ("m1", "c2")]) == {("m1", "c1")}


async def test_a_reply_to_header_makes_nobody_publish(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    good = write(failure("m1", "c1"), source="/test", partitions=12)
    prefix = bench.config.kafka_topic_prefix
    headers: list[tuple[str, bytes]] = [*good.headers, ("reply_to", f"{prefix}payment.failed".encode())]
    await bench.send_raw("payment.failed", good.value, headers, good.partition)
    member = bench.member()
    async with running(member):
        await eventually(lambda: _counted(bench, 1))
        await asyncio.sleep(0.3)
        assert await bench.told() == 1


async def test_a_refused_message_is_set_aside_alone_and_its_batch_goes_on(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    await bench.send(*[failure("m1", f"c{n}") for n in range(50)])

    async def picky(batch: Sequence[PaymentFailed], tx: Tx) -> None:
        if any(event.customer_id == "c13" for event in batch):
            raise Unprocessable("unlucky", "thirteen")
        await count_failures(batch, tx)

    async with running(bench.member(picky)):
        await eventually(lambda: _counted(bench, 49))
    rows = await _rows(bench, "SELECT reason, detail, customer_id FROM quarantine")
    assert [(row["reason"], row["detail"], row["customer_id"]) for row in rows] == [
        ("unlucky", "thirteen", "c13")
    ]


async def test_too_many_refusals_stop_the_topic_and_keep_its_records(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    await bench.send(*[failure("m1", f"c{n}") for n in range(21)])

    async def broken(batch: Sequence[PaymentFailed], tx: Tx) -> None:
        raise Unprocessable("bad_deploy")

    member = bench.member(broken)
    async with running(member):
        await eventually(lambda: _problem_says(member, "payment.failed stopped"))
    async with running(bench.member()):
        await eventually(lambda: _counted_or_held(bench, 21))


async def test_records_at_fault_are_set_aside_when_the_topic_is_told_to_bear_them(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    await bench.send(*[failure("m1", f"c{n}") for n in range(30)])

    async def picky(batch: Sequence[PaymentFailed], tx: Tx) -> None:
        if any(event.customer_id != "c29" for event in batch):
            raise Unprocessable("bad_records")
        await count_failures(batch, tx)

    async with running(stopped := bench.member(picky)):
        await eventually(lambda: _problem_says(stopped, "payment.failed stopped"))
    bench.config = bench.config.model_copy(update={"refusals_a_minute": 1000})
    async with running(bench.member(picky)):
        await eventually(lambda: _counted(bench, 1))
    assert await bench.as_owner("SELECT count(*) FROM quarantine") == 29


async def test_a_setting_that_does_not_fit_its_model_is_set_aside_and_the_next_one_is_followed(
    bench: Bench,
) -> None:
    misfit = live_merchant("m1").model_copy(update={"value": {"name": "A merchant", "sandbox": "perhaps"}})
    await bench.send(misfit, live_merchant("m2"), failure("m2", "c1"))
    async with running(bench.member()):
        await eventually(lambda: _counted(bench, 1))
    assert [row["reason"] for row in await _rows(bench, "SELECT reason FROM quarantine")] == ["schema"]


async def test_a_surprise_stops_its_subscription_and_the_next_member_loses_nothing(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    await bench.send(failure("m1", "c1"))

    async def surprised(batch: Sequence[PaymentFailed], tx: Tx) -> None:
        await count_failures(batch, tx)
        raise KeyError("nobody foresaw this")

    member = bench.member(surprised)
    async with running(member):
        await eventually(lambda: _problem_says(member, "KeyError"))
    async with running(bench.member()):
        await eventually(lambda: _counted(bench, 1))


async def test_an_unknown_version_stops_and_is_never_quarantined(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    good = write(failure("m1", "c1"), source="/test", partitions=12)
    headers = {**dict(good.headers), "ce_type": b"recoup.payment.failed.v9"}
    await bench.send_raw("payment.failed", good.value, list(headers.items()), good.partition)
    member = bench.member()
    async with running(member):
        await eventually(lambda: _problem_says(member, "later release"))
    assert await bench.as_owner("SELECT count(*) FROM quarantine") == 0


async def test_customers_are_held_in_one_order_in_whichever_they_are_named(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))

    async def hold(customers: list[tuple[str, str]]) -> None:
        async with bench.database.transaction(["m1"]) as tx:
            await tx.lock_customers(customers)

    for turn in range(5):
        new = [("m1", f"c{turn}_{n:04}") for n in range(3000)]
        await asyncio.gather(hold(new), hold(new[::-1]))  # one that deadlocks is an error


async def test_row_level_security_hides_the_rows_of_merchants_that_a_batch_does_not_concern(
    bench: Bench,
) -> None:
    await bench.send(live_merchant("m1"), live_merchant("m2"))
    await bench.send(failure("m1", "c1"), failure("m2", "c2"))
    async with running(bench.member()):
        await eventually(lambda: _counted(bench, 2))
    async with bench.database.transaction(["m1"]) as tx:
        assert [row["merchant_id"] for row in await tx.fetch("SELECT merchant_id FROM tally")] == ["m1"]
    async with bench.database.transaction([]) as tx:
        assert await tx.fetch("SELECT merchant_id FROM tally") == []
    assert await bench.database.pool.fetch("SELECT merchant_id FROM tally") == []


async def test_a_message_of_a_merchant_that_nobody_knows_waits_and_is_then_set_aside(bench: Bench) -> None:
    await bench.send(failure("m2", "c1"), failure("m1", "c1"))
    async with running(bench.member()):
        await bench.send(live_merchant("m1"))
        await eventually(lambda: _counted(bench, 1))
        await eventually(lambda: _rows(bench, "SELECT FROM quarantine"))
        assert [row["reason"] for row in await _rows(bench, "SELECT reason FROM quarantine")] == [
            "unknown_merchant"
        ]


async def test_what_was_set_aside_is_handled_once_when_it_is_replayed(bench: Bench) -> None:
    await bench.send(live_merchant("m1"))
    await bench.send(failure("m1", "c1"), failure("m1", "c2"))

    async def bad_release(batch: Sequence[PaymentFailed], tx: Tx) -> None:
        raise Unprocessable("bad_release")

    async with running(bench.member(bad_release)):
        await eventually(lambda: _counted_or_held(bench, 2))
    assert len(await bench.command("quarantine", "replay", "--reason", "bad_release", "--dry-run")) == 2
    assert await bench.as_owner("SELECT count(*) FROM quarantine WHERE released_at IS NULL") == 2
    await bench.command("quarantine", "replay", "--reason", "bad_release")
    async with running(bench.member()):
        await eventually(lambda: _counted(bench, 2))
    async with bench.database.transaction(["m1"]) as tx:
        assert await tx.held([("m1", "c1"), ("m1", "c2")]) == set()


async def test_a_broker_is_found_among_several_of_which_others_are_away(bench: Bench) -> None:
    servers = f"127.0.0.1:1,{bench.config.kafka_bootstrap_servers}"
    among_several = replace(
        bench, config=bench.config.model_copy(update={"kafka_bootstrap_servers": servers})
    )
    await bench.send(live_merchant("m1"))
    async with bench.database.transaction(["m1"]) as tx:
        await tx.emit([failure("m1", "c1")])
    async with running(among_several.relay(), among_several.member()):
        await eventually(lambda: _counted(bench, 1))


@pytest.mark.filterwarnings(
    "ignore:Unclosed AIOKafka:ResourceWarning"
)  # FastStream's own, whose start is given up
async def test_a_member_stops_at_once_while_it_starts_with_a_broker_that_does_not_answer(
    bench: Bench,
) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(never, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        deaf = replace(
            bench,
            config=bench.config.model_copy(update={"kafka_bootstrap_servers": f"127.0.0.1:{port}"}),
        )
        async with asyncio.timeout(10), running(deaf.member()):
            await asyncio.sleep(0.5)


async def test_the_server_notices_soon_that_a_service_is_gone_with_its_machine(bench: Bench) -> None:
    async with bench.database.pool.acquire() as connection:
        rows = await connection.fetch(
            "SELECT name, setting FROM pg_settings WHERE name = ANY ($1)", [*KEEPALIVES]
        )
    assert {row["name"]: row["setting"] for row in rows} == KEEPALIVES  # as they are on the session's socket


async def _counted(bench: Bench, wanted: int) -> bool:
    return await bench.tally() == wanted


async def _counted_or_held(bench: Bench, wanted: int) -> bool:
    return int(await bench.as_owner("SELECT count(*) FROM quarantine")) + await bench.tally() == wanted


async def _no_problem(member: Consumers) -> bool:
    return await member.problem() is None


async def _problem_says(member: Consumers, words: str) -> bool:
    return words in (await member.problem() or "")


async def _all_committed(bench: Bench, wanted: int) -> bool:
    admin = AIOKafkaAdminClient(bootstrap_servers=bench.config.kafka_bootstrap_servers)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(
            f"{bench.config.kafka_topic_prefix}tally.payment.failed"
        )
    finally:
        await admin.close()
    return bool(sum(max(0, found.offset) for found in offsets.values()) == wanted)


async def _rows(bench: Bench, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(bench.owner_dsn)
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()
