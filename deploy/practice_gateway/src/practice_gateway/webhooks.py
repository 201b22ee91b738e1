"""Webhooks: signed at each sending, sent at least once, repeated until the receiver answers 2xx.

Source: docs.stripe.com/webhooks: retries for up to three days, in no guaranteed order.
"""

import asyncio
import contextlib
import hashlib
import heapq
import hmac
import itertools
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from practice_gateway.account import Account, Endpoint
from practice_gateway.events import Event
from practice_gateway.receipts import Receipts

log = logging.getLogger(__name__)

GIVE_UP_AFTER = 3 * 86_400  # merchant's seconds
SEND_TIMEOUT = 20.0  # real seconds
IN_FLIGHT = 32  # for each endpoint


@dataclass(slots=True)
class Delivery:
    """One copy of one event on its way to one endpoint."""

    account: Account
    endpoint: Endpoint
    event: Event
    attempts: int = 0
    last: str = ""  # why the latest try failed


@dataclass(slots=True, kw_only=True)
class Backoff:
    """Real seconds between tries: `first`, doubled each time, up to `most`."""

    first: float = 0.2
    most: float = 30.0

    def after(self, attempts: int) -> float:
        """Return the pause after a number of failed tries, from 1 on."""
        return min(self.most, self.first * 2.0 ** min(attempts - 1, 60))


@dataclass(slots=True)
class Tally:
    """What became of an account's deliveries."""

    counts: Counter[str] = field(default_factory=Counter)
    pending: dict[int, Delivery] = field(default_factory=dict)


class Lane:
    """One endpoint's queue: the earliest due first, so many in flight, apart from other endpoints."""

    def __init__(self) -> None:
        self._queue: list[tuple[float, int, Delivery]] = []
        self._order = itertools.count()
        self._wake = asyncio.Event()
        self._slots = asyncio.Semaphore(IN_FLIGHT)

    def push(self, delivery: Delivery, after: float) -> None:
        """Queue a delivery to be sent after some real seconds."""
        heapq.heappush(self._queue, (time.monotonic() + after, next(self._order), delivery))
        self._wake.set()

    async def take(self) -> Delivery:
        """Wait until something is due and a slot is free, and take it."""
        await self._slots.acquire()
        while True:
            self._wake.clear()
            pause = self._queue[0][0] - time.monotonic() if self._queue else None
            if pause is not None and pause <= 0:
                return heapq.heappop(self._queue)[2]
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), pause)

    def done(self) -> None:
        """Free the slot of what was taken."""
        self._slots.release()


class Deliverer:
    """Sends the events of all accounts, until each copy is acknowledged or three days old."""

    def __init__(self, receipts: Receipts, backoff: Backoff) -> None:
        self._receipts = receipts
        self._backoff = backoff
        self._lanes: dict[str, Lane] = {}
        self._tallies: defaultdict[str, Tally] = defaultdict(Tally)
        self._tasks: set[asyncio.Task[None]] = set()
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open for sending; needs a running loop."""
        self._http = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=SEND_TIMEOUT), connector=aiohttp.TCPConnector(limit=0)
        )

    async def close(self) -> None:
        """Stop sending; what is queued is gone, as everything but the ledger."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    def publish(self, account: Account, event: Event) -> None:
        """Queue an event for every endpoint that wants it, bent by the account's webhook faults."""
        for endpoint in account.endpoints:
            if endpoint.wants(event.type):
                delays = account.faults.delays(event.type)
                if not delays:
                    self._tallies[account.id].counts["dropped"] += 1
                for delay in delays:
                    self._push(Delivery(account, endpoint, event), delay)

    def resend(self, account: Account, event: Event) -> int:
        """Send a kept event once more to every endpoint; returns to how many."""
        for endpoint in account.endpoints:
            self._push(Delivery(account, endpoint, event), 0.0)
        return len(account.endpoints)

    def _push(self, delivery: Delivery, delay: float) -> None:
        self._tallies[delivery.account.id].pending[id(delivery)] = delivery
        self._lane(delivery.endpoint).push(delivery, delay)

    def _lane(self, endpoint: Endpoint) -> Lane:
        lane = self._lanes.get(endpoint.id)
        if lane is None:
            lane = self._lanes[endpoint.id] = Lane()
            self._spawn(self._serve(lane))
        return lane

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, lane: Lane) -> None:
        while True:
            self._spawn(self._attempt(lane, await lane.take()))

    async def _attempt(self, lane: Lane, delivery: Delivery) -> None:
        delivery.attempts += 1
        try:
            status = await self._send(delivery)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            self._failed(lane, delivery, f"{type(error).__name__}: {error}"[:200])
        else:
            if 200 <= status < 300:
                self._receipts.record(delivery.account.id, delivery.event.id, delivery.endpoint.url, status)
                self._settle(delivery, "delivered")
            else:
                self._failed(lane, delivery, f"HTTP {status}")
        finally:
            lane.done()

    async def _send(self, delivery: Delivery) -> int:
        assert self._http is not None
        body = delivery.event.body
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(body, delivery.endpoint.secrets, int(time.time())),
            "User-Agent": "Stripe/1.0 (practice gateway)",
        }
        async with self._http.post(
            delivery.endpoint.url, data=body, headers=headers, allow_redirects=False
        ) as response:
            await response.read()
            return response.status

    def _failed(self, lane: Lane, delivery: Delivery, reason: str) -> None:
        delivery.last = reason
        self._tallies[delivery.account.id].counts["failed_tries"] += 1
        if delivery.account.now() - delivery.event.created > GIVE_UP_AFTER:
            log.warning(
                "webhook.given_up event=%s url=%s: %s", delivery.event.id, delivery.endpoint.url, reason
            )
            self._settle(delivery, "given_up")
        else:
            lane.push(delivery, self._backoff.after(delivery.attempts))

    def _settle(self, delivery: Delivery, outcome: str) -> None:
        tally = self._tallies[delivery.account.id]
        tally.counts[outcome] += 1
        tally.pending.pop(id(delivery), None)

    def state(self, account: str, limit: int = 100) -> dict[str, Any]:
        """Return how many deliveries ended how, and which are still on their way."""
        tally = self._tallies[account]
        outcomes = ("delivered", "dropped", "given_up", "failed_tries")
        pending = itertools.islice(tally.pending.values(), limit)
        return {
            **{name: tally.counts[name] for name in outcomes},
            "pending": len(tally.pending),
            "waiting": [
                {
                    "event": found.event.id,
                    "type": found.event.type,
                    "url": found.endpoint.url,
                    "attempts": found.attempts,
                    "last": found.last,
                }
                for found in pending
            ],
        }


def signature(body: bytes, secrets: list[str], at: int) -> str:
    """Sign a body. at: real Unix seconds. Source: stripe-python's WebhookSignature."""
    signed = f"{at}.".encode() + body
    parts = [f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets]
    return ",".join([f"t={at}", *parts])
