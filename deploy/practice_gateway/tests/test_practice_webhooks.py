"""Webhooks are signed, told in full, and repeated until they are taken; the events list has them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from practice_gateway.versions import BASIL
from practice_gateway.webhooks import GIVE_UP_AFTER, Backoff, signature

if TYPE_CHECKING:
    from deploy.practice_gateway.tests.conftest import Eventually, OpenShop, Shop

FAILURE = [
    "charge.failed",
    "payment_intent.payment_failed",
    "invoice.payment_failed",
    "invoice.updated",
    "customer.subscription.updated",
]
SUCCESS = [
    "charge.succeeded",
    "payment_intent.succeeded",
    "invoice.updated",
    "invoice.paid",
    "invoice.payment_succeeded",
]


async def _renew(shop: Shop, reason: str) -> dict[str, Any]:
    body = {"account": shop.id, "count": 1, "mix": {reason: 1}}
    made: dict[str, Any] = (await shop.control("POST", "/renewals", body))["renewals"][0]
    return made


async def _listed(shop: Shop) -> list[str]:
    """Return the types of all events, the oldest first."""
    found = await shop.client().v1.events.list_async({"limit": 100})
    return [event.type for event in reversed(found.data)]


async def test_a_failed_renewal_says_what_stripe_says(shop: Shop, eventually: Eventually) -> None:
    await _renew(shop, "insufficient_funds")

    told = await _listed(shop)
    first = told.index("charge.failed")
    assert told[first : first + len(FAILURE)] == FAILURE
    await eventually(lambda: set(FAILURE) <= set(shop.receiver.types()))


async def test_a_paid_renewal_says_what_stripe_says(shop: Shop, eventually: Eventually) -> None:
    await _renew(shop, "good")

    told = await _listed(shop)
    first = told.index("charge.succeeded")
    assert told[first : first + len(SUCCESS)] == SUCCESS
    await eventually(lambda: set(SUCCESS) <= set(shop.receiver.types()))


async def test_a_renewal_that_needs_authentication_asks_for_action(
    shop: Shop, eventually: Eventually
) -> None:
    await _renew(shop, "authentication_required")

    await eventually(lambda: "invoice.payment_failed" in shop.receiver.types())
    types = await _listed(shop)
    assert "payment_intent.requires_action" in types
    assert "invoice.payment_action_required" in types
    assert "charge.failed" not in types


async def test_the_official_check_accepts_the_signature_and_no_other(
    shop: Shop, eventually: Eventually
) -> None:
    await _renew(shop, "good")
    await eventually(lambda: shop.receiver.received)
    got = shop.receiver.received[0]
    body = got.body.decode()

    assert stripe.WebhookSignature.verify_header(body, got.signature, shop.secret, 300)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.WebhookSignature.verify_header(body + " ", got.signature, shop.secret, 300)


def test_during_a_rotation_both_secrets_sign() -> None:
    header = signature(b"{}", ["old", "new"], 1_700_000_000)

    for secret in ("old", "new"):
        assert stripe.WebhookSignature.verify_header("{}", header, secret)


async def test_a_refused_webhook_comes_again_until_it_is_taken(shop: Shop, eventually: Eventually) -> None:
    shop.receiver.status = 503
    await _renew(shop, "lost_card")
    await eventually(lambda: shop.receiver.refused > 40)
    told = await _listed(shop)

    shop.receiver.status = 200

    await eventually(lambda: sorted(shop.receiver.types()) == sorted(told))


async def test_it_is_given_up_after_three_days_of_the_merchants_clock_but_stays_listed(
    open_shop: OpenShop, eventually: Eventually
) -> None:
    shop = await open_shop(
        dunning={"enabled": False}
    )  # its first retry, on day 3, would be one more to be told of
    await shop.advance()
    shop.receiver.status = 500
    await _renew(shop, "lost_card")
    told = await _listed(shop)
    state = await shop.control("GET", f"/webhooks?account={shop.id}")
    assert (state["given_up"], state["pending"]) == (0, len(told))

    await shop.advance(GIVE_UP_AFTER + 60)

    async def all_given_up() -> bool:
        found = await shop.control("GET", f"/webhooks?account={shop.id}")
        return bool(found["pending"] == 0 and found["given_up"] == len(told))

    await eventually(all_given_up)
    assert await _listed(shop) == told
    assert shop.receiver.received == []


def test_the_pause_doubles_up_to_its_bound() -> None:
    backoff = Backoff(first=0.2, most=30.0)

    assert [backoff.after(tries) for tries in (1, 2, 3, 8, 9, 5000)] == [0.2, 0.4, 0.8, 25.6, 30.0, 30.0]


async def test_every_2xx_is_in_the_receipts(shop: Shop, eventually: Eventually) -> None:
    await _renew(shop, "good")
    told = await _listed(shop)
    await eventually(lambda: len(shop.receiver.received) == len(told))
    ids = {item.event["id"] for item in shop.receiver.received}

    def all_noted() -> bool:
        text = (shop.state / "receipts.jsonl").read_text()
        return all(found in text for found in ids)

    await eventually(all_noted)


async def test_an_events_request_tells_who_caused_it(shop: Shop, eventually: Eventually) -> None:
    customer = await shop.customer()
    invoice = await shop.open_invoice(customer)
    await shop.client().v1.invoices.pay_async(invoice, options={"idempotency_key": "mine"})
    await _renew(shop, "expired_card")

    await eventually(lambda: shop.receiver.of("charge.succeeded") and shop.receiver.of("charge.failed"))
    ours, own = shop.receiver.of("charge.succeeded")[0], shop.receiver.of("charge.failed")[0]
    assert ours["request"]["idempotency_key"] == "mine"
    assert ours["request"]["id"].startswith("req_")
    assert own["request"] == {"id": None, "idempotency_key": None}


async def test_webhooks_speak_the_accounts_version(open_shop: OpenShop, eventually: Eventually) -> None:
    shop = await open_shop(api_version=BASIL)
    renewal = await _renew(shop, "insufficient_funds")

    await eventually(lambda: shop.receiver.of("invoice.payment_failed"))
    event = shop.receiver.of("invoice.payment_failed")[0]
    assert event["api_version"] == BASIL
    parent = event["data"]["object"]["parent"]
    assert parent["subscription_details"]["subscription"] == renewal["subscription"]


async def test_the_new_version_tells_which_payment_paid_an_invoice(
    open_shop: OpenShop, eventually: Eventually
) -> None:
    shop = await open_shop(api_version=BASIL)
    renewal = await _renew(shop, "good")

    await eventually(lambda: shop.receiver.of("invoice_payment.paid"))
    payment = shop.receiver.of("invoice_payment.paid")[0]["data"]["object"]
    assert payment["invoice"] == renewal["invoice"]
    assert payment["payment"]["payment_intent"].startswith("pi_")


async def test_an_endpoint_gets_the_types_it_wants(open_shop: OpenShop, eventually: Eventually) -> None:
    shop = await open_shop()
    hook = {"url": shop.receiver.url, "secret": shop.secret, "events": ["invoice.payment_failed"]}
    await shop.control("POST", f"/accounts/{shop.id}", {"webhooks": [hook, hook]})

    await _renew(shop, "lost_card")

    await eventually(lambda: len(shop.receiver.received) == 2)
    assert set(shop.receiver.types()) == {"invoice.payment_failed"}


async def test_updates_say_what_was_there_before(shop: Shop, eventually: Eventually) -> None:
    customer = await shop.customer()
    await shop.client().v1.customers.update_async(customer, {"email": "b@example.org"})

    def email_change() -> Any:
        found = shop.receiver.of("customer.updated")
        return [item for item in found if "email" in item["data"]["previous_attributes"]]

    await eventually(email_change)
    (event,) = email_change()
    assert event["data"]["previous_attributes"] == {"email": "a@example.org"}
    assert event["data"]["object"]["email"] == "b@example.org"


async def test_events_page_both_ways_without_a_gap(shop: Shop) -> None:
    for _ in range(3):
        await _renew(shop, "generic_decline")
    events = shop.client().v1.events
    everything = [event.id for event in (await events.list_async({"limit": 100})).data]

    older: list[str] = []
    page = await events.list_async({"limit": 7})
    while True:
        older += [event.id for event in page.data]
        if not page.has_more:
            break
        page = await events.list_async({"limit": 7, "starting_after": older[-1]})
    newer = await events.list_async({"limit": 5, "ending_before": everything[9]})

    assert older == everything
    assert [event.id for event in newer.data] == everything[4:9]
    assert newer.has_more


async def test_events_are_found_by_type_and_time(standing_shop: Shop) -> None:
    shop = standing_shop
    await _renew(shop, "lost_card")
    start = (await shop.client().v1.events.list_async({"limit": 1})).data[0].created
    await shop.advance(3600)
    renewal = await _renew(shop, "lost_card")

    found: Any = await shop.client().v1.events.list_async(
        {"created": {"gte": start + 1}, "types": ["invoice.payment_failed", "charge.failed"]}
    )

    assert {event.type for event in found.data} == {"invoice.payment_failed", "charge.failed"}
    assert {event.created for event in found.data} == {start + 3600}
    assert all(renewal["invoice"] in str(event.data) for event in found.data)


async def test_events_older_than_30_days_are_forgotten(standing_shop: Shop, eventually: Eventually) -> None:
    shop = standing_shop
    await _renew(shop, "lost_card")
    (old,) = (await shop.client().v1.events.list_async({"limit": 1})).data

    await shop.advance(31 * 86_400)

    async def forgotten() -> bool:
        status, _, _ = await shop.api("GET", f"/v1/events/{old.id}")
        return status == 404

    await eventually(forgotten)


@pytest.mark.parametrize(
    ("rule", "copies"),
    [
        ({"kind": "drop"}, 0),
        ({"kind": "duplicate", "copies": 3}, 3),
        ({"kind": "late", "seconds": 0.05}, 1),
        ({"kind": "reorder", "seconds": 0.05}, 1),
        ({"kind": "shuffle", "copies": 5, "seconds": 0.05}, 5),
    ],
)
async def test_webhook_faults_drop_double_delay_and_shuffle(
    shop: Shop, eventually: Eventually, rule: dict[str, Any], copies: int
) -> None:
    rules = {"webhooks": [{**rule, "match": "^charge", "seed": 7}]}
    await shop.control("PUT", f"/accounts/{shop.id}/faults", rules)

    await _renew(shop, "lost_card")

    others = len(await _listed(shop)) - 1
    await eventually(lambda: len(shop.receiver.received) == others + copies)
    assert len(shop.receiver.of("charge.failed")) == copies


async def test_a_kept_event_can_be_sent_again(shop: Shop, eventually: Eventually) -> None:
    await _renew(shop, "lost_card")
    await eventually(lambda: shop.receiver.of("charge.failed"))
    event = shop.receiver.of("charge.failed")[0]["id"]

    await shop.control("POST", "/webhooks/resend", {"account": shop.id, "event": event})

    await eventually(lambda: len(shop.receiver.of("charge.failed")) == 2)
