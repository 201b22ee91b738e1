"""Composition root: the one module that knows all the others."""

import asyncio
import logging
from collections.abc import AsyncIterator

from aiohttp import web

from practice_gateway.api import (
    catalogue,
    charges,
    customers,
    events,
    invoices,
    methods,
    paying,
    pipeline,
    setups,
    subscriptions,
)
from practice_gateway.config import Config
from practice_gateway.control import accounts, books, cards, renewals, request
from practice_gateway.following import follow_clocks
from practice_gateway.gateway import Gateway
from practice_gateway.ledger import Ledger
from practice_gateway.pages import routes as pages
from practice_gateway.receipts import Receipts
from practice_gateway.webhooks import Backoff, Deliverer

log = logging.getLogger(__name__)

MAX_BODY = 1 << 20  # bytes
GATEWAY: web.AppKey[Gateway] = web.AppKey("gateway", Gateway)
API = [
    *customers.ROUTES,
    *methods.ROUTES,
    *setups.ROUTES,
    *catalogue.ROUTES,
    *subscriptions.ROUTES,
    *invoices.ROUTES,
    *paying.ROUTES,
    *charges.ROUTES,
    *events.ROUTES,
]
CONTROL = [*accounts.ROUTES, *books.ROUTES, *cards.ROUTES, *renewals.ROUTES]


def build(config: Config) -> web.Application:
    """Put the gateway together; its files are opened here, its loops start with the application.

    Raises:
        RuntimeError: another gateway uses the same state directory.
    """
    config.state.mkdir(parents=True, exist_ok=True)
    receipts = Receipts(config.state / "receipts.jsonl")
    gateway = Gateway(
        ledger=Ledger(config.state / "ledger.jsonl"),
        deliverer=Deliverer(receipts, Backoff(first=config.backoff_first, most=config.backoff_most)),
        default_version=config.api_version,
        idempotency_lifetime=config.idempotency_lifetime,
        origin=(config.public_url or "").rstrip("/"),
    )
    app = web.Application(client_max_size=MAX_BODY)
    app[GATEWAY] = gateway
    pipeline.install(app, gateway, API)
    request.install(app, gateway, config.control_token, CONTROL)
    pages.install(app, gateway)
    app.router.add_get("/practice/health", _health)

    async def run(_: web.Application) -> AsyncIterator[None]:
        await gateway.deliverer.start()
        loops = [asyncio.create_task(gateway.keep_time())]
        if config.clock_url:
            following = follow_clocks(gateway, config.clock_url, config.clock_token, config.clock_every)
            loops.append(asyncio.create_task(following))
        for loop in loops:
            loop.add_done_callback(_tell_if_broken)
        yield
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        await gateway.deliverer.close()
        await gateway.ledger.close()
        await receipts.close()

    app.cleanup_ctx.append(run)
    return app


def _tell_if_broken(loop: asyncio.Task[None]) -> None:
    if not loop.cancelled() and loop.exception() is not None:
        log.critical("loop.broken: merchant time stands from now on", exc_info=loop.exception())


async def _health(_: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})
