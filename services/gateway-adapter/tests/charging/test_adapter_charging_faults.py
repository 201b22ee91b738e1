"""Whatever breaks between us and the gateway: the ledger shows one capture, and the attempt comes to know it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from recoup_events.values import AttemptState as S
from recoup_gateway_adapter.charging import handlers
from recoup_gateway_adapter.charging.domain import LOOK_UP_AFTER
from recoup_gateway_adapter.work.domain import Kind
from recoup_local.eventually import eventually

Bench = Any
Shop = Any
OpenShop = Any
PAY = "POST /v1/invoices/.*/pay"


@pytest.mark.parametrize("kind", ["lose_before", "lose_after"])
async def test_an_answer_that_is_lost_is_asked_for_again_with_the_same_key(
    bench: Bench, shop: Shop, kind: str
) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.faults({"kind": kind, "match": PAY, "count": 2})
    await shop.try_now(customer, card, invoice)
    for unanswered in (1, 2):
        await bench.step(shop)
        attempt = await shop.attempt(invoice)
        assert (attempt.state, attempt.unanswered) == (S.SENDING, unanswered)
        assert await shop.locked(invoice)
    await bench.step(shop)
    assert (await shop.attempt(invoice)).state is S.SUCCEEDED
    assert len(await shop.captures()) == 1
    assert len(await shop.said("payment.succeeded")) == 1


async def test_a_decline_whose_answer_is_lost_is_one_decline(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("insufficient_funds", "ok")
    await shop.faults({"kind": "lose_after", "match": PAY, "count": 1})
    await shop.try_now(customer, card, invoice)
    await bench.step(shop)
    await bench.step(shop)
    assert (await shop.attempt(invoice)).state is S.DECLINED
    assert not await shop.captures()
    assert len(await shop.said("payment.failed")) == 1


@pytest.mark.parametrize(
    ("status", "reason", "closed"),
    [
        (429, "throttled", "throttled"),
        (401, "account_refused", "account_refused"),
    ],
)
async def test_a_request_refused_unprocessed_uses_no_try_and_goes_out_later_with_the_same_key(
    bench: Bench, shop: Shop, status: int, reason: str, closed: str
) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.faults({"kind": "error", "match": PAY, "status": status, "count": 1})
    await shop.try_now(customer, card, invoice)
    await bench.step(shop)
    attempt = await shop.attempt(invoice)
    assert (attempt.state, attempt.reason, attempt.first_sent_at) == (S.PLANNED, reason, None)
    assert not await shop.locked(invoice)
    assert not await shop.said("attempt.updated", "payment.failed")
    assert await _closed(shop) == closed
    assert await bench.claim() == [], "a closed account is not asked"
    await bench.step(shop)
    again = await shop.attempt(invoice)
    assert (again.state, again.idempotency_key) == (S.SUCCEEDED, attempt.idempotency_key)
    assert len(await shop.captures()) == 1


@pytest.mark.parametrize(("status", "reason"), [(409, "in_flight"), (500, "http_500")])
async def test_an_answer_that_says_nothing_is_asked_for_again(
    bench: Bench, shop: Shop, status: int, reason: str
) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.faults({"kind": "error", "match": PAY, "status": status, "count": 1})
    await shop.try_now(customer, card, invoice)
    await bench.step(shop)
    attempt = await shop.attempt(invoice)
    assert (attempt.state, attempt.reason) == (S.SENDING, reason)
    await bench.step(shop)
    assert (await shop.attempt(invoice)).state is S.SUCCEEDED
    assert len(await shop.captures()) == 1


async def test_a_throttled_repeat_leaves_the_lost_first_request_in_doubt(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.faults({"kind": "lose_after", "match": PAY, "count": 1})
    await shop.try_now(customer, card, invoice)
    await bench.step(shop)
    assert len(await shop.captures()) == 1, "it was taken, and we don't know it"
    await shop.faults({"kind": "error", "match": PAY, "status": 429})
    await bench.step(shop)
    attempt = await shop.attempt(invoice)
    assert (attempt.state, attempt.reason) == (S.SENDING, "throttled")
    await shop.faults()
    await bench.step(shop)
    assert (await shop.attempt(invoice)).state is S.SUCCEEDED
    assert len(await shop.captures()) == 1


async def test_when_no_answer_ever_comes_a_look_up_finds_the_money(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.faults({"kind": "lose_after", "match": PAY})
    await shop.try_now(customer, card, invoice)
    for _ in range(4):
        await bench.step(shop)
    assert (await shop.attempt(invoice)).state is S.UNKNOWN
    (told,) = await shop.said("attempt.updated")
    assert told["state"] == "unknown"
    assert await shop.locked(invoice)
    await bench.step(shop)
    attempt = await shop.attempt(invoice)
    assert attempt.state is S.SUCCEEDED
    (capture,) = await shop.captures()
    assert capture["charge"] == attempt.charge_id
    (paid,) = await shop.said("payment.succeeded")
    assert paid["attributed_to"] == "recoup"


async def test_what_was_never_made_is_believed_only_after_a_quarter_of_an_hour(
    bench: Bench, shop: Shop
) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.faults({"kind": "lose_before", "match": PAY})
    asked = await shop.try_now(customer, card, invoice)
    for _ in range(5):
        await bench.step(shop)
    attempt = await shop.attempt(invoice)
    assert (attempt.state, attempt.look_ups) == (S.UNKNOWN, 1)
    await shop.age(invoice, timedelta(minutes=16))
    await bench.step(shop)
    assert await shop.states(invoice) == [(S.NOT_SENT, "not_found")]
    assert not await shop.captures()
    told = (await shop.said("attempt.updated"))[-1]
    assert (told["state"], told["reason"], told["try_id"]) == ("not_sent", "not_found", str(asked.try_id))


async def test_a_key_too_old_is_never_used_again(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.faults({"kind": "lose_before", "match": PAY})
    await shop.try_now(customer, card, invoice)
    await bench.step(shop)
    await shop.faults()
    await shop.age(invoice, timedelta(hours=20))
    await bench.step(shop)
    attempt = await shop.attempt(invoice)
    assert (attempt.state, attempt.reason) == (S.UNKNOWN, "key_too_old")
    await bench.step(shop)
    assert await shop.states(invoice) == [(S.NOT_SENT, "not_found")]
    assert not await shop.captures()


async def test_after_five_days_of_silence_a_person_must_decide(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.try_now(customer, card, invoice)
    await shop.faults({"kind": "lose_before", "match": PAY})
    for _ in range(4):
        await bench.step(shop)
    await shop.faults({"kind": "error", "match": "GET", "status": 500})
    for _ in LOOK_UP_AFTER:
        await bench.step(shop)
    attempt = await shop.attempt(invoice)
    assert (attempt.state, attempt.reason) == (S.UNKNOWN, "needs_person")
    assert (await shop.said("attempt.updated"))[-1]["reason"] == "needs_person"
    assert await shop.locked(invoice), "nothing else is asked for the invoice meanwhile"
    assert not await shop.work()
    async with shop.database.transaction([shop.merchant_id]) as tx:
        assert await handlers.decide(tx, shop.merchant_id, attempt.attempt_id, S.NOT_SENT)
        assert not await handlers.decide(tx, shop.merchant_id, attempt.attempt_id, S.SUCCEEDED), "once"
    assert (await shop.said("attempt.updated"))[-1]["reason"] == "decided_by_person"
    assert not await shop.locked(invoice)


async def test_an_account_that_refused_us_is_asked_again_at_once_when_its_key_is_new(
    bench: Bench, shop: Shop
) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.faults({"kind": "error", "match": PAY, "status": 401, "count": 1})
    await shop.try_now(customer, card, invoice)
    await bench.step(shop)
    assert await bench.claim() == []
    body = {
        "gateway": "stripe",
        "name": "A shop",
        "livemode": False,
        "base_url": shop.address,
        "api_key": shop.api_key,
        "webhook_secret": "whsec_test_secret",
        "api_version": shop.version,
    }
    status, _ = await shop.ask("PUT", f"/accounts/{shop.account_id}", body)
    assert status == 200
    (work,) = await eventually(bench.claim)
    await bench.charging.run(work)
    assert len(await shop.captures()) == 1


async def _closed(shop: Shop) -> str | None:
    async with shop.database.transaction([shop.merchant_id]) as tx:
        found: str | None = await tx.fetchval(
            "SELECT closed_because FROM account_flow WHERE merchant_id = $1", shop.merchant_id
        )
        return found


# --- crashes ----------------------------------------------------------------------------------------------


@dataclass
class Gate:
    """Stands before the gateway and lets the process die at one request, before or after it has its effect."""

    target: str
    http: aiohttp.ClientSession
    dies_at: int = 0
    after: bool = False
    seen: int = 0
    died: asyncio.Event = field(default_factory=asyncio.Event)

    async def forward(self, request: web.Request) -> web.StreamResponse:
        self.seen += 1
        mine = self.seen == self.dies_at
        if mine and not self.after:
            self.died.set()
            await asyncio.Event().wait()
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        async with self.http.request(
            request.method, self.target + request.path_qs, data=body, headers=headers
        ) as answer:
            content = await answer.read()
            if mine:
                self.died.set()
                await asyncio.Event().wait()
            return web.Response(status=answer.status, body=content, content_type="application/json")


@asynccontextmanager
async def standing(gate: Gate) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gate.forward)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _die_once(bench: Bench, shop: Shop, gate: Gate) -> bool:
    """Run what is due until it is done or the process dies; tell whether it died."""
    gate.seen = 0
    gate.died.clear()
    await shop.make_due()
    (work,) = [work for work in await bench.claim() if work.kind is Kind.ATTEMPT]
    running = asyncio.ensure_future(bench.charging.run(work))
    died = asyncio.ensure_future(gate.died.wait())
    await asyncio.wait((running, died), return_when=asyncio.FIRST_COMPLETED)
    died.cancel()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return gate.died.is_set()


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("outcome", ["ok", "insufficient_funds"])
async def test_a_process_that_dies_at_any_step_charges_once_when_it_is_back(
    bench: Bench, open_shop: OpenShop, practice: str, outcome: str, *, after: bool
) -> None:
    gate = Gate(practice, bench.http, after=after)
    async with standing(gate) as address:
        shop = await open_shop(base_url=address)
        deaths = 0
        while True:
            customer, card, invoice = await shop.owing(outcome)
            gate.dies_at = deaths + 1
            asked = await shop.try_now(customer, card, invoice)
            if not await _die_once(bench, shop, gate):
                break
            deaths += 1
            gate.dies_at = 0
            while await shop.work():
                await bench.step(shop)
            attempt = await shop.attempt(invoice)
            paid = outcome == "ok"
            assert attempt.state is (S.SUCCEEDED if paid else S.DECLINED)
            assert len(await shop.captures(invoice)) == (1 if paid else 0)
            told = await shop.said("payment.succeeded" if paid else "payment.failed")
            assert [event["try_id"] for event in told][-1] == str(asked.try_id)
            assert len(told) == deaths
            assert not await shop.locked(invoice)
    assert deaths >= 4, "the invoice, the card, the charge, and what was charged are each asked for"


@pytest.mark.parametrize("executors", [1, 4])
async def test_executors_side_by_side_charge_each_invoice_once(
    bench: Bench, open_shop: OpenShop, executors: int
) -> None:
    shops = [await open_shop(), await open_shop()]
    asked = []
    for shop in shops:
        for _ in range(6):
            customer, card, invoice = await shop.owing("ok")
            event = await shop.try_now(customer, card, invoice)
            await shop.receive(event.model_copy(update={"revision": 2}))
            asked.append((shop, invoice))
        await shop.faults(
            {"kind": "lose_after", "match": PAY, "probability": 0.3, "count": 3, "seed": 7},
            {"kind": "error", "match": PAY, "probability": 0.3, "status": 429, "count": 2, "seed": 8},
        )

    async def all_settled() -> bool:
        for shop in shops:
            await _hasten(shop)
        return not any([await shop.work() for shop in shops])

    async with bench.executing(executors):
        await eventually(all_settled, within=60)
    for shop, invoice in asked:
        assert (await shop.attempt(invoice)).state is S.SUCCEEDED
        assert len(await shop.captures(invoice)) == 1


async def _hasten(shop: Shop) -> None:
    """Let waits be over, but leave what is being run to those who run it."""
    async with shop.database.transaction([shop.merchant_id]) as tx:
        await tx.execute(
            "UPDATE gateway_work SET due_at = now() WHERE merchant_id = $1 AND lease_id IS NULL",
            shop.merchant_id,
        )
        await tx.execute(
            "UPDATE account_flow SET closed_until = now() WHERE merchant_id = $1 AND closed_until IS NOT NULL",
            shop.merchant_id,
        )
