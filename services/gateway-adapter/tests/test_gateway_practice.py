"""Against the practice gateway: what webhooks left out is asked for, what never came is found."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY

from recoup_events.models import CustomerUpdated, InvoiceUpdated, PaymentFailed, PaymentSucceeded
from recoup_gateway_adapter.facts import cursor, join
from recoup_gateway_adapter.facts.cursor import EventCursor
from recoup_local.eventually import eventually

pytestmark = pytest.mark.postgres

MIX = {"insufficient_funds": 5, "lost_card": 1, "authentication_required": 1, "good": 2}


@pytest_asyncio.fixture(loop_scope="session", params=["2020-08-27", "2025-05-28.basil"])
async def shop(adapter: Any, practice: Any, request: pytest.FixtureRequest) -> AsyncIterator["Shop"]:
    """An account at the practice gateway that posts no webhook to anybody."""
    key = f"sk_test_{uuid4().hex}"
    account = adapter.account.account_id
    body = {"id": account, "api_key": key, "api_version": request.param, "draft_seconds": 0}
    await practice.control("POST", "/accounts", body)
    await adapter.connect(base_url=practice.url, api_key=key)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"}) as session:
        yield Shop(adapter, practice, session, request.param)


class Shop:
    """A merchant's account, its gateway, and our adapter."""

    def __init__(self, adapter: Any, practice: Any, session: aiohttp.ClientSession, version: str) -> None:
        self.adapter, self.practice, self._session, self.version = adapter, practice, session, version

    async def renew(self, count: int, mix: dict[str, float] | None = None) -> list[dict[str, Any]]:
        """Subscriptions renew now; give what became of them."""
        body = {"account": self.adapter.account.account_id, "count": count, "mix": mix or MIX}
        told = await self.practice.control("POST", "/renewals", body)
        renewals: list[dict[str, Any]] = told["renewals"]
        return renewals

    async def events(self) -> list[dict[str, Any]]:
        """All events of the account, oldest first."""
        url = f"{self.practice.url}/v1/events?limit=100"
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            async with self._session.get(url + after) as answer:
                page = await answer.json()
            found += page["data"]
            if not page["has_more"]:
                return found[::-1]
            after = f"&starting_after={found[-1]['id']}"

    async def name_a_customer(self, name: str) -> None:
        """Make a customer of this name, as the merchant would."""
        async with self._session.post(f"{self.practice.url}/v1/customers", data={"name": name}) as answer:
            assert answer.status == 200

    async def break_record(self, object_id: str) -> None:
        """Spoil what is remembered of an object, so that whoever reads it stumbles."""
        merchant, account = self.adapter.account.merchant_id, self.adapter.account.account_id
        async with self.adapter.database.transaction([merchant]) as tx:
            await tx.execute(
                "UPDATE gateway_objects SET record = '{}' WHERE account_id = $1 AND object_id = $2",
                account,
                object_id,
            )

    async def silence(self) -> None:
        """The gateway takes a minute for every answer."""
        silence = {"requests": [{"kind": "delay", "match": ".*", "seconds": 60, "probability": 1.0}]}
        await self.practice.control("PUT", f"/accounts/{self.adapter.account.account_id}/faults", silence)

    async def look(self) -> None:
        """An hour later the cursor looks."""
        async with aiohttp.ClientSession() as session:
            looking = EventCursor(self.adapter.database, self.adapter.vault, session)
            async with self.adapter.database.transaction(()) as tx:
                await tx.execute(
                    "UPDATE event_cursors SET looked_at = looked_at - interval '2 hours', not_before = now() "
                    "WHERE account_id = $1",
                    self.adapter.account.account_id,
                )
            while await looking.once():
                pass


