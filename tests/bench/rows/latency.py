"""Latency: from a failure's webhooks to `payment.failed` on the topic, at half the rate that can be sustained."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import aiohttp
import asyncpg
from aiokafka import AIOKafkaConsumer

from recoup_events.envelope import headers_of, read
from recoup_events.models import PaymentFailed
from recoup_events.topics import TOPICS
from recoup_local.eventually import eventually
from recoup_local.ports import free_port
from recoup_local.practice import PracticeGateway, start_practice_gateway
from recoup_local.services import Service

from ..events import ACCOUNT, know
from ..measure import Goal, Reading, Row, Side, percentile, until
from ..place import Place
from ..webhooks import charge_failed, customer_updated, invoice_failed, signature, subscription_updated
from .ingest import CONNECTIONS, KEYS, PATH, connect_account

OURS, POLLED = "webhook to topic", "insert, commit, poll"
ASKED = "one webhook to topic, the rest asked for"
VERSION = "2020-08-27"
GATEWAY_KEY = "sk_test_bench_0123456789"
ONE_COMES = (
    f"`{ASKED}`: of each failure `invoice.payment_failed` alone comes, of a customer nobody was told of, at a tenth of "
    "the rate. Charge, customer and subscription are asked for at the practice gateway, which shares the machine; that "
    "their own webhooks may come is waited for before."
)
POLL = 0.05
"""Seconds between two looks of the reference, as many as between two looks of the translation."""


@asynccontextmanager
async def row(place: Place) -> AsyncIterator[Row]:
    """The real gateway-adapter, a gateway that posts, and a consumer of the topic."""
    burst, seconds = place.size(2_000, 30), place.size(20, 1)
    async with _adapter(place) as stage:
        place.say(f"posting {burst:,} failures as fast as they are taken")
        sustained = await stage.burst(burst)
        rate = sustained / 2
        failures = max(5, round(rate * seconds))
        yield Row(
            "latency",
            "From the second of a failure's two webhooks (`invoice.payment_failed`, `charge.failed`, each of which "
            "names the other, of a customer and a subscription that were told of before) until a consumer has "
            "`payment.failed`; beside one that commits an INSERT a failure and polls for it every "
            f"{POLL * 1000:.0f} ms, at the same rate.",
            "ms, p99",
            [
                Side(OURS, lambda: stage.paced(failures, rate)),
                Side(POLLED, lambda: stage.polled(failures, rate)),
                Side(ASKED, lambda: stage.asked(max(5, failures // 10), rate / 10)),
            ],
            [Goal(OURS, POLLED, at_most=3.0)],
            settings={
                "rate": f"{rate:.0f} failures/s, half of {sustained:.0f} that {burst:,} in a row were taken at",
                "failures a run": f"{failures:,}",
                "bodies": f"API version {VERSION}",
            },
            remarks=[ONE_COMES],
        )


class _Stage:
    def __init__(
        self,
        http: aiohttp.ClientSession,
        consumer: AIOKafkaConsumer,
        owner: asyncpg.Connection,
        poller: asyncpg.Connection,
        gateway: PracticeGateway,
    ) -> None:
        self._http, self._consumer, self._owner, self._poller = http, consumer, owner, poller
        self._gateway = gateway
        self._series = count(1)
        self._arrived: dict[str, float] = {}
        self._posted: dict[str, float] = {}

    async def listen(self) -> None:
        """Note when each failure arrives."""
        async for record in self._consumer:
            now = time.monotonic()
            event = read(TOPICS["payment.failed"].name, record.key, record.headers, record.value)
            assert isinstance(event, PaymentFailed), headers_of(record.headers)
            self._arrived.setdefault(event.charge_id or "", now)

    async def _post(self, body: bytes) -> None:
        headers = {"Stripe-Signature": signature(body), "Content-Type": "application/json"}
        async with self._http.post(PATH, data=body, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

    async def _fail(self, number: int, series: str) -> None:
        await self._post(invoice_failed(number, series))
        self._posted[f"ch_{series}{number}"] = time.monotonic()
        await self._post(charge_failed(number, series))

    async def _for_each(self, numbers: Iterable[int], post: Callable[[int], Awaitable[None]]) -> None:
        waiting = iter(numbers)

        async def one_after_the_other() -> None:
            for number in waiting:
                await post(number)

        await asyncio.gather(*(one_after_the_other() for _ in range(CONNECTIONS)))

    async def _known(self, failures: int) -> str:
        """Give a series whose customers and subscriptions the adapter has heard of, as of any but the newest."""
        series = f"s{next(self._series)}_"

        async def tell(number: int) -> None:
            await self._post(customer_updated(number, series))
            await self._post(subscription_updated(number, series))

        await self._for_each(range(failures), tell)
        await eventually(self._translated, within=600)
        return series

    async def _translated(self) -> bool:
        return not await self._owner.fetchval("SELECT EXISTS (SELECT FROM untranslated)")

    async def burst(self, failures: int) -> float:
        """Fail as fast as is taken; give failures a second until the last one is on the topic."""
        series = await self._known(failures)
        began = time.monotonic()
        await self._for_each(range(failures), lambda number: self._fail(number, series))
        await self._have_arrived(_charges(series, failures))
        return failures / (time.monotonic() - began)

    async def paced(self, failures: int, rate: float) -> Reading:
        """Fail at a steady rate."""
        series = await self._known(failures)
        async with asyncio.TaskGroup() as group:
            async for number in _at(rate, failures):
                group.create_task(self._fail(number, series))
        charges = _charges(series, failures)
        await self._have_arrived(charges)
        return self._waited(charges)

    async def asked(self, failures: int, rate: float) -> Reading:
        """Renewals fail at a gateway that can be asked, and one webhook of each comes."""
        order = {"account": ACCOUNT, "count": failures, "mix": {"insufficient_funds": 1}}
        renewals = (await self._gateway.control("POST", "/renewals", order))["renewals"]
        events = await self._events({renewal["invoice"] for renewal in renewals})
        charges = [event["data"]["object"]["charge"] for event in events]
        assert len(charges) == failures, f"{len(charges)} events of {failures} failures"
        async with asyncio.TaskGroup() as group:
            async for number in _at(rate, failures):
                self._posted[charges[number]] = time.monotonic()
                group.create_task(self._post(json.dumps(events[number]).encode()))
        await self._have_arrived(charges)
        return self._waited(charges)

    async def _events(self, invoices: set[str]) -> list[dict[str, Any]]:
        """Read what the gateway has to say of these invoices' failures."""
        found: list[dict[str, Any]] = []
        query = "/v1/events?type=invoice.payment_failed&limit=100"
        async with aiohttp.ClientSession(
            self._gateway.url, headers={"Authorization": f"Bearer {GATEWAY_KEY}"}
        ) as http:
            after = ""
            while True:
                async with http.get(query + after) as answer:
                    page = await answer.json()
                found += [event for event in page["data"] if event["data"]["object"]["id"] in invoices]
                if not page["has_more"]:
                    return found
                after = f"&starting_after={page['data'][-1]['id']}"

    async def _have_arrived(self, charges: Sequence[str]) -> None:
        await until(lambda: all(charge in self._arrived for charge in charges), 0.05)

    def _waited(self, charges: Sequence[str]) -> Reading:
        return _reading([self._arrived[charge] - self._posted[charge] for charge in charges])

    async def polled(self, failures: int, rate: float) -> Reading:
        """The reference."""
        await self._owner.execute("CREATE TABLE IF NOT EXISTS polled (number bigint PRIMARY KEY, body bytea)")
        posted: dict[int, float] = {}
        seen: dict[int, float] = {}

        async def poll() -> None:
            while len(seen) < failures:
                rows = await self._poller.fetch("DELETE FROM polled RETURNING number")
                now = time.monotonic()
                seen.update({row["number"]: now for row in rows})
                await asyncio.sleep(POLL)

        async with asyncio.TaskGroup() as group:
            group.create_task(poll())
            async for number in _at(rate, failures):
                posted[number] = time.monotonic()
                await self._owner.execute("INSERT INTO polled VALUES ($1, $2)", number, charge_failed(number))
        return _reading([seen[number] - posted[number] for number in range(failures)])


