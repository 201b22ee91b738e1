"""A practice gateway in a process of its own, a fresh database, and the adapter's charging between them."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest_asyncio

from recoup_chassis.http import HttpServer
from recoup_chassis.postgres import Database
from recoup_events.models import RetryDue, SettingsChanged
from recoup_events.values import TRY_WITHIN, AttemptState, TryKind, fact_id
from recoup_gateway_adapter.accounts import handlers as settings, store as accounts
from recoup_gateway_adapter.accounts.domain import AccountRef, NewAccount
from recoup_gateway_adapter.accounts.doors import Doors
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.app import internal_routes, runners
from recoup_gateway_adapter.charging import handlers, store
from recoup_gateway_adapter.charging.domain import Attempt
from recoup_gateway_adapter.charging.loop import Charging
from recoup_gateway_adapter.facts.handlers import observe
from recoup_gateway_adapter.gateways.contract import BY_ITSELF
from recoup_gateway_adapter.gateways.stripe.translate import observations_of
from recoup_gateway_adapter.internal import internal_app
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.domain import Kind
from recoup_gateway_adapter.work.loop import Executor, Runner
from recoup_gateway_adapter.work.store import Work
from recoup_local.ports import free_port
from recoup_local.pytest_plugin import ServiceDatabases

TOKEN = "control-token"
SECRET = "the-portals-own-secret"
DAY = timedelta(days=1)
BASIL, LEGACY = "2025-05-28.basil", "2020-08-27"
VAULT = Vault("k1", {"k1": b"k" * 32})


@dataclass
class Shop:
    """A merchant: its account at the practice gateway, and what the adapter knows of it."""

    address: str
    http: aiohttp.ClientSession
    database: Database
    account_id: str
    api_key: str
    version: str
    merchant_id: str
    internal: str
    _versions: dict[str, int] = field(default_factory=dict)

    async def control(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Use the gateway's control API."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        url = f"{self.address}/practice{path}"
        async with self.http.request(method, url, json=body, headers=headers) as response:
            found: dict[str, Any] = await response.json()
            assert response.status == 200, found
            return found

    async def api(self, method: str, path: str, form: dict[str, str] | None = None) -> dict[str, Any]:
        """Use the gateway's API as the merchant's own programs do."""
        headers = {"Authorization": f"Bearer {self.api_key}", "Stripe-Version": self.version}
        async with self.http.request(
            method, f"{self.address}/v1{path}", data=form, headers=headers
        ) as response:
            found: dict[str, Any] = await response.json()
            assert response.status == 200, found
            return found

    async def customer(self) -> str:
        return str((await self.api("POST", "/customers", {"email": "a@example.org", "name": "Anna"}))["id"])

    async def card(self, customer: str, *outcomes: str, **more: Any) -> str:
        """Give a customer a card that answers each try in turn, the last outcome for ever after."""
        script = [{"outcome": outcome, "tries": 1} for outcome in outcomes[:-1]]
        script += [{"outcome": outcome} for outcome in outcomes[-1:]]
        body = {"account": self.account_id, "customer": customer, "default": True, "script": script, **more}
        return str((await self.control("POST", "/cards", body))["id"])

    async def invoice(self, customer: str, amount: int = 1200) -> str:
        """Make a finalised invoice; under Platform Management it is ours to collect."""
        await self.api(
            "POST", "/invoiceitems", {"customer": customer, "amount": str(amount), "currency": "eur"}
        )
        draft = await self.api(
            "POST",
            "/invoices",
            {"customer": customer, "currency": "eur", "pending_invoice_items_behavior": "include"},
        )
        await self.api("POST", f"/invoices/{draft['id']}/finalize")
        return str(draft["id"])

    async def owing(self, *outcomes: str) -> tuple[str, str, str]:
        """Give a customer, their card and an open invoice."""
        customer = await self.customer()
        return customer, await self.card(customer, *outcomes), await self.invoice(customer)

    async def faults(self, *requests: dict[str, Any]) -> None:
        """Tell the gateway what goes wrong with requests from now on."""
        await self.control("PUT", f"/accounts/{self.account_id}/faults", {"requests": list(requests)})

    async def a_day_later(self) -> None:
        """Let the gateway's clock, which is the merchant's, be a day later."""
        now = datetime.now(tz=UTC).timestamp()
        body = {"origin_real": now, "origin_merchant": now + DAY.total_seconds(), "rate": 1.0}
        await self.control("PUT", f"/accounts/{self.account_id}/clock", body)

    async def captures(self, invoice: str | None = None) -> list[dict[str, Any]]:
        """Read the oracle: the money that the gateway really took."""
        lines = (await self.control("GET", f"/ledger?account={self.account_id}"))["lines"]
        return [
            line
            for line in lines
            if line["kind"] == "capture" and (invoice is None or line["invoice"] == invoice)
        ]

    async def setting(self, name: str, value: dict[str, Any]) -> None:
        """Let a setting of the merchant arrive."""
        self._versions[name] = version = self._versions.get(name, 0) + 1
        event = SettingsChanged(
            id=uuid4(),
            time=datetime.now(tz=UTC),
            merchant_id=self.merchant_id,
            version=version,
            setting=name,
            value=value,
        )
        async with self.database.transaction([self.merchant_id]) as tx:
            await settings.settings_changed([event], tx)

    def retry(self, customer: str, card: str | None, invoice: str, **more: Any) -> RetryDue:
        """A scheduler's wish for one charge now."""
        fields: dict[str, Any] = {
            "case_id": fact_id(self.account_id, "case", invoice),
            "try_id": uuid4(),
            "revision": 1,
            "kind": TryKind.SCHEDULED,
            "step": 1,
            "not_after": datetime.now(tz=UTC) + TRY_WITHIN,
            "reason": "its time has come",
            **more,
        }
        return RetryDue(
            id=fact_id(self.merchant_id, "retry.due", str(fields["try_id"]), str(fields["revision"])),
            time=datetime.now(tz=UTC),
            merchant_id=self.merchant_id,
            account_id=self.account_id,
            customer_id=customer,
            invoice_id=invoice,
            instrument_id=card,
            **fields,
        )

    async def receive(self, *events: RetryDue) -> None:
        """Let messages arrive as the chassis hands them over."""
        async with self.database.transaction([self.merchant_id]) as tx:
            await tx.lock_customers((event.merchant_id, event.customer_id) for event in events)
            await handlers.retry_due(events, tx)

    async def try_now(self, customer: str, card: str | None, invoice: str, **more: Any) -> RetryDue:
        """Plan one scheduled try."""
        event = self.retry(customer, card, invoice, **more)
        await self.receive(event)
        return event

    async def attempts(self, invoice: str) -> list[Attempt]:
        async with self.database.transaction([self.merchant_id]) as tx:
            return await store.of_invoice(tx, (self.merchant_id, self.account_id, invoice))

    async def attempt(self, invoice: str) -> Attempt:
        """The invoice's only attempt."""
        (found,) = await self.attempts(invoice)
        return found

    async def states(self, invoice: str) -> list[tuple[AttemptState, str]]:
        return [(found.state, found.reason) for found in await self.attempts(invoice)]

    async def said(self, *topics: str) -> list[dict[str, Any]]:
        """What was announced on these topics, oldest first, its topic as `topic`."""
        async with self.database.transaction([self.merchant_id]) as tx:
            rows = await tx.fetch("SELECT topic, value FROM outbox ORDER BY outbox_id")
        told = [{**json.loads(row["value"]), "topic": row["topic"]} for row in rows if row["value"]]
        return [
            event for event in told if event["topic"] in topics and event["merchant_id"] == self.merchant_id
        ]

    async def observe(self, *things: dict[str, Any]) -> None:
        """Let the adapter see objects of the gateway, as a webhook shows them that no request of anybody's led to."""
        async with self.database.transaction([self.merchant_id]) as tx:
            at = tx.now(self.merchant_id).replace(microsecond=0)
            found = [
                seen for thing in things for seen in observations_of(thing, at=at, request_key=BY_ITSELF)
            ]
            await observe(tx, AccountRef(self.account_id, self.merchant_id, "stripe"), found)

    async def work(self) -> list[dict[str, Any]]:
        async with self.database.transaction([self.merchant_id]) as tx:
            rows = await tx.fetch("SELECT * FROM gateway_work WHERE merchant_id = $1", self.merchant_id)
        return [dict(row) for row in rows]

    async def make_due(self) -> None:
        """Let every wait of this merchant's work be over, and every account be well."""
        async with self.database.transaction([self.merchant_id]) as tx:
            await tx.execute(
                "UPDATE gateway_work SET due_at = now(), lease_id = NULL WHERE merchant_id = $1",
                self.merchant_id,
            )
            await tx.execute(
                "UPDATE account_flow SET closed_until = NULL, closed_because = NULL, failures = 0, tokens = 100"
                " WHERE merchant_id = $1",
                self.merchant_id,
            )

    async def age(self, invoice: str, by: timedelta) -> None:
        """Let time pass for an invoice's attempts: what was sent was sent so much earlier."""
        async with self.database.transaction([self.merchant_id]) as tx:
            await tx.execute(
                "UPDATE attempts SET first_sent_at = first_sent_at - $2::interval,"
                " last_sent_at = last_sent_at - $2::interval, action_until = action_until - $2::interval"
                " WHERE merchant_id = $1 AND invoice_id = $3",
                self.merchant_id,
                by,
                invoice,
            )

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """Ask the adapter's internal port as portal-api does."""
        headers = {"Authorization": f"Bearer {SECRET}"}
        url = f"{self.internal}/internal/merchants/{self.merchant_id}{path}"
        async with self.http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def locked(self, invoice: str) -> bool:
        async with self.database.transaction([self.merchant_id]) as tx:
            return bool(await store.lock_states(tx, [(self.merchant_id, self.account_id, invoice)]))


