"""An adapter with its ingest port, and the practice gateway to ask: nothing of ours is replaced."""

import asyncio
import csv
import json
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from stripe import WebhookSignature

from recoup_chassis import clocks
from recoup_chassis.http import HttpServer
from recoup_chassis.postgres import Database
from recoup_events.envelope import headers_of, read
from recoup_events.models import Event, SettingsChanged
from recoup_events.values import fact_id
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import NewAccount
from recoup_gateway_adapter.accounts.doors import Doors
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.facts.join import Joining
from recoup_gateway_adapter.facts.loop import Translation
from recoup_gateway_adapter.ingest.batches import Batches
from recoup_gateway_adapter.ingest.loop import IngestPort
from recoup_gateway_adapter.ingest.routes import Ingest
from recoup_local.eventually import eventually
from recoup_local.ports import free_port, listens
from recoup_local.practice import PracticeGateway, start_practice_gateway
from recoup_local.pytest_plugin import ServiceDatabases
from recoup_local.run import Run

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("RECOUP_SHARED", ROOT.parent / "shared")) / "webhooks"
OWN = ROOT / "services/gateway-adapter/tests/fixtures"
SECRET = "whsec_contract_0123456789"
KEY = "sk_test_contract_0123456789"
VAULT = Vault.parse("k1=QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=")


@dataclass
class House:
    """The adapter, one merchant and account a body."""

    database: Database
    gateway: PracticeGateway
    doors: Doors
    address: str
    session: aiohttp.ClientSession

    async def connect(self, account: str, merchant: str, *, livemode: bool) -> None:
        """Connect an account whose gateway knows nothing of what its webhooks speak of."""
        told = SettingsChanged(
            id=fact_id(merchant, "settings.changed", "merchant", "1"),
            time=datetime.now(UTC),
            merchant_id=merchant,
            version=1,
            setting="merchant",
            value={"name": "A merchant"},
        )
        new = NewAccount(
            account_id=account,
            merchant_id=merchant,
            gateway="stripe",
            name="An account",
            livemode=livemode,
            base_url=self.gateway.url,
            api_version=None,
            collection_paused=None,
            api_key=KEY,
            webhook_secret=SECRET,
        )
        async with self.database.transaction([merchant]) as tx:
            await clocks.settings_changed([told], tx)
            assert await accounts.put(tx, VAULT, new)
        self.doors.forget(account)

    async def post(self, account: str, body: bytes) -> int:
        """Post a body signed now."""
        signature = WebhookSignature.generate_signature_header(body.decode(), SECRET, int(time.time()))
        headers = {"Stripe-Signature": signature}
        async with self.session.post(
            f"{self.address}/webhooks/stripe/{account}", data=body, headers=headers
        ) as answer:
            return answer.status

    async def become(self, merchant: str) -> list[Event]:
        """Translate what came, ask for what is missing, and give what it became."""
        while await Translation(self.database).once():
            pass
        joining = Joining(self.database, VAULT, self.session, timedelta(days=1))
        for _ in range(4):
            async with self.database.transaction(()) as tx:
                await tx.execute("UPDATE joins SET due_at = now() WHERE merchant_id = $1", merchant)
            while await joining.once():
                pass
        async with self.database.transaction(()) as tx:
            waiting = await tx.fetchval("SELECT count(*) FROM joins WHERE merchant_id = $1", merchant)
            rows = await tx.fetch("SELECT topic, key, headers, value FROM outbox ORDER BY outbox_id")
        assert waiting == 0, "a fact still waits, although the gateway has answered"
        return [event for row in rows if (event := _event(row)).merchant_id == merchant]


def _event(row: Any) -> Event:
    flat = row["headers"]
    headers = [(name, text.encode()) for name, text in zip(flat[::2], flat[1::2], strict=True)]
    assert headers_of(headers)["ce_source"] == "/recoup/gateway-adapter"
    event = read(row["topic"], row["key"], headers, row["value"])
    assert isinstance(event, Event)
    return event


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(database: ServiceDatabases) -> AsyncIterator[House]:
    """The adapter on a database of its own."""
    own = await database.fresh("gateway-adapter")
    async with (
        Run() as run,
        await Database.connect(own.app_dsn, source="/recoup/gateway-adapter") as db,
        aiohttp.ClientSession() as session,
    ):
        gateway = await start_practice_gateway(run)
        await gateway.control("POST", "/accounts", {"id": "acct_contract", "api_key": KEY})
        doors, batches, port = Doors(db, VAULT), Batches(db), free_port()
        part = IngestPort(HttpServer(Ingest(doors, batches), "127.0.0.1", port, "ingest"), batches)
        stopping = asyncio.Event()
        serving = asyncio.create_task(part.serve(stopping))
        found = House(db, gateway, doors, f"http://127.0.0.1:{port}", session)
        await eventually(lambda: listens(port))
        yield found
        stopping.set()
        await serving


class Bodies:
    """The bodies: public ones in a shared folder, where there is one, and the project's own."""

    def public(self) -> dict[str, str]:
        """Give the public bodies of Stripe's webhooks: path and event type."""
        if not SHARED.exists():
            return {}
        with (SHARED / "INDEX.csv").open(newline="") as file:
            return {
                row["path"]: row["event_type"].partition(" ")[0].replace("*", "created")
                for row in csv.DictReader(file)
                if row["gateway"] == "stripe" and row["class"] in {"webhook_body", "event_data"}
            }

    def own(self) -> set[str]:
        """Give the project's own, which are there in every clone."""
        return {f"own/{file.name}" for file in OWN.glob("*.json")}

    def read(self, path: str) -> bytes | None:
        """Give a webhook's body; None where it is a public one and these are not here."""
        if path.startswith("own/"):
            return (OWN / path.removeprefix("own/")).read_bytes()
        event_type = self.public().get(path)
        return None if event_type is None else _wrapped((SHARED / path).read_bytes(), event_type)

    def vectors(self) -> list[dict[str, Any]]:
        """Give the signature vectors whose secret is known, each with its body's bytes."""
        if not SHARED.exists():
            return []
        folder = SHARED / "stripe"
        listed = json.loads((folder / "vectors.json").read_text())["vectors"]
        return [
            {
                **one,
                "bytes": one["body"].encode() if "body" in one else (folder / one["body_file"]).read_bytes(),
            }
            for one in listed
            if one["secret"] is not None
        ]


@pytest.fixture(scope="session")
def bodies() -> Bodies:
    """The bodies."""
    return Bodies()


def _wrapped(body: bytes, event_type: str) -> bytes:
    """Put a body that is only an event's data, or its object, into an event's envelope."""
    parsed = json.loads(body)
    if "data" in parsed:
        return body
    data = parsed if isinstance(parsed.get("object"), dict) else {"object": parsed}
    event = {
        "id": "evt_wrapped",
        "object": "event",
        "created": data["object"].get("created", 1_700_000_000),
        "type": event_type,
        "data": data,
    }
    return json.dumps(event).encode()
