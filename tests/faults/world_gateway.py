"""The practice gateway in this process: its own engine, its ledger, its idempotency keys, on the simulation's clock.

Requests reach its endpoints without a socket, so that a seed decides which answers are lost, and when.
"""

import asyncio
import json
import os
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from practice_gateway import clock, idempotency, ids, ledger as ledgers
from practice_gateway.account import Account, Dunning, Endpoint
from practice_gateway.app import GATEWAY, build
from practice_gateway.config import Config
from practice_gateway.control import cards, renewals
from practice_gateway.control.request import Control
from practice_gateway.events import Event
from practice_gateway.gateway import Gateway
from practice_gateway.journal import Journal
from practice_gateway.ledger import summarise
from practice_gateway.versions import LEGACY

URL = "http://practice.invalid"
BEGINS = datetime(2026, 3, 1, 9, tzinfo=UTC)


class Crash(BaseException):
    """The process ends here, as by kill -9: nothing of ours may catch it."""


@dataclass
class Weather:
    """How often things go wrong, from 0 to 1 each; none of it while a world drains."""

    lose_before: float = 0.0
    lose_after: float = 0.0
    refuse: float = 0.0
    fail: float = 0.0
    crash: float = 0.0
    webhook_lost: float = 0.0
    webhook_doubled: float = 0.0
    shuffled: bool = False


@dataclass
class Now:
    """Real time, which passes only when the simulation says so. It stands in for the module `time` there."""

    at: datetime = BEGINS

    def time(self) -> float:
        """Give Unix seconds."""
        return self.at.timestamp()


@dataclass
class Practice:
    """One gateway for all seeds; each world has an account of its own."""

    app: web.Application
    gateway: Gateway
    now: Now
    sent: list[Event] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)
    weather: Weather = field(default_factory=Weather)
    draw: random.Random = field(default_factory=random.Random)
    trace: list[str] = field(default_factory=list)
    crashing: bool = False
    crashed: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self, name: str, seed: int) -> Account:
        """Open the account of a world; every id that the gateway gives follows from the seed."""
        ids._fast.seed(seed)  # its one source of ids
        account = self.gateway.open_account(name=name, identifier=f"acct_{name}", api_key=f"sk_test_{name}")
        account.dunning = Dunning(enabled=False)
        account.endpoints = [Endpoint(id=f"we_{name}", url=URL, secrets=["whsec_x"])]
        self.sent, self.failed = [], set()
        return account

    def close(self, account: Account) -> None:
        """Forget a world's account."""
        del self.gateway.accounts[account.id], self.gateway.by_key[account.api_key]

    async def renew(self, account: Account, count: int, seed: int) -> list[dict[str, Any]]:
        """Let subscriptions renew and fail."""
        body = {"account": account.id, "count": count, "seed": seed}
        told: list[dict[str, Any]] = (await renewals.create(Control(self.gateway, body, {}, {})))["renewals"]
        return told

    async def give_card(self, account: Account, customer: str) -> str:
        """Let a customer save a good card as the default."""
        body = {"account": account.id, "customer": customer, "default": True}
        card: str = (await cards.create(Control(self.gateway, body, {}, {})))["id"]
        return card

    def tell(self, event: Event) -> None:
        """Have a webhook to send."""
        self.sent.append(event)
        if event.type in {"invoice.payment_failed", "invoice.payment_action_required"}:
            self.failed.add(json.loads(event.body)["data"]["object"]["id"])

    async def run_due(self, account: Account) -> None:
        """Run what fell due on the account's clock."""
        await self.gateway._run_due(account)  # the step of its time loop

    def captures(self, account: Account) -> dict[str, dict[str, Any]]:
        """Read the oracle: what was captured, by invoice."""
        return summarise(self.gateway.ledger.lines(account.id))

    # --- the adapter's session: what an aiohttp session does, without a socket --------------------------------

    @asynccontextmanager
    async def request(self, method: str, url: str, **how: Any) -> AsyncIterator[Any]:
        """Ask; lose the request or its answer, refuse it or die, as the weather has it."""
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        fate = self._fate()
        self.trace.append(f"    {method} {parts.path} {fate}".rstrip())
        if fate == "lost before":
            raise aiohttp.ServerDisconnectedError
        if fate in {"429", "500"}:
            yield _answer(int(fate), b'{"error": {"type": "api_error"}}', {})
            return
        status, body, headers = await self._run(method, path, how["headers"], how["data"])
        self.may_crash("after the gateway did it")
        if fate == "lost after":
            raise aiohttp.ServerDisconnectedError
        yield _answer(status, body, headers)

    def may_crash(self, when: str) -> None:
        """End the process here, as the weather has it."""
        if self.crashing and self.draw.random() < self.weather.crash:
            self.trace.append(f"    crash {when}")
            self.crashed.set()
            raise Crash

    def _fate(self) -> str:
        drawn, weather = self.draw.random(), self.weather
        for fate, odds in (
            ("lost before", weather.lose_before),
            ("lost after", weather.lose_after),
            ("429", weather.refuse),
            ("500", weather.fail),
        ):
            if drawn < odds:
                return fate
            drawn -= odds
        return ""

    async def _run(self, method: str, path: str, headers: Any, data: bytes) -> tuple[int, bytes, Any]:
        request = make_mocked_request(method, path, headers=headers, app=self.app)
        request._read_bytes = data or b""
        match = await self.app.router.resolve(request)
        match.add_app(self.app)
        request._match_info = match  # what the application does with a request that came by socket
        answer = await match.handler(request)
        assert isinstance(answer, web.Response)
        assert isinstance(answer.body, bytes)
        return answer.status, answer.body, answer.headers


def _answer(status: int, body: bytes, headers: Any) -> Any:
    async def chunks(_: int) -> AsyncIterator[bytes]:
        yield body

    return SimpleNamespace(status=status, headers=headers, content=SimpleNamespace(iter_chunked=chunks))


def _written(journal: Journal, line: dict[str, Any]) -> "asyncio.Future[None]":
    """Write a line at once: the gateway never dies here, so nothing waits for a disk, nor leaves a task behind."""
    os.write(journal._handle, json.dumps(line, separators=(",", ":")).encode() + b"\n")
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done


@contextmanager
def practice_in_process(state: Path, patch: pytest.MonkeyPatch) -> Iterator[Practice]:
    """Build the gateway on a clock of its own; its files lie below `state`."""
    now = Now()
    for module in (clock, idempotency, ledgers):
        patch.setattr(module, "time", now)
    patch.setattr(Journal, "submit", _written)
    config = Config(
        host="127.0.0.1", port=0, state=state, api_version=LEGACY, control_token="none", public_url=URL,
        clock_url=None, clock_token=None, clock_every=1.0, idempotency_lifetime=86_400.0,
        backoff_first=1.0, backoff_most=1.0, access_log=False,
    )  # fmt: skip
    app = build(config)
    practice = Practice(app, app[GATEWAY], now)
    patch.setattr(practice.gateway.deliverer, "publish", lambda _, event: practice.tell(event))
    yield practice
