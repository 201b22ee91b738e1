"""A messenger that holds a gateway's webhooks back, and later brings each five times, in any order, signed anew."""

import json
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from recoup_local.ports import LOOPBACK, free_port

from .adapter_door import Account
from .ingest_wire import Post, signed

COPIES = 5
STALE = 0.02
"""Share of the deliveries whose first try carries its signature of long ago."""

STALE_SECONDS = 301, 72 * 3_600


@dataclass(frozen=True)
class Delivery:
    """One request; `stale` has a signature that is too old and must be refused."""

    post: Post
    stale: bool


@dataclass
class Messenger:
    """What was handed over, by event id, in the order in which it came."""

    url: str
    bodies: dict[str, bytes] = field(default_factory=dict)

    def in_order(self, account: Account) -> Iterator[Delivery]:
        """Bring each once, as it came."""
        for body in self.bodies.values():
            yield Delivery(signed(account.path, body, account.secret, time.time()), stale=False)

    def in_disorder(self, account: Account, seed: int) -> Iterator[Delivery]:
        """Bring each five times, shuffled; now and then one is late with its signature too, and is signed again."""
        draw = random.Random(seed)
        copies = list(self.bodies.values()) * COPIES
        draw.shuffle(copies)
        for body in copies:
            if draw.random() < STALE:
                then = time.time() - draw.randint(*STALE_SECONDS)
                yield Delivery(signed(account.path, body, account.secret, then), stale=True)
            yield Delivery(signed(account.path, body, account.secret, time.time()), stale=False)

    def objects(self, *event_types: str) -> Sequence[dict[str, Any]]:
        """Give the objects of all events of these types."""
        events = map(json.loads, self.bodies.values())
        return [event["data"]["object"] for event in events if event["type"] in event_types]


@asynccontextmanager
async def messenger() -> AsyncIterator[Messenger]:
    """Listen for a gateway's webhooks and acknowledge them."""
    found = Messenger(f"http://{LOOPBACK}:{free_port()}/webhooks")

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        found.bodies[json.loads(body)["id"]] = body
        return web.Response()

    app = web.Application()
    app.router.add_post("/webhooks", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, int(found.url.split(":")[2].split("/")[0])).start()
        yield found
    finally:
        await runner.cleanup()