async def test_an_endpoint_that_was_dead_misses_no_failure_and_no_payment(shop: Shop) -> None:
    await shop.look()
    renewals = await shop.renew(150)

    await shop.look()
    await shop.adapter.translate()
    await shop.adapter.join()

    facts = await shop.adapter.facts()
    failed = {f.invoice.invoice_id for f in facts if isinstance(f, PaymentFailed) and f.invoice}
    paid = {f.invoice.invoice_id for f in facts if isinstance(f, PaymentSucceeded) and f.invoice}
    assert failed == {one["invoice"] for one in renewals if one["status"] == "open"}
    assert paid == {one["invoice"] for one in renewals if one["status"] == "paid"}
    assert len(facts) == len(renewals)
    assert {f.nature for f in facts if isinstance(f, PaymentFailed)} == {"renewal"}
    assert await shop.adapter.joins() == []


async def test_looking_again_finds_nothing_new(shop: Shop) -> None:
    await shop.look()
    await shop.renew(5)
    for _ in range(2):
        await shop.look()
        await shop.adapter.translate()
        await shop.adapter.join()
    before = [event.id for event in await shop.adapter.announced()]

    await shop.look()
    await shop.adapter.translate()
    await shop.adapter.join()

    assert [event.id for event in await shop.adapter.announced()] == before


async def test_what_a_customer_typed_into_a_name_is_stored_from_the_list_without_their_card_number(
    shop: Shop,
) -> None:
    await shop.look()
    await shop.name_a_customer("Ada 4242 4242 4242 4242 cvc 737")

    await shop.look()

    account, query = (
        shop.adapter.account.account_id,
        "SELECT count(*) FROM raw_webhooks WHERE account_id = $1",
    )
    assert (
        await shop.adapter.count(f"{query} AND body LIKE $2", account, b"%4000 0000 0000 0000 cvc 000%") == 1
    )
    assert await shop.adapter.count(f"{query} AND body LIKE $2", account, b"%4242%") == 0


@pytest.mark.parametrize("only", ["charge.failed", "invoice.payment_failed", "payment_intent.payment_failed"])
async def test_one_webhook_of_three_is_enough(shop: Shop, only: str) -> None:
    (renewal,) = await shop.renew(1, {"insufficient_funds": 1})
    events = [event for event in await shop.events() if event["type"] == only]

    await shop.adapter.hear(*events)
    await shop.adapter.join()

    (failed,) = await shop.adapter.facts()
    assert isinstance(failed, PaymentFailed)
    assert failed.invoice is not None
    assert (failed.invoice.invoice_id, failed.nature) == (renewal["invoice"], "renewal")
    assert (failed.decline.code, failed.customer_id) == ("insufficient_funds", renewal["customer"])
    assert failed.charge_id is not None


async def test_a_wait_that_breaks_something_holds_up_no_other(shop: Shop) -> None:
    renewals = await shop.renew(3, {"insufficient_funds": 1})
    events = [event for event in await shop.events() if event["type"] == "charge.failed"]
    await shop.adapter.hear(*events)
    broken, *others = [event["data"]["object"] for event in events]
    await shop.break_record(broken["id"])

    await shop.adapter.join()

    failed = await shop.adapter.facts()
    assert {fact.charge_id for fact in failed} == {charge["id"] for charge in others}
    assert {fact.customer_id for fact in failed} < {renewal["customer"] for renewal in renewals}
    assert await shop.adapter.joins() == [("charge", broken["id"])]


async def test_many_waits_ask_for_each_thing_once(shop: Shop) -> None:
    def asked() -> float:
        return REGISTRY.get_sample_value("recoup_joins_asked_total", {"answer": "found"}) or 0.0

    renewals = await shop.renew(20, {"insufficient_funds": 1})
    events = [event for event in await shop.events() if event["type"] == "invoice.payment_failed"]
    await shop.adapter.hear(*events)
    before = asked()

    await shop.adapter.join()

    assert len(await shop.adapter.facts()) == len(renewals)
    # the customer, the subscription, the charge; which payment it was, where the invoice does not say
    each = 3 if shop.version == "2020-08-27" else 4
    assert asked() - before == each * len(renewals)


