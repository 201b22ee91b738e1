"""The whole web application on a real port and a real Postgres; the services it asks are down."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recoup_chassis.postgres import Database
from recoup_events.envelope import Tombstone
from recoup_events.models import CustomerEvent, Event
from recoup_events.settings import MerchantSetting
from recoup_local.databases import Database as LocalDatabase
from recoup_local.eventually import eventually
from recoup_portal_api import app, cli
from recoup_portal_api.config import Config
from recoup_portal_api.subscriptions import table

NOWHERE = "http://127.0.0.1:9"
"""The discard port: nobody listens there."""

SIGNING_KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
PRACTICE_GATEWAY = "http://127.0.0.1:12111"


@dataclass
class Merchant:
    """A merchant and its key."""

    merchant_id: str
    api_key: str

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}


@dataclass
class House:
    """The application, and a client that follows no redirect and keeps no cookie."""

    url: str
    http: aiohttp.ClientSession
    db: Database
    config: Config
    portal: app.Portal
    owner_dsn: str
    handlers: dict[type[Event], Any] = field(default_factory=dict)

    async def merchant(self, *, sandbox: bool = False, name: str = "Biscotti & Co.") -> Merchant:
        """Make a merchant the way the command line does."""
        wanted = MerchantSetting(name=name, sandbox=sandbox)
        made = await cli.create_merchant(self.db, f"m_{base64.b32encode(_random()).decode().lower()}", wanted)
        return Merchant(made["merchant_id"], made["api_key"])

    async def ask(
        self, method: str, path: str, merchant: Merchant | None = None, **options: Any
    ) -> tuple[int, Any]:
        """Ask the API; give status and JSON (None where there is none)."""
        headers = {
            "X-Forwarded-For": somewhere(),
            **(merchant.auth if merchant else {}),
            **options.pop("headers", {}),
        }
        async with self.http.request(method, self.url + path, headers=headers, **options) as response:
            body = await response.read()
            return response.status, (await response.json() if body else None)

    async def tell(self, events: Sequence[Event]) -> None:
        """Handle events as their consumer would: one transaction, their customers locked."""
        merchants = {event.merchant_id for event in events}
        async with self.db.transaction(merchants) as tx:
            customers = {(e.merchant_id, e.customer_id) for e in events if isinstance(e, CustomerEvent)}
            await tx.lock_customers(customers)
            for kind in dict.fromkeys(type(event) for event in events):
                handler = self.handlers[kind]
                handle = getattr(handler, "handler", handler)
                await handle([event for event in events if type(event) is kind], tx)

    async def erase(self, event: CustomerEvent) -> None:
        """Handle the tombstone of a customer's snapshot."""
        gone = Tombstone(event.TOPIC.name, event.key, event.merchant_id, event.customer_id)
        async with self.db.transaction([event.merchant_id]) as tx:
            await self.handlers[type(event)].erased([gone], tx)

    async def as_owner(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """Look behind row security for nothing but what has none."""
        connection = await asyncpg.connect(self.owner_dsn)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()


def _random() -> bytes:
    return secrets.token_bytes(10)


def somewhere() -> str:
    """An address nobody has asked from: limits count by address, and loopback may say for whom it asks."""
    return f"2001:db8::{secrets.token_hex(2)}:{secrets.token_hex(2)}:{secrets.token_hex(2)}"


def environment(database: LocalDatabase, port: int = 0) -> dict[str, str]:
    """The environment that the service would have."""
    public = SIGNING_KEY.public_key().public_bytes_raw()
    return {
        "database_url": database.app_dsn,
        "http_database_url": database.http_dsn,
        "kafka_bootstrap_servers": "127.0.0.1:9",
        "ops_port": "0",
        "http_port": str(port),
        "portal_base_url": f"http://127.0.0.1:{port}",
        "portal_secret": base64.b64encode(b"\x05" * 32).decode(),
        "pay_link_public_keys": "k1=" + base64.b64encode(public).decode(),
        "gateway_adapter_url": NOWHERE,
        "notifier_url": NOWHERE,
        "internal_secret": "a secret of the tests",
        "ingest_base_url": "http://127.0.0.1:8001",
        "gateway_base_urls": PRACTICE_GATEWAY,
    }


@asynccontextmanager
async def house_of(own: LocalDatabase) -> AsyncIterator[House]:
    """Open the application as it runs, but for Kafka; its read models are told by `tell`."""
    config = Config.model_validate(environment(own))
    async with (
        app.portal_of(config) as portal,
        await Database.connect(own.app_dsn, source=app.SOURCE) as db,
        serving(app.web(portal)) as port,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        url = f"http://127.0.0.1:{port}"
        yield House(url, http, db, config, portal, own.owner_dsn, dict(table(portal.marks)))


@asynccontextmanager
async def serving(asgi: Any) -> AsyncIterator[int]:
    """Serve an application in this process on a free port; give the port."""
    server = uvicorn.Server(
        uvicorn.Config(
            asgi,
            host="127.0.0.1",
            port=0,
            http="httptools",
            ws="none",
            log_level="error",
            lifespan="off",
            timeout_keep_alive=75,
        )
    )
    task = asyncio.create_task(server._serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task