def _charges(series: str, failures: int) -> list[str]:
    return [f"ch_{series}{number}" for number in range(failures)]


def _reading(seconds: Sequence[float]) -> Reading:
    late = [one * 1000 for one in seconds]
    return Reading(percentile(late, 0.99), {"p50, ms": percentile(late, 0.5), "highest, ms": max(late)})


async def _at(rate: float, times: int) -> AsyncIterator[int]:
    """Count at a steady rate; what a pause delayed comes at once."""
    began = time.monotonic()
    for number in range(times):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        yield number


@asynccontextmanager
async def _adapter(place: Place) -> AsyncIterator[_Stage]:
    kafka, prefix = await place.kafka(), await place.topics()
    own = await place.database("gateway-adapter")
    await know(own.owner_dsn)
    gateway = await start_practice_gateway(place.run)
    account = {"id": ACCOUNT, "api_key": GATEWAY_KEY, "api_version": VERSION, "draft_seconds": 0}
    await gateway.control("POST", "/accounts", account)
    await connect_account(own.app_dsn, base_url=gateway.url)
    ports = {name: str(free_port()) for name in ("INGEST_PORT", "INTERNAL_PORT", "OPS_PORT")}
    environment = {
        **ports,
        "DATABASE_URL": own.app_dsn,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "KAFKA_TOPIC_PREFIX": prefix,
        "INTERNAL_CALLERS": "bench=unused-0123456789abcdef0123456789",
        "SEALING_KEYS": KEYS,
        "ACCOUNT_RATE": "1000",
    }
    adapter = Service(place.run, "gateway-adapter", environment, replica="bench")
    adapter.launch()
    await adapter.ready(within=180)
    consumer = AIOKafkaConsumer(
        prefix + "payment.failed", bootstrap_servers=kafka, auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
    await consumer.start()
    owner, poller = [await asyncpg.connect(own.owner_dsn) for _ in range(2)]
    url = f"http://127.0.0.1:{ports['INGEST_PORT']}"
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(url, connector=connector) as http:
        stage = _Stage(http, consumer, owner, poller, gateway)
        listening = asyncio.create_task(stage.listen())
        yield stage
        listening.cancel()
    await consumer.stop()
    await owner.close()
    await poller.close()
    await adapter.stop()
