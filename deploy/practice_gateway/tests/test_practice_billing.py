"""Subscriptions renew, fail, are retried by the gateway itself, and end, all on the merchant's clock."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import stripe
from aiohttp import web

from practice_gateway.billing.periods import next_period_end
from practice_gateway.following import follow_clocks

if TYPE_CHECKING:
    from deploy.practice_gateway.tests.conftest import Eventually, OpenShop, Shop

DAY = 86_400
MONTH = 31 * DAY


@pytest.fixture
def shop(standing_shop: Shop) -> Shop:
    return standing_shop


async def _renewal(shop: Shop, reason: str) -> dict[str, Any]:
    body = {"account": shop.id, "count": 1, "mix": {reason: 1}}
    made: dict[str, Any] = (await shop.control("POST", "/renewals", body))["renewals"][0]
    return made


async def _invoice(shop: Shop, identifier: str) -> Any:
    return await shop.client().v1.invoices.retrieve_async(identifier)


async def _status(shop: Shop, subscription: str) -> str:
    return (await shop.client().v1.subscriptions.retrieve_async(subscription)).status


async def test_a_new_subscription_is_active_once_its_first_invoice_is_paid(shop: Shop) -> None:
    subscription = await shop.subscribe(await shop.customer())

    invoice = await _invoice(shop, subscription.latest_invoice)
    assert subscription.status == "active"
    assert (invoice.status, invoice.billing_reason) == ("paid", "subscription_create")
    assert invoice.number


async def test_an_incomplete_subscription_expires_after_23_hours_and_its_invoice_with_it(
    shop: Shop, eventually: Eventually
) -> None:
    customer = await shop.customer([{"outcome": "do_not_honor"}])
    subscription = await shop.subscribe(customer)
    assert subscription.status == "incomplete"
    assert (await _invoice(shop, subscription.latest_invoice)).next_payment_attempt is None

    await shop.advance(22.9 * 3600)
    assert await _status(shop, subscription.id) == "incomplete"
    await shop.advance(0.2 * 3600)

    async def expired() -> bool:
        return await _status(shop, subscription.id) == "incomplete_expired"

    await eventually(expired)
    assert (await _invoice(shop, subscription.latest_invoice)).status == "void"


async def test_it_can_refuse_to_be_left_incomplete(shop: Shop) -> None:
    customer = await shop.customer([{"outcome": "lost_card"}])

    with pytest.raises(stripe.CardError):
        await shop.subscribe(customer, payment_behavior="error_if_incomplete")


async def test_a_period_ends_drafts_an_invoice_and_an_hour_later_it_is_paid(
    shop: Shop, eventually: Eventually
) -> None:
    subscription = await shop.subscribe(await shop.customer())

    await shop.advance(MONTH)

    async def drafted() -> bool:
        found = await shop.client().v1.invoices.list_async({"subscription": subscription.id})
        return [item.status for item in found.data] == ["draft", "paid"]

    await eventually(drafted)
    await shop.advance(3601)

    async def paid() -> bool:
        found = await shop.client().v1.invoices.list_async({"subscription": subscription.id})
        return [item.status for item in found.data] == ["paid", "paid"]

    await eventually(paid)
    assert [line["initiator"] for line in await shop.ledger()] == ["merchant", "gateway"]


async def test_a_failed_renewal_is_retried_by_schedule_and_then_cancelled(
    shop: Shop, eventually: Eventually
) -> None:
    renewal = await _renewal(shop, "insufficient_funds")
    invoice = await _invoice(shop, renewal["invoice"])
    assert (invoice.attempt_count, invoice.auto_advance) == (1, True)
    assert await _status(shop, renewal["subscription"]) == "past_due"

    for tries, days in ((2, 3), (3, 5), (4, 7)):
        due = (await _invoice(shop, renewal["invoice"])).next_payment_attempt
        assert due - shop.gateway.accounts[shop.id].now() in (days * DAY, days * DAY - 1)
        await shop.advance(days * DAY)

        async def tried(expected: int = tries) -> bool:
            return bool((await _invoice(shop, renewal["invoice"])).attempt_count == expected)

        await eventually(tried)

    ended = await _invoice(shop, renewal["invoice"])
    assert (ended.status, ended.next_payment_attempt, ended.auto_advance) == ("open", None, False)
    assert await _status(shop, renewal["subscription"]) == "canceled"
    charges = await shop.client().v1.charges.list_async({"payment_intent": ended.payment_intent})
    assert len(charges.data) == 4


async def test_its_own_retry_recovers_once_the_money_is_there(shop: Shop, eventually: Eventually) -> None:
    renewal = await _renewal(shop, "processing_error_once")

    await shop.advance(3 * DAY)

    async def recovered() -> bool:
        return await _status(shop, renewal["subscription"]) == "active"

    await eventually(recovered)
    (line,) = await shop.ledger()
    assert (line["initiator"], line["idempotency_key"]) == ("gateway", None)


@pytest.mark.parametrize(("ending", "status"), [("unpaid", "unpaid"), ("past_due", "past_due")])
async def test_after_the_last_retry_the_setting_decides(
    open_shop: OpenShop, eventually: Eventually, ending: str, status: str
) -> None:
    shop = await open_shop(dunning={"schedule": [1], "after_last": ending})
    await shop.advance()
    renewal = await _renewal(shop, "generic_decline")

    await shop.advance(DAY)

    async def tried_twice() -> bool:
        return bool((await _invoice(shop, renewal["invoice"])).attempt_count == 2)

    await eventually(tried_twice)
    assert await _status(shop, renewal["subscription"]) == status


async def test_auto_advance_false_takes_an_invoice_out_of_its_retries(
    shop: Shop, eventually: Eventually
) -> None:
    renewal = await _renewal(shop, "insufficient_funds")
    other = await _renewal(shop, "insufficient_funds")

    updated = await shop.client().v1.invoices.update_async(renewal["invoice"], {"auto_advance": False})
    await shop.advance(4 * DAY)

    async def other_tried() -> bool:
        return bool((await _invoice(shop, other["invoice"])).attempt_count == 2)

    await eventually(other_tried)
    assert (updated.auto_advance, updated.next_payment_attempt) == (False, None)
    assert (await _invoice(shop, renewal["invoice"])).attempt_count == 1
    assert await _status(shop, renewal["subscription"]) == "past_due"


async def test_a_manual_try_leaves_the_retry_schedule_alone(shop: Shop) -> None:
    renewal = await _renewal(shop, "insufficient_funds")
    before = await _invoice(shop, renewal["invoice"])

    with pytest.raises(stripe.CardError):
        await shop.client().v1.invoices.pay_async(renewal["invoice"])

    after = await _invoice(shop, renewal["invoice"])
    assert (after.attempt_count, after.next_payment_attempt) == (1, before.next_payment_attempt)
    assert after.charge != before.charge


async def test_a_card_refused_for_good_is_not_charged_again_by_the_gateway(
    shop: Shop, eventually: Eventually
) -> None:
    renewal = await _renewal(shop, "stolen_card")

    await shop.advance(3 * DAY)

    async def counted() -> bool:
        return bool((await _invoice(shop, renewal["invoice"])).attempt_count == 2)

    await eventually(counted)
    intent = (await _invoice(shop, renewal["invoice"])).payment_intent
    assert len((await shop.client().v1.charges.list_async({"payment_intent": intent})).data) == 1


async def test_paying_a_past_due_invoice_makes_the_subscription_active(shop: Shop) -> None:
    renewal = await _renewal(shop, "lost_card")
    card = await shop.card(renewal["customer"], [], default=False)

    await shop.client().v1.invoices.pay_async(renewal["invoice"], {"payment_method": card})

    assert await _status(shop, renewal["subscription"]) == "active"
    customer = await shop.client().v1.customers.retrieve_async(renewal["customer"])
    assert customer.delinquent is False


async def test_cancelling_stops_collection_but_leaves_the_invoice_open(
    shop: Shop, eventually: Eventually
) -> None:
    renewal = await _renewal(shop, "insufficient_funds")

    ended = await shop.client().v1.subscriptions.cancel_async(renewal["subscription"])

    invoice = await _invoice(shop, renewal["invoice"])
    assert ended.status == "canceled"
    assert (invoice.status, invoice.auto_advance, invoice.next_payment_attempt) == ("open", False, None)
    await eventually(lambda: shop.receiver.of("customer.subscription.deleted"))


async def test_it_ends_at_the_end_of_the_period_when_asked_to(shop: Shop, eventually: Eventually) -> None:
    subscription = await shop.subscribe(await shop.customer())
    await shop.client().v1.subscriptions.update_async(subscription.id, {"cancel_at_period_end": True})

    await shop.advance(MONTH)

    async def ended() -> bool:
        return await _status(shop, subscription.id) == "canceled"

    await eventually(ended)
    assert len(await shop.ledger()) == 1


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible"), ("void", "void")],
)
async def test_while_collection_is_paused_renewals_are_not_charged(
    shop: Shop, eventually: Eventually, behavior: Any, status: str
) -> None:
    subscription = await shop.subscribe(await shop.customer())
    paused = await shop.client().v1.subscriptions.update_async(
        subscription.id, {"pause_collection": {"behavior": behavior}}
    )

    await shop.advance(MONTH)

    async def settled() -> bool:
        found = await shop.client().v1.invoices.list_async({"subscription": subscription.id})
        return [item.status for item in found.data] == [status, "paid"]

    await eventually(settled)
    assert paused.pause_collection is not None
    resumed = await shop.client().v1.subscriptions.update_async(subscription.id, {"pause_collection": ""})
    assert resumed.pause_collection is None


async def test_an_invoice_to_be_sent_is_overdue_and_never_charged(shop: Shop, eventually: Eventually) -> None:
    subscription = await shop.subscribe(
        await shop.customer(), collection_method="send_invoice", days_until_due=7
    )
    assert subscription.status == "active"

    await shop.advance(8 * DAY)

    async def overdue() -> bool:
        return await _status(shop, subscription.id) == "past_due"

    await eventually(overdue)
    assert (await _invoice(shop, subscription.latest_invoice)).attempt_count == 0
    assert await shop.ledger() == []


@pytest.mark.parametrize(
    ("script", "hours", "outcome"),
    [
        ([{"outcome": "insufficient_funds", "until": 48}], 47, "insufficient_funds"),
        ([{"outcome": "insufficient_funds", "until": 48}], 49, "ok"),
        ([{"outcome": "issuer_not_available", "from": 24, "until": 48}], 23, "ok"),
        ([{"outcome": "issuer_not_available", "from": 24, "until": 48}], 30, "issuer_not_available"),
        ([{"outcome": "do_not_honor", "tries": 2}, {"outcome": "lost_card", "tries": 1}], 0, "do_not_honor"),
        ([{"outcome": "authenticate", "session": "off"}], 0, "authentication_required"),
    ],
)
async def test_a_scripted_card_answers_by_time_and_by_try(
    shop: Shop, script: list[dict[str, Any]], hours: float, outcome: str
) -> None:
    now = shop.gateway.accounts[shop.id].now()
    for rule in script:
        rule |= {name: now + rule[name] * 3600 for name in ("from", "until") if name in rule}
    invoice = await shop.open_invoice(await shop.customer(script))

    await shop.advance(hours * 3600)

    if outcome == "ok":
        assert (await shop.client().v1.invoices.pay_async(invoice)).status == "paid"
    else:
        with pytest.raises(stripe.CardError) as caught:
            await shop.client().v1.invoices.pay_async(invoice)
        body: Any = caught.value.json_body
        assert body["error"]["decline_code"] == outcome


async def test_a_script_counts_its_tries(shop: Shop) -> None:
    script = [{"outcome": "do_not_honor", "tries": 2}, {"outcome": "insufficient_funds", "tries": 1}]
    invoice = await shop.open_invoice(await shop.customer(script))

    answers = []
    for _ in range(4):
        status, body, _ = await shop.api("POST", f"/v1/invoices/{invoice}/pay")
        answers.append(body["status"] if status == 200 else body["error"]["decline_code"])

    assert answers == ["do_not_honor", "do_not_honor", "insufficient_funds", "paid"]


async def test_an_account_follows_the_clock_at_an_address(
    open_shop: OpenShop, eventually: Eventually
) -> None:
    shop = await open_shop()
    asked: list[str] = []
    ahead = int(time.time()) + 3600

    async def clock(request: web.Request) -> web.Response:
        asked.append(request.headers["Authorization"])
        body = {"origin_real": "2026-01-01T00:00:00Z", "origin_merchant": ahead, "rate": 0}
        return web.json_response(body)

    app = web.Application()
    app.router.add_get("/clocks/{account}", clock)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/clocks/{{account}}"
    following = asyncio.create_task(follow_clocks(shop.gateway, url, "secret", 0.01))
    try:
        account = shop.gateway.accounts[shop.id]
        await eventually(lambda: account.now() == ahead)
    finally:
        following.cancel()
        await runner.cleanup()
        for found in shop.gateway.accounts.values():
            found.followed_clock = None
    assert asked[0] == "Bearer secret"


@pytest.mark.parametrize(
    "clock",
    [
        {},
        {"origin_real": "2026-01-01T00:00:00", "origin_merchant": 0, "rate": 1},
        {"origin_real": 0, "origin_merchant": 0, "rate": -1},
        {"origin_real": 0, "origin_merchant": 0, "rate": "fast"},
    ],
)
async def test_a_bad_clock_is_refused(shop: Shop, clock: dict[str, Any]) -> None:
    status, answer = await shop.try_control("PUT", f"/accounts/{shop.id}/clock", clock)

    assert status == 422
    assert answer["error"]


async def test_a_fast_clock_runs_a_whole_dunning_in_a_moment(shop: Shop, eventually: Eventually) -> None:
    renewal = await _renewal(shop, "insufficient_funds")
    now = shop.gateway.accounts[shop.id].now()
    clock = {"origin_real": time.time(), "origin_merchant": now, "rate": 10 * DAY}

    await shop.control("PUT", f"/accounts/{shop.id}/clock", clock)

    async def ended() -> bool:
        return await _status(shop, renewal["subscription"]) == "canceled"

    await eventually(ended)


def _at(text: str) -> int:
    return int(datetime.fromisoformat(f"{text}T10:00:00+00:00").timestamp())


@pytest.mark.parametrize(
    ("start", "anchor", "interval", "count", "end"),
    [
        ("2026-01-31", "2026-01-31", "month", 1, "2026-02-28"),
        ("2026-02-28", "2026-01-31", "month", 1, "2026-03-31"),
        ("2026-12-15", "2026-12-15", "month", 1, "2027-01-15"),
        ("2024-02-29", "2024-02-29", "year", 1, "2025-02-28"),
        ("2026-03-01", "2026-03-01", "week", 2, "2026-03-15"),
        ("2026-03-01", "2026-03-01", "day", 1, "2026-03-02"),
    ],
)
def test_periods_keep_the_day_of_their_anchor(
    start: str, anchor: str, interval: str, count: int, end: str
) -> None:
    assert next_period_end(_at(start), _at(anchor), interval, count) == _at(end)
