"""The whole service as a process: events in by Kafka, mail out by SMTP, and the calls of portal-api."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from recoup_chassis.postgres import Database
from recoup_events.envelope import Tombstone, read, write
from recoup_events.models import Event, NotificationSent
from recoup_local.ports import free_port
from recoup_local.pytest_plugin import ServiceDatabases, Topics, eventually

from .conftest import PORTAL, SEED, Bench, Sink, sink_running

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]
SECRET = "0123456789abcdef"
TOPICS = ["settings.changed", "customer.updated", "recovery.changed", "notification.sent"]


@dataclass
class Running:
    """The service, what it is told by, and where its mail arrives."""

    environment: dict[str, str]
    bench: "Told"
    sink: Sink
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start the service and wait until it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "recoup_notifier.cli", "serve", env=self.environment
        )
        await eventually(self._ready)

    async def _ready(self) -> bool:
        try:
            url = f"http://127.0.0.1:{self.environment['OPS_PORT']}/readyz"
            async with aiohttp.ClientSession() as http, http.get(url) as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop the service; give its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return await self.process.wait()

    async def call(self, path: str, body: Any, secret: str | None = SECRET) -> tuple[int, Any]:
        """Call the internal port as portal-api does."""
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        url = f"http://127.0.0.1:{self.environment['INTERNAL_PORT']}/internal/merchants/{path}"
        async with aiohttp.ClientSession() as http, http.post(url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()


@dataclass
class Told(Bench):
    """Tells by Kafka what the bench hands to the handlers."""

    producer: Any = None
    prefix: str = ""

    async def deliver(self, *events: Event) -> None:
        """Put events on their topics."""
        for event in events:
            record = write(event, source="/test", partitions=12)
            await self.producer.send_and_wait(
                self.prefix + record.topic,
                value=record.value,
                key=record.key,
                partition=record.partition,
                headers=record.headers,
            )

    async def erase(self, customer: str = "cus_1") -> None:
        """Put a tombstone on its topic."""
        headers = [("ce_recoupmerchant", self.merchant_id.encode()), ("ce_recoupcustomer", customer.encode())]
        await self.producer.send_and_wait(
            f"{self.prefix}customer.updated",
            value=None,
            key=f"{self.merchant_id}/{customer}".encode(),
            headers=headers,
        )


@pytest_asyncio.fixture(loop_scope="session")
async def service(database: ServiceDatabases, topics: Topics) -> AsyncIterator[Running]:
    own = await database.fresh("notifier")
    prefix = await topics.create(f"n{uuid4().hex[:8]}.", only=TOPICS)
    producer = AIOKafkaProducer(bootstrap_servers=topics.bootstrap_servers, acks="all")
    await producer.start()
    async with sink_running() as sink, _opened(own.app_dsn) as db:
        told = Told(db, None, sink, "m_test", own.owner_dsn, producer=producer, prefix=prefix)  # type: ignore[arg-type]  # the process sends
        environment = {
            **os.environ,
            "DATABASE_URL": own.app_dsn,
            "KAFKA_BOOTSTRAP_SERVERS": topics.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": prefix,
            "OPS_PORT": str(free_port()),
            "INTERNAL_PORT": str(free_port()),
            "INTERNAL_CALLERS": f"portal-api={SECRET}",
            "SMTP_URL": f"smtp://127.0.0.1:{sink.port}",
            "MAIL_FROM": "bounces@recoup.example",
            "PAY_LINK_SIGNING_KEY": SEED,
            "PORTAL_BASE_URL": PORTAL,
        }
        running = Running(environment, told, sink)
        await running.start()
        await told.introduce()
        yield running
        if running.process is not None and running.process.returncode is None:
            await running.stop(signal.SIGKILL)
    await producer.stop()


@asynccontextmanager
async def _opened(dsn: str) -> AsyncIterator[Any]:
    async with await Database.connect(dsn, source="/test") as db:
        yield db


async def test_events_become_mail_and_mail_becomes_an_event(service: Running, topics: Topics) -> None:
    told = service.bench
    await told.deliver(told.opened())
    await told.customer()
    await eventually(lambda: len(service.sink.mails) == 1)
    await told.deliver(told.opened(), told.recovered())
    await eventually(lambda: len(service.sink.mails) == 2)
    assert service.sink.mails[1]["Subject"].startswith("You're all set")
    sent = await _sent(topics, told.prefix, 2)
    assert [event.message for event in sent] == ["payment_failed", "all_set"]
    assert sent[0].id != sent[1].id
    assert await service.stop() == 0


async def test_a_tombstone_erases(service: Running) -> None:
    told = service.bench
    await told.customer()
    await told.deliver(told.opened())
    await eventually(lambda: len(service.sink.mails) == 1)
    await told.erase()
    await eventually(_async_is(told.column, "recipient", [None]))


async def test_every_customer_is_written_to_once_though_the_service_is_killed(service: Running) -> None:
    told = service.bench
    customers = [f"cus_{n}" for n in range(60)]
    for customer in customers:
        await told.customer(customer)
    await told.deliver(*(told.opened(case=n + 1, customer=customer) for n, customer in enumerate(customers)))
    for at in (5, 25):
        await eventually(partial(_arrived, service.sink, at))
        await service.stop(signal.SIGKILL)
        await service.start()
    await eventually(_async_is(told.column, "state", ["sent"] * 60))
    by_id = {mail["Message-ID"]: mail["To"] for mail in service.sink.mails}
    assert sorted(by_id.values()) == sorted(f"{customer}@example.com" for customer in customers)


async def test_a_sign_in_mail_goes_to_the_address_that_we_know_and_leaves_no_link_behind(
    service: Running,
) -> None:
    told = service.bench
    await told.customer(locale="it")
    wanted = {"customer_id": "cus_1", "url": f"{PORTAL}/sign-in/s3cret", "expires_in_minutes": 10}
    path = f"{told.merchant_id}/sign-in-mails"

    async def accepted() -> bool:
        status, answer = await service.call(path, wanted)
        return status == 202 and answer == {"sent": True}

    await eventually(accepted)
    await eventually(lambda: len(service.sink.mails) == 1)
    (mail,) = service.sink.mails
    plain = mail.get_body(("plain",))
    assert plain is not None
    assert f"{PORTAL}/sign-in/s3cret" in plain.get_content()
    assert mail["To"] == "cus_1@example.com"
    await eventually(_async_is(told.column, "state", ["sent"]))
    for name in ("link", "text_part", "html_part"):
        assert await told.column(name) == [None]

    assert await service.call(path, {**wanted, "customer_id": "cus_9"}) == (202, {"sent": False})
    status, answer = await service.call(path, {**wanted, "url": "https://evil.example/"})
    assert (status, answer["error"]["message"]) == (422, "url: must lead to PORTAL_BASE_URL")
    status, answer = await service.call(path, {**wanted, "expires_in_minutes": 90})
    assert (status, answer["error"]["code"]) == (422, "invalid")
    assert "expires_in_minutes" in answer["error"]["message"]


async def test_a_preview_shows_unsaved_wording_or_says_what_is_wrong_with_it(service: Running) -> None:
    def wanted(text: str) -> dict[str, Any]:
        mail = {"messages": {"payment_failed": {"en": {"text": text}}}, "sender_name": "Acme"}
        return {"message": "payment_failed", "language": "en", "mail": mail}

    status, shown = await service.call("m_test/previews", wanted("{{ merchant_name }} wants {{ amount }}"))
    assert (status, shown["text"]) == (200, "Acme wants €29.00\n")
    assert "Acme wants €29.00" in shown["html"]
    status, answer = await service.call("m_test/previews", wanted("{{ oops }}"))
    assert status == 422
    assert "payment_failed.en.text: 'oops' is undefined" in answer["error"]["message"]


@pytest.mark.parametrize("secret", [None, "", "fedcba9876543210", "0123456789abcde\u00e9"])
async def test_only_a_known_caller_comes_in(service: Running, secret: str | None) -> None:
    status, answer = await service.call("m_test/previews", {}, secret)
    assert (status, answer["error"]["code"]) == (401, "unauthorized")


async def test_what_is_missing_in_the_environment_is_said_in_a_sentence_each() -> None:
    environment = {name: os.environ[name] for name in ("PATH",)} | {"PAY_LINK_SIGNING_KEY": "short=AAAA"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "recoup_notifier.cli", "serve", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    assert process.returncode == 2
    lines = said.decode().splitlines()
    for name in ("DATABASE_URL", "SMTP_URL", "MAIL_FROM", "PORTAL_BASE_URL", "INTERNAL_CALLERS"):
        assert any(line.startswith(f"{name} is missing") for line in lines)
    assert any(line.startswith("PAY_LINK_SIGNING_KEY is not valid") for line in lines)
    assert "AAAA" not in said.decode()


async def test_it_says_that_it_owns_no_snapshot() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "recoup_notifier.cli", "republish", stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert json.loads(printed) == {"republished": 0, "reason": "the notifier owns no snapshot"}


def _arrived(sink: Sink, more_than: int) -> bool:
    return len(sink.mails) > more_than


def _async_is(ask: Any, what: str, wanted: Any) -> Any:
    async def check() -> bool:
        return bool(list(await ask(what)) == wanted)

    return check


async def _sent(topics: Topics, prefix: str, wanted: int) -> list[NotificationSent]:
    consumer = AIOKafkaConsumer(
        f"{prefix}notification.sent", bootstrap_servers=topics.bootstrap_servers, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        found: list[NotificationSent] = []
        async with asyncio.timeout(30):
            while len(found) < wanted:
                record = await consumer.getone()
                event = read("notification.sent", record.key, record.headers, record.value)
                assert not isinstance(event, Tombstone)
                assert isinstance(event, NotificationSent)
                found.append(event)
        return found
    finally:
        await consumer.stop()