@dataclass
class Bench:
    """The adapter's charging on one database."""

    database: Database
    http: aiohttp.ClientSession
    internal: str

    @property
    def charging(self) -> Charging:
        return Charging(self.database, VAULT, self.http)

    @property
    def runners(self) -> dict[Kind, Runner]:
        return runners(self.database, VAULT, self.http)

    async def claim(self, slots: int = 64) -> list[Work]:
        """Take what is due, as an executor does."""
        async with self.database.transaction(()) as tx:
            return await queue.claim(tx, uuid4(), tx.real_now + timedelta(seconds=15), slots)

    async def step(self, shop: Shop) -> None:
        """Run everything that this merchant has in its queue, once, without waiting."""
        await shop.make_due()
        for work in await self.claim():
            await self.runners[work.kind](work)

    @asynccontextmanager
    async def executing(self, count: int = 1) -> AsyncIterator[None]:
        """Run executors beside the test."""
        stopping = asyncio.Event()
        executors = [
            Executor(self.database, {Kind.ATTEMPT: self.charging.run}, name=f"executor-{n}")
            for n in range(count)
        ]
        tasks = [asyncio.create_task(executor.serve(stopping)) for executor in executors]
        try:
            yield
        finally:
            stopping.set()
            await asyncio.gather(*tasks)


