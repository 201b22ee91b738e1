"""The whole service as a process: facts in by Kafka, decisions out; killed, it loses nothing and repeats nothing."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from recoup_chassis.postgres import Database
from recoup_events import models as m
from recoup_events.envelope import read, write
from recoup_events.settings import ClockSetting, MerchantSetting, Setting
from recoup_events.values import Transition, fact_id
from recoup_local.ports import free_port
from recoup_local.pytest_plugin import ServiceDatabases, Topics, eventually
from recoup_retry_scheduler.subscriptions import SUBSCRIPTIONS

from .scheduler_bench import T0, Merchant

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]
SAID: tuple[type[m.Event], ...] = (m.RecoveryChanged, m.RetryDue)


@dataclass
class Service:
    """The process, and the topics around it."""

    environment: dict[str, str]
    prefix: str
    producer: AIOKafkaProducer
    heard: list[m.Event] = field(default_factory=list)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the service and wait until it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "recoup_retry_scheduler.cli", "serve", env=self.environment
        )
        await eventually(self._ready)

    async def _ready(self) -> bool:
        return (await self.get("readyz"))[0] == 200

    async def get(self, path: str) -> tuple[int, str]:
        """Ask the operator's port; 0 where nobody answers."""
        url = f"http://127.0.0.1:{self.environment['OPS_PORT']}/{path}"
        try:
            async with aiohttp.ClientSession() as http, http.get(url) as answer:
                return answer.status, await answer.text()
        except aiohttp.ClientError:
            return 0, ""

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the service; give its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return await self.process.wait()

    async def tell(self, *events: m.Event) -> None:
        """Put events on their topics."""
        for event in events:
            record = write(event, source="/test", partitions=12)
            await self.producer.send(
                self.prefix + record.topic,
                value=record.value,
                key=record.key,
                partition=record.partition,
                headers=record.headers,
            )
        await self.producer.flush()

    async def set(self, merchant: str, name: str, setting: Setting, version: int) -> None:
        """Change a setting."""
        await self.tell(
            m.SettingsChanged(
                id=fact_id(merchant, "settings.changed", name, str(version)),
                time=T0,
                merchant_id=merchant,
                version=version,
                setting=name,
                value=setting.model_dump(mode="json"),
            )
        )

    async def listen(self, consumer: AIOKafkaConsumer) -> None:
        """Keep what is announced."""
        async for record in consumer:
            event = read(record.topic.removeprefix(self.prefix), record.key, record.headers, record.value)
            assert isinstance(event, m.Event)
            self.heard.append(event)

    def transitions(self, transition: Transition) -> list[m.RecoveryChanged]:
        """The changes of a kind that were heard."""
        return [
            event
            for event in self.heard
            if isinstance(event, m.RecoveryChanged) and event.transition is transition
        ]


@pytest_asyncio.fixture(loop_scope="session")
async def service(database: ServiceDatabases, topics: Topics) -> AsyncIterator[Service]:
    own = await database.fresh("retry-scheduler")
    used: set[type[m.Event]] = {*SUBSCRIPTIONS, *SAID, m.FinalActionDue}
    prefix = await topics.create(f"s{uuid4().hex[:8]}.", only=sorted(event.TOPIC.name for event in used))
    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap_servers, acks="all")
    heard: Any = AIOKafkaConsumer(
        *(prefix + event.TOPIC.name for event in SAID),
        bootstrap_servers=topics.bootstrap_servers,
        auto_offset_reset="earliest",
    )
    await producer.start()
    await heard.start()
    running = Service(
        {
            **os.environ,
            "DATABASE_URL": own.app_dsn,
            "KAFKA_BOOTSTRAP_SERVERS": topics.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": prefix,
            "OPS_PORT": str(free_port()),
        },
        prefix,
        producer,
    )
    listening = asyncio.create_task(running.listen(heard))
    yield running
    if running.process and running.process.returncode is None:
        await running.stop(signal.SIGKILL)
    listening.cancel()
    with suppress(asyncio.CancelledError):
        await listening
    await heard.stop()
    await producer.stop()


@pytest.fixture
def teller(scheduler: Database) -> Merchant:
    """Makes events of a merchant whose settings arrive by Kafka."""
    return Merchant(scheduler)


async def test_killed_under_load_it_opens_each_case_once_and_asks_for_each_charge_once(
    service: Service, teller: Merchant
) -> None:
    merchant = teller.merchant_id
    await service.set(merchant, "merchant", MerchantSetting(name="A merchant", sandbox=True), 1)
    await service.set(merchant, "clock", ClockSetting(origin_real=T0, origin_merchant=T0, rate=0), 1)
    await service.start()
    failures = [
        teller.failed(customer=f"c_{n}", invoice=f"in_{n}", charge=f"ch_{n}", card=f"of_{n}")
        for n in range(300)
    ]
    await service.tell(*failures, *failures)
    await eventually(lambda: len(service.transitions(Transition.OPENED)) > 20)
    await service.stop(signal.SIGKILL)
    await service.start()
    await service.tell(*failures)
    await eventually(lambda: len({e.case_id for e in service.transitions(Transition.OPENED)}) == 300)
    later = ClockSetting(origin_real=T0, origin_merchant=T0.replace(day=2), rate=0)
    await service.set(merchant, "clock", later, 2)
    await eventually(lambda: len(_tries(service)) == 300)
    assert {event.revision for event in service.transitions(Transition.OPENED)} == {1}
    assert "recoup_cases_without_timer 0.0" in (await service.get("metrics"))[1]
    assert await service.stop() == 0


def _tries(service: Service) -> set[tuple[Any, Any]]:
    return {(event.case_id, event.try_id) for event in service.heard if isinstance(event, m.RetryDue)}


async def test_a_missing_variable_is_told_in_one_sentence() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "recoup_retry_scheduler.cli",
        "serve",
        env={"PATH": os.environ["PATH"]},
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    assert b"DATABASE_URL is missing" in said
