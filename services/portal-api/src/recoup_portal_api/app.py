"""The composition root: the API, the pages, and the parts that run."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from recoup_chassis import service
from recoup_chassis.config import read
from recoup_chassis.errors import Retryable
from recoup_chassis.http import HttpServer
from recoup_chassis.postgres import Database
from recoup_portal_api.access import loop as access_loop
from recoup_portal_api.access.domain import Buckets, Marks
from recoup_portal_api.access.handlers import LinkKeys
from recoup_portal_api.access.routes import api, keys, typed
from recoup_portal_api.access.routes.gate import Gate
from recoup_portal_api.clients.gateway_adapter import GatewayAdapter
from recoup_portal_api.clients.internal import Internal, http
from recoup_portal_api.clients.notifier import Notifier
from recoup_portal_api.config import Config, keys_from, secret_from
from recoup_portal_api.customer.routes import assets, errors, pay, sign_in
from recoup_portal_api.customer.routes.doors import House, Turned
from recoup_portal_api.merchant.routes import accounts, cases, docs, previews
from recoup_portal_api.policy import loop as policy_loop, routes as policy
from recoup_portal_api.subscriptions import table

SERVICE = "portal-api"
SOURCE = "/recoup/portal-api"
HTTP_CONNECTIONS = 10

ABOUT = """Recoup recovers failed recurring payments. This is the merchant's API.

Show an API key as `Authorization: Bearer rk_…`. Amounts are integer minor units, instants RFC 3339 in UTC, on the
merchant's clock unless they say real time. An answer of 400 and above is
`{"error": {"code", "message", "fields": [{"field", "message", "bounds"}]}}`.
"""


@dataclass(frozen=True)
class Portal:
    """What the routes need."""

    config: Config
    db: Database
    adapter: GatewayAdapter
    notifier: Notifier

    @property
    def marks(self) -> Marks:
        """What our secret vouches for."""
        return Marks(secret_from(self.config.portal_secret))


def merchant_api(portal: Portal) -> FastAPI:
    """Give the merchant's API, to be mounted at /v1."""
    errors: dict[int | str, dict[str, Any]] = {
        code: {"model": api.Error} for code in (400, 401, 404, 409, 413, 422, 429, 503)
    }
    app = FastAPI(
        title="Recoup",
        version="1",
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        responses=errors,
        dependencies=[Depends(typed.nothing_sensitive), Depends(typed.nothing_unknown_or_twice)],
    )
    app.state.db, app.state.config = portal.db, portal.config
    app.state.adapter, app.state.notifier = portal.adapter, portal.notifier
    app.state.stylesheet = assets.address("portal.css")
    app.state.failures = Buckets(capacity=20, per_second=1 / 3, clock=time.monotonic)
    app.state.requests = Buckets(capacity=100, per_second=50, clock=time.monotonic)
    for room in (accounts, policy, cases, previews, keys):
        app.include_router(room.router)
    app.include_router(docs.router)
    for error in (api.ApiError, RequestValidationError, HTTPException, Retryable, Exception):
        app.add_exception_handler(error, _api_error)
    return app


async def _api_error(request: Any, error: Exception) -> Any:
    return api.answer_error(request, error)


def web(portal: Portal) -> Gate:
    """Give the whole web application, behind its gate."""
    return Gate(routed(portal), https=portal.config.https)


def routed(portal: Portal) -> FastAPI:
    """Give the customer's pages and, below /v1, the merchant's API."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.house = House(
        config=portal.config,
        db=portal.db,
        adapter=portal.adapter,
        notifier=portal.notifier,
        marks=portal.marks,
        links=LinkKeys(keys_from(portal.config.pay_link_public_keys)),
        charges=Buckets(capacity=10, per_second=1 / 6, clock=time.monotonic),
        mails=Buckets(capacity=20, per_second=1 / 10, clock=time.monotonic),
    )
    app.mount("/v1", merchant_api(portal))
    for pages in (assets.router, sign_in.router, sign_in.at_link, pay.by_pay_link, pay.by_sign_in):
        app.include_router(pages)
    for error in (Turned, RequestValidationError, HTTPException, Retryable, Exception):
        app.add_exception_handler(error, _page_error)
    return app


async def _page_error(request: Any, error: Exception) -> Any:
    room = (
        api if request.url.path.startswith("/v1/") else errors
    )  # a mount's path has no line feeds, a wrong one may
    return room.answer_error(request, error)


@asynccontextmanager
async def portal_of(config: Config) -> AsyncIterator[Portal]:
    """Open what the routes need: the database as the restricted role, and the way to the other services."""
    async with (
        http() as session,
        await Database.connect(
            config.http_database_url,
            source=SOURCE,
            partitions=config.kafka_partitions,
            connections=HTTP_CONNECTIONS,
        ) as db,
    ):
        secret = config.internal_secret
        yield Portal(
            config,
            db,
            GatewayAdapter(Internal(session, "gateway-adapter", config.gateway_adapter_url, secret)),
            Notifier(Internal(session, "notifier", config.notifier_url, secret)),
        )


async def serve() -> None:
    """Run the service until SIGTERM."""
    config = read(Config)
    database = await service.connect(SERVICE, config)
    async with portal_of(config) as portal:
        server = HttpServer(web(portal), config.bind_address, config.http_port, "http", proxied=True)
        await service.serve(
            SERVICE,
            config,
            database,
            subscriptions=table(portal.marks),
            parts=[server, policy_loop.clock_steps(database), access_loop.expiry(database)],
            problems={"http database": portal.db.problem},
        )