OpenShop = Callable[..., Awaitable[Shop]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def practice(tmp_path_factory: Any) -> AsyncIterator[str]:
    """The practice gateway's address."""
    state: Path = tmp_path_factory.mktemp("practice")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "practice_gateway",
        "--state",
        str(state),
        env={**os.environ, "PRACTICE_CONTROL_TOKEN": TOKEN},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    yield json.loads(await process.stdout.readline())["address"]
    process.terminate()
    await process.wait()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest_asyncio.fixture(loop_scope="session")
async def bench(database: ServiceDatabases, http: aiohttp.ClientSession) -> AsyncIterator[Bench]:
    """A fresh database for each test, because executors take whatever is due in theirs."""
    own = await database.fresh("gateway-adapter")
    async with await Database.connect(own.app_dsn, source="/recoup/gateway-adapter") as db:
        port = free_port()
        app = internal_app(
            {"portal-api": SECRET.encode()}, internal_routes(db, VAULT, Doors(db, VAULT), http)
        )
        server, stopping = HttpServer(app, "127.0.0.1", port, "internal"), asyncio.Event()
        serving = asyncio.create_task(server.serve(stopping))
        yield Bench(db, http, f"http://127.0.0.1:{port}")
        stopping.set()
        await serving
    await database.drop(own)


@pytest_asyncio.fixture(loop_scope="session")
async def open_shop(practice: str, bench: Bench) -> OpenShop:
    async def make(version: str = BASIL, base_url: str | None = None, **settings_: Any) -> Shop:
        body = {"api_version": version, "dunning": {"enabled": False}, **settings_}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with bench.http.post(f"{practice}/practice/accounts", json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            made = await response.json()
        shop = Shop(
            address=practice,
            http=bench.http,
            database=bench.database,
            account_id=made["id"],
            api_key=made["api_key"],
            version=version,
            merchant_id=f"m_{uuid4().hex[:10]}",
            internal=bench.internal,
        )
        await shop.setting("merchant", {"name": "A shop"})
        async with bench.database.transaction([shop.merchant_id]) as tx:
            new = NewAccount(
                account_id=shop.account_id,
                merchant_id=shop.merchant_id,
                gateway="stripe",
                name="A shop",
                livemode=False,
                base_url=base_url or practice,
                api_version=version,
                collection_paused=None,
                api_key=shop.api_key,
                webhook_secret="whsec_test_secret",
            )
            assert await accounts.put(tx, VAULT, new)
        return shop

    return make


@pytest_asyncio.fixture(loop_scope="session", params=[BASIL, LEGACY])
async def shop(open_shop: OpenShop, request: Any) -> Shop:
    """A shop in each of the two shapes of the gateway's API."""
    return await open_shop(request.param)
