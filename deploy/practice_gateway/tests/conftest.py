"""A gateway in this process, a merchant's webhook receiver, and the official client in front of it."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import stripe
from aiohttp import web

from practice_gateway.app import GATEWAY, build
from practice_gateway.config import Config
from practice_gateway.gateway import Gateway
from practice_gateway.versions import LEGACY

TOKEN = "control-token"
DAY = 86_400


@dataclass
class Received:
    """One webhook as it arrived."""

    event: dict[str, Any]
    body: bytes
    signature: str


@dataclass
class Receiver:
    """What a merchant's endpoint got, and how it answers."""

    url: str
    received: list[Received] = field(default_factory=list)
    status: int = 200
    refused: int = 0

    def types(self) -> list[str]:
        return [item.event["type"] for item in self.received]

    def of(self, event_type: str) -> list[dict[str, Any]]:
        return [item.event for item in self.received if item.event["type"] == event_type]


@dataclass
class Shop:
    """A merchant: an account at the gateway, its client and its endpoint."""

    id: str
    key: str
    secret: str
    address: str
    http: aiohttp.ClientSession
    receiver: Receiver
    gateway: Gateway
    state: Path

    def client(self, version: str = LEGACY, key: str | None = None) -> stripe.StripeClient:
        return stripe.StripeClient(
            key or self.key,
            stripe_version=version,
            base_addresses={"api": self.address},
            http_client=stripe.AIOHTTPClient(session=self.http),
            max_network_retries=0,
        )

    async def api(
        self, method: str, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Send raw HTTP: (status, JSON, headers)."""
        sent = {"Authorization": f"Bearer {self.key}"} | {k.replace("_", "-"): v for k, v in headers.items()}
        async with self.http.request(method, self.address + path, data=form, headers=sent) as response:
            return response.status, await response.json(), dict(response.headers)

    async def control(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Use the control API; the answer must be good."""
        status, answer = await self.try_control(method, path, body)
        assert status == 200, answer
        return answer

    async def try_control(
        self, method: str, path: str, body: Any = None, token: str = TOKEN
    ) -> tuple[int, dict[str, Any]]:
        """Use the control API, whatever it answers."""
        headers = {"Authorization": f"Bearer {token}"}
        url = f"{self.address}/practice{path}"
        async with self.http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def advance(self, seconds: float = 0.0) -> None:
        """Let the merchant's clock stand, some seconds later than it was."""
        now = await self.control("GET", f"/accounts/{self.id}/clock")
        later = datetime.fromisoformat(now["now"]).timestamp() + seconds
        body = {"origin_real": time.time(), "origin_merchant": later, "rate": 0.0}
        await self.control("PUT", f"/accounts/{self.id}/clock", body)

    async def card(self, customer: str, script: list[dict[str, Any]], **more: Any) -> str:
        """Give a customer a card that is saved without a check; the default unless told otherwise."""
        body = {"account": self.id, "customer": customer, "default": True, "script": script, **more}
        method: str = (await self.control("POST", "/cards", body))["id"]
        return method

    async def customer(self, script: list[dict[str, Any]] | None = None, **more: Any) -> str:
        """Make a customer with a scripted card; a good one without a script."""
        made = await self.client().v1.customers.create_async({"email": "a@example.org", "name": "Anna"})
        await self.card(made.id, script or [], **more)
        return made.id

    async def ledger(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = (await self.control("GET", f"/ledger?account={self.id}"))["lines"]
        return lines

    async def open_invoice(self, customer: str, amount: int = 1200) -> str:
        """Make a finalised invoice that the gateway does not collect by itself."""
        invoices = self.client().v1.invoices
        item: Any = {"customer": customer, "amount": amount, "currency": "eur"}
        await self.client().v1.invoice_items.create_async(item)
        draft = await invoices.create_async(
            {"customer": customer, "currency": "eur", "pending_invoice_items_behavior": "include"}
        )
        await invoices.finalize_invoice_async(draft.id)
        return draft.id

    async def subscribe(self, customer: str, **more: Any) -> Any:
        """Subscribe a customer to a monthly plan."""
        price: Any = {
            "currency": "eur",
            "unit_amount": 1900,
            "recurring": {"interval": "month"},
            "product_data": {"name": "Plan"},
        }
        made = await self.client().v1.prices.create_async(price)
        params: Any = {"customer": customer, "items": [{"price": made.id}], **more}
        return await self.client().v1.subscriptions.create_async(params)


@pytest.fixture(scope="session")
async def practice(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[str, Gateway, Path]]:
    state = tmp_path_factory.mktemp("practice")
    config = Config(
        host="127.0.0.1",
        port=0,
        state=state,
        api_version=LEGACY,
        control_token=TOKEN,
        public_url=None,
        clock_url=None,
        clock_token=None,
        clock_every=0.05,
        idempotency_lifetime=86_400.0,
        backoff_first=0.02,
        backoff_most=0.2,
        access_log=False,
    )
    app = build(config)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}"
    app[GATEWAY].origin = address
    yield address, app[GATEWAY], state
    await runner.cleanup()


@pytest.fixture(scope="session")
async def receivers() -> AsyncIterator[tuple[str, dict[str, Receiver]]]:
    known: dict[str, Receiver] = {}

    async def take(request: web.Request) -> web.Response:
        receiver = known[request.match_info["name"]]
        body = await request.read()
        if receiver.status == 200:
            receiver.received.append(Received(json.loads(body), body, request.headers["Stripe-Signature"]))
        else:
            receiver.refused += 1
        return web.Response(status=receiver.status)

    app = web.Application()
    app.router.add_post("/{name}", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", known
    await runner.cleanup()


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


OpenShop = Callable[..., Awaitable[Shop]]
Eventually = Callable[[Callable[[], Any]], Awaitable[None]]


@pytest.fixture(scope="session")
def open_shop(
    practice: tuple[str, Gateway, Path],
    receivers: tuple[str, dict[str, Receiver]],
    http: aiohttp.ClientSession,
) -> OpenShop:
    address, gateway, state = practice
    base, known = receivers

    async def make(**settings: Any) -> Shop:
        name = os.urandom(6).hex()
        known[name] = Receiver(f"{base}/{name}")
        secret = f"whsec_{name}"
        body = {"webhooks": [{"url": f"{base}/{name}", "secret": secret}], **settings}
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with http.post(f"{address}/practice/accounts", json=body, headers=headers) as response:
            assert response.status == 200, await response.text()
            made = await response.json()
        return Shop(made["id"], made["api_key"], secret, address, http, known[name], gateway, state)

    return make


@pytest.fixture
async def shop(open_shop: OpenShop) -> Shop:
    return await open_shop()


@pytest.fixture
async def standing_shop(open_shop: OpenShop) -> Shop:
    """Return a shop whose clock moves only by `advance`."""
    found = await open_shop()
    await found.advance()
    return found


@pytest.fixture(scope="session")
def eventually() -> Eventually:
    async def wait(holds: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 150  # longer than the longest pause between two deliveries
        while True:
            found = holds()
            if (await found) if asyncio.iscoroutine(found) else found:
                return
            assert time.monotonic() < deadline, "it did not happen in time"
            await asyncio.sleep(0.01)

    return wait
