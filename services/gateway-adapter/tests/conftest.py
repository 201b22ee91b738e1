"""Stripe's bodies in two versions, an adapter on real Postgres, and a door to post webhooks to."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio

from recoup_chassis import clocks
from recoup_chassis.postgres import Database
from recoup_events.envelope import headers_of, read
from recoup_events.models import CustomerEvent, Event, SettingsChanged
from recoup_events.values import fact_id
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import AccountRef, NewAccount
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.facts.join import Joining
from recoup_gateway_adapter.facts.loop import Translation
from recoup_gateway_adapter.gateways.stripe.events import envelope_of
from recoup_gateway_adapter.ingest import store as ingest
from recoup_gateway_adapter.ingest.domain import Webhook
from recoup_local.practice import PracticeGateway, start_practice_gateway
from recoup_local.pytest_plugin import ServiceDatabases
from recoup_local.run import Run

WHEN = 1_772_366_400
"""2026-03-01 12:00 UTC, in Unix seconds."""

KEYS = "k1=" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="


class Bodies:
    """Stripe's JSON. `modern`: as since 2025-03-31, where charge and invoice do not name each other."""

    def __init__(self, *, modern: bool) -> None:
        self.modern = modern

    def charge(self, charge_id: str = "ch_1", **changes: Any) -> dict[str, Any]:
        body = {
            "id": charge_id,
            "object": "charge",
            "amount": 1999,
            "amount_captured": 0,
            "amount_refunded": 0,
            "captured": False,
            "created": WHEN,
            "currency": "eur",
            "customer": "cus_1",
            "failure_code": "card_declined",
            "outcome": {
                "type": "issuer_declined",
                "reason": "insufficient_funds",
                "network_decline_code": "51",
                "network_advice_code": "03",
                "advice_code": "try_again_later",
            },
            "paid": False,
            "payment_intent": "pi_1",
            "payment_method": "pm_1",
            "payment_method_details": {
                "type": "card",
                "card": {
                    "brand": "visa",
                    "country": "IT",
                    "exp_month": 4,
                    "exp_year": 2028,
                    "fingerprint": "fp_1",
                    "funding": "credit",
                    "last4": "0341",
                },
            },
            "status": "failed",
        }
        return {**body, **({} if self.modern else {"invoice": "in_1"}), **changes}

    def paid_charge(self, charge_id: str = "ch_2", **changes: Any) -> dict[str, Any]:
        paid = {"paid": True, "captured": True, "status": "succeeded", "failure_code": None, "outcome": None}
        return self.charge(charge_id, **{**paid, **changes})

    def intent(self, charge: dict[str, Any], **changes: Any) -> dict[str, Any]:
        error = {
            "charge": charge["id"],
            "code": charge["failure_code"],
            "decline_code": (charge["outcome"] or {}).get("reason"),
        }
        failed = charge["status"] == "failed"
        body: dict[str, Any] = {
            "id": "pi_1",
            "object": "payment_intent",
            "amount": charge["amount"],
            "amount_received": 0 if failed else charge["amount"],
            "created": charge["created"],
            "currency": "eur",
            "customer": charge["customer"],
            "last_payment_error": error if failed else None,
            "status": "requires_payment_method" if failed else "succeeded",
        }
        if self.modern:
            body["latest_charge"] = charge["id"]
        else:
            body |= {"invoice": "in_1", "charges": {"object": "list", "data": [charge]}}
        return {**body, **changes}

    def invoice(self, charge_id: str | None = "ch_1", **changes: Any) -> dict[str, Any]:
        body: dict[str, Any] = {
            "id": "in_1",
            "object": "invoice",
            "amount_due": 1999,
            "amount_paid": 0,
            "amount_remaining": 1999,
            "attempt_count": 1,
            "attempted": True,
            "auto_advance": True,
            "billing_reason": "subscription_cycle",
            "collection_method": "charge_automatically",
            "created": WHEN - 3600,
            "currency": "eur",
            "customer": "cus_1",
            "next_payment_attempt": WHEN + 259_200,
            "number": "A-0001",
            "status": "open",
            "status_transitions": {"finalized_at": WHEN - 60, "paid_at": None},
            "total": 1999,
        }
        if self.modern:
            body["parent"] = {"subscription_details": {"subscription": "sub_1"}}
        else:
            body |= {"subscription": "sub_1", "charge": charge_id, "payment_intent": "pi_1", "paid": False}
        return {**body, **changes}

    def paid_invoice(self, charge_id: str | None = "ch_2", **changes: Any) -> dict[str, Any]:
        paid = {
            "status": "paid",
            "amount_paid": 1999,
            "amount_remaining": 0,
            "auto_advance": False,
            "next_payment_attempt": None,
            "status_transitions": {"finalized_at": WHEN - 60, "paid_at": WHEN + 60},
        }
        extra = {} if self.modern else {"paid": True, "paid_out_of_band": False}
        return self.invoice(charge_id, **{**paid, **extra, **changes})

    def link(self, **changes: Any) -> dict[str, Any]:
        return {
            "id": "inpay_1",
            "object": "invoice_payment",
            "invoice": "in_1",
            "payment": {"type": "payment_intent", "payment_intent": "pi_1"},
            "status": "open",
            **changes,
        }

    def card(self, method_id: str = "pm_2", **changes: Any) -> dict[str, Any]:
        card = {
            "brand": "visa",
            "country": "IT",
            "exp_month": 9,
            "exp_year": 2030,
            "fingerprint": f"fp_{method_id}",
            "funding": "debit",
        }
        body = {
            "id": method_id,
            "object": "payment_method",
            "created": WHEN,
            "customer": "cus_1",
            "type": "card",
            "card": card,
        }
        return {**body, **changes}

    def customer(self, **changes: Any) -> dict[str, Any]:
        body = {
            "id": "cus_1",
            "object": "customer",
            "created": WHEN - 86_400,
            "email": "ada@example.org",
            "name": "Ada",
            "preferred_locales": ["it-IT"],
            "address": {"country": "IT"},
        }
        return {**body, **changes}

    def subscription(self, **changes: Any) -> dict[str, Any]:
        body = {
            "id": "sub_1",
            "object": "subscription",
            "created": WHEN - 86_400,
            "customer": "cus_1",
            "status": "past_due",
            "cancel_at_period_end": False,
            "items": {"object": "list", "data": [{"current_period_end": WHEN + 2_592_000}]},
        }
        return {**body, **changes}

    def event(self, kind: str, thing: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """A webhook's body; `request` is the gateway's own unless told."""
        previous = changes.pop("previous", None)
        data = {"object": thing, **({"previous_attributes": previous} if previous is not None else {})}
        return {
            "id": f"evt_{uuid4().hex}",
            "object": "event",
            "api_version": "2025-05-28.basil" if self.modern else "2020-08-27",
            "created": WHEN + 1,
            "livemode": False,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
            "data": data,
            **changes,
        }

    def failure(self) -> list[dict[str, Any]]:
        """The three webhooks of one failed renewal."""
        return [
            self.event("charge.failed", self.charge()),
            self.event("payment_intent.payment_failed", self.intent(self.charge())),
            self.event("invoice.payment_failed", self.invoice()),
        ]


@pytest.fixture
def old() -> Bodies:
    """API version 2020-08-27."""
    return Bodies(modern=False)


@pytest.fixture
def modern() -> Bodies:
    """API version 2025-05-28."""
    return Bodies(modern=True)


@pytest.fixture(params=["old", "modern"])
def either(request: pytest.FixtureRequest) -> Bodies:
    """Both versions, one after the other."""
    return Bodies(modern=request.param == "modern")


@dataclass
class Adapter:
    """The adapter's database, with one merchant and one account of its own in each test."""

    database: Database
    vault: Vault
    account: AccountRef
    secret: str = "whsec_practice_0123456789"
    extra: dict[str, Any] = field(default_factory=dict)

    async def connect(self, *, base_url: str = "http://127.0.0.1:9", **changes: Any) -> None:
        """Store the account; by default with a gateway that nobody answers for."""
        new = NewAccount(
            account_id=self.account.account_id,
            merchant_id=self.account.merchant_id,
            gateway="stripe",
            name="An account",
            livemode=False,
            base_url=base_url,
            api_version=None,
            collection_paused=None,
            api_key="sk_test_0123456789",
            webhook_secret=self.secret,
        )
        for name, value in changes.items():
            object.__setattr__(new, name, value)
        async with self.database.transaction([new.merchant_id]) as tx:
            assert await accounts.put(tx, self.vault, new)

    async def clock(self) -> None:
        """The merchant is live."""
        merchant = self.account.merchant_id
        told = SettingsChanged(
            id=fact_id(merchant, "settings.changed", "merchant", "1"),
            time=datetime.now(UTC),
            merchant_id=merchant,
            version=1,
            setting="merchant",
            value={"name": "A merchant"},
        )
        async with self.database.transaction([merchant]) as tx:
            await clocks.settings_changed([told], tx)

    async def announced(self) -> Sequence[Event]:
        """This merchant's events in the outbox, in the order in which they were written."""
        async with self.database.transaction(()) as tx:
            rows = await tx.fetch("SELECT topic, key, headers, value FROM outbox ORDER BY outbox_id")
        events = []
        for row in rows:
            flat = row["headers"]
            headers = [(name, text.encode()) for name, text in zip(flat[::2], flat[1::2], strict=True)]
            if headers_of(headers)["ce_recoupmerchant"] != self.account.merchant_id:
                continue
            event = read(row["topic"], row["key"], headers, row["value"])
            assert isinstance(event, CustomerEvent)
            events.append(event)
        return events

    async def facts(self) -> Sequence[Event]:
        """What happened: without the snapshots."""
        return [event for event in await self.announced() if not event.TOPIC.snapshot]

    async def count(self, query: str, *args: Any) -> int:
        """One number, as this merchant sees it."""
        async with self.database.transaction([self.account.merchant_id]) as tx:
            return int(await tx.fetchval(query, *args))

    async def joins(self) -> list[tuple[str, str]]:
        """What this account's facts wait for."""
        query = "SELECT kind, subject FROM joins WHERE account_id = $1 ORDER BY kind, subject"
        async with self.database.transaction(()) as tx:
            return [(row["kind"], row["subject"]) for row in await tx.fetch(query, self.account.account_id)]

    async def hear(self, *events: dict[str, Any]) -> None:
        """Store webhooks as ingest does, and translate what waits."""
        webhooks = [
            Webhook(
                merchant_id=self.account.merchant_id,
                account_id=self.account.account_id,
                webhook_id=envelope_of(event).webhook_id,
                event_at=envelope_of(event).at,
                event_type=event["type"],
                customer_id=envelope_of(event).customer_id,
                body=json.dumps(event).encode(),
            )
            for event in events
        ]
        await ingest.store(self.database, webhooks)
        await self.translate()

    async def translate(self) -> None:
        """Translate what waits."""
        while await Translation(self.database).once():
            pass

    async def join(self, patience: timedelta = timedelta(days=1)) -> None:
        """Let the time pass that a twin has, and ask the gateway, until nothing new is due."""
        async with aiohttp.ClientSession() as session:
            joining = Joining(self.database, self.vault, session, patience)
            for _ in range(3):
                async with self.database.transaction(()) as tx:
                    await tx.execute(
                        "UPDATE joins SET due_at = now() WHERE account_id = $1", self.account.account_id
                    )
                while await joining.once():
                    pass


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def adapter_database(database: ServiceDatabases) -> AsyncIterator[Database]:
    """The adapter's database, migrated, as its own role sees it; another one for each file of tests."""
    own = await database.fresh("gateway-adapter")
    async with await Database.connect(own.app_dsn, source="/recoup/gateway-adapter") as db:
        yield db


@pytest_asyncio.fixture(loop_scope="session")
async def adapter(adapter_database: Database) -> Adapter:
    """A merchant and an account that no other test has; live, connected to nobody."""
    unique = uuid4().hex[:12]
    made = Adapter(adapter_database, Vault.parse(KEYS), AccountRef(f"acct_{unique}", f"m_{unique}", "stripe"))
    await made.clock()
    await made.connect()
    return made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def practice() -> AsyncIterator[PracticeGateway]:
    """The practice gateway, for the whole run, in a directory of its own."""
    async with Run() as run:
        yield await start_practice_gateway(run)