async def test_one_webhook_of_a_success_is_enough(shop: Shop) -> None:
    (renewal,) = await shop.renew(1, {"good": 1})
    events = [event for event in await shop.events() if event["type"] == "invoice.paid"]

    await shop.adapter.hear(*events)
    await shop.adapter.join()

    (paid,) = await shop.adapter.facts()
    assert isinstance(paid, PaymentSucceeded)
    assert (paid.amount.minor, paid.settled_by) == (renewal["amount"], "charge")
    assert paid.charge_id is not None


async def test_whoever_fails_and_was_never_seen_is_asked_for(shop: Shop) -> None:
    (renewal,) = await shop.renew(1, {"insufficient_funds": 1})
    events = [event for event in await shop.events() if event["type"] == "invoice.payment_failed"]

    await shop.adapter.hear(*events)
    await shop.adapter.join()

    told = await shop.adapter.announced()
    (customer,) = [event for event in told if isinstance(event, CustomerUpdated)]
    assert (customer.email, customer.locale) == (renewal["email"], renewal["locale"])
    assert [event.invoice_id for event in told if isinstance(event, InvoiceUpdated)][:1] == [
        renewal["invoice"]
    ]


async def test_what_the_gateway_does_not_know_is_told_at_once_with_what_is_known(
    shop: Shop, modern: Any
) -> None:
    await shop.adapter.hear(modern.event("invoice.payment_failed", modern.invoice()))
    await shop.adapter.join()

    (failed,) = await shop.adapter.facts()
    assert (failed.charge_id, failed.nature) == (None, "renewal")
    assert await shop.adapter.joins() == []


async def test_what_a_crashed_worker_was_asking_for_is_held_while_it_lives_and_free_soon_after(
    shop: Shop,
) -> None:
    account = shop.adapter.account.account_id
    await shop.renew(1, {"insufficient_funds": 1})
    await shop.adapter.hear(*[e for e in await shop.events() if e["type"] == "invoice.payment_failed"])
    await shop.silence()

    async def held_until() -> datetime:
        async with shop.adapter.database.transaction(()) as tx:
            query = "SELECT max(due_at) FROM joins WHERE account_id = $1 AND tries = 1"
            until: datetime | None = await tx.fetchval(query, account)
            assert until is not None
            assert until - tx.real_now <= join.LEASE
            return until

    async def renewed() -> bool:
        return await held_until() > claimed

    worker = asyncio.create_task(shop.adapter.join())
    claimed = await eventually(held_until)
    assert await eventually(renewed)
    worker.cancel()
    await asyncio.wait([worker])
    assert await held_until() > claimed


async def test_a_list_that_was_being_read_in_a_crash_is_read_again_soon_after(shop: Shop) -> None:
    await shop.look()
    await shop.silence()

    async def held_for() -> timedelta | None:
        async with shop.adapter.database.transaction(()) as tx:
            query = "SELECT not_before FROM event_cursors WHERE account_id = $1"
            until: datetime = await tx.fetchval(query, shop.adapter.account.account_id)
            return until - tx.real_now if until > tx.real_now + cursor.REST else None

    worker = asyncio.create_task(shop.look())
    held = await eventually(held_for)
    assert held is not None
    assert held <= cursor.LEASE
    worker.cancel()
    await asyncio.wait([worker])


async def test_how_long_a_list_is_unread_is_told_while_its_gateway_refuses_to_give_it(shop: Shop) -> None:
    await shop.look()
    refusing = {"requests": [{"kind": "error", "status": 500, "match": "GET /v1/events", "probability": 1.0}]}
    await shop.practice.control("PUT", f"/accounts/{shop.adapter.account.account_id}/faults", refusing)
    for hours in (2, 4):
        await shop.look()  # two hours later, in vain
        assert hours * 3600 <= _unread_for() < hours * 3600 + 600

    await shop.practice.control(
        "PUT", f"/accounts/{shop.adapter.account.account_id}/faults", {"requests": []}
    )
    await shop.look()
    await shop.look()
    assert _unread_for() < 3 * 3600


def _unread_for() -> float:
    age = REGISTRY.get_sample_value("recoup_cursor_age_seconds")
    assert age is not None
    return age
