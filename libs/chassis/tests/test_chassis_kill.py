"""A service that is killed with -9 under load loses nothing, does nothing twice, and stops cleanly when asked."""

import asyncio
import functools
import os
import signal
import sys
from collections import Counter

import pytest
from aiokafka import AIOKafkaConsumer

from recoup_events.models import PaymentSucceeded
from recoup_local.pytest_plugin import Topics, eventually

from .conftest import SERVICE, Bench, failure, live_merchant

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

LOAD, KILLS = 6000, 3


async def start(bench: Bench) -> asyncio.subprocess.Process:
    env = {
        **os.environ,
        **{name.upper(): str(value) for name, value in bench.config.model_dump().items() if value != ""},
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, str(SERVICE), "serve", env=env, stderr=asyncio.subprocess.PIPE
    )


async def test_killed_under_load_it_counts_everything_once_and_tells_everything(
    bench: Bench, topics: Topics
) -> None:
    prefix = bench.config.kafka_topic_prefix
    await topics.create(prefix, only=["payment.succeeded"])
    await bench.send(live_merchant("m1"))
    for block in range(0, LOAD, 1000):
        await bench.send(*[failure("m1", f"c{n % 97}", n) for n in range(block, block + 1000)])

    seen = 0
    for _ in range(KILLS):
        process = await start(bench)
        seen = await eventually(functools.partial(_counts_beyond, bench, seen))
        process.kill()
        assert await process.wait() == -signal.SIGKILL
    process = await start(bench)
    await eventually(lambda: _counted_and_relayed(bench), within=60)
    process.send_signal(signal.SIGTERM)
    _, log = await process.communicate()
    assert process.returncode == 0, log.decode()[-2000:]

    assert await bench.tally() == LOAD
    told = await _told(bench)
    assert len(told) == LOAD


async def test_a_missing_or_bad_variable_stops_it_at_start_with_a_sentence_each() -> None:
    env = {"PATH": os.environ["PATH"], "OPS_PORT": "70000", "DATABASE_URL": "mysql://x"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVICE), "serve", env=env, stderr=asyncio.subprocess.PIPE
    )
    _, log = await process.communicate()
    lines = log.decode().splitlines()
    assert process.returncode == 2
    assert [line.split()[0] for line in lines] == ["DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "OPS_PORT"]
    assert "is missing: host:port" in lines[1]
    assert "less than or equal to 65535" in lines[2]


async def _counts_beyond(bench: Bench, before: int) -> int:
    counted = await bench.tally()
    return counted if counted > before or counted == LOAD else 0


async def _counted_and_relayed(bench: Bench) -> bool:
    return await bench.tally() == LOAD and await bench.as_owner("SELECT count(*) FROM outbox") == 0


async def _told(bench: Bench) -> Counter[bytes]:
    """Each distinct event on the topic; the broker may hold one twice, with the same id."""
    topic = bench.config.kafka_topic_prefix + PaymentSucceeded.TOPIC.name
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bench.config.kafka_bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    told: Counter[bytes] = Counter()
    try:
        while records := await consumer.getmany(timeout_ms=1500):
            told.update(dict(record.headers)["ce_id"] for group in records.values() for record in group)
    finally:
        await consumer.stop()
    return told
