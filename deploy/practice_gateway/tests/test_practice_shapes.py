"""What the gateway writes has the members and types of Stripe's own OpenAPI description of 2020-08-27."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from practice_gateway.versions import BASIL

if TYPE_CHECKING:
    from deploy.practice_gateway.tests.conftest import Shop

NAME = "shared/openapi/stripe/spec3_2022-04-12_e0123a38.json"
NEWEST = "shared/openapi/stripe/fixtures3.json"
SPECIFICATION = next((file for up in Path(__file__).parents if (file := up / NAME).is_file()), None)
pytestmark = pytest.mark.skipif(SPECIFICATION is None, reason="needs ../shared/openapi, Stripe's description")
OBJECTS = {
    "charge",
    "checkout.session",
    "customer",
    "dispute",
    "invoice",
    "payment_intent",
    "payment_method",
    "price",
    "product",
    "refund",
    "setup_intent",
    "subscription",
}


def _with_null(node: Any) -> Any:
    """Turn OpenAPI 3.0's `nullable` into JSON Schema."""
    if isinstance(node, list):
        return [_with_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    schema = {name: _with_null(value) for name, value in node.items() if name != "nullable"}
    return {"anyOf": [schema, {"type": "null"}]} if node.get("nullable") is True else schema


@pytest.fixture(scope="module")
def specification() -> dict[str, Any]:
    assert SPECIFICATION is not None
    schemas = json.loads(SPECIFICATION.read_text())["components"]["schemas"]
    return {"components": {"schemas": _with_null(schemas)}}


def _faults_of(specification: dict[str, Any], kind: str, item: dict[str, Any]) -> list[str]:
    schema = {"$ref": f"#/components/schemas/{kind}", **specification}
    return [
        f"{kind}.{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in Draft202012Validator(schema).iter_errors(item)
    ]


async def _live_a_little(shop: Shop) -> list[dict[str, Any]]:
    """Let everything happen once; return all events."""
    client = shop.client()
    body = {"account": shop.id, "count": 30, "seed": 5}
    await shop.control("POST", "/renewals", body)
    customer = await shop.customer()
    subscription = await shop.subscribe(customer)
    invoice = await client.v1.invoices.retrieve_async(subscription.latest_invoice)
    await client.v1.refunds.create_async({"charge": invoice["charge"], "amount": 100})
    other = await client.v1.invoices.pay_async(await shop.open_invoice(customer))
    await shop.control("POST", "/disputes", {"account": shop.id, "charge": other["charge"]})
    await client.v1.invoices.void_invoice_async(await shop.open_invoice(customer))
    await client.v1.invoices.mark_uncollectible_async(await shop.open_invoice(customer))
    session: Any = {
        "mode": "setup",
        "success_url": "https://a.example/",
        "cancel_url": "https://a.example/x",
        "customer": customer,
    }
    opened: Any = await client.v1.checkout.sessions.create_async(session)
    form = {"number": "4000000000009995", "expiry": "12/40", "cvc": "123", "name": "A"}
    for number in ("4000000000009995", "4242424242424242"):
        await shop.http.post(opened.url, data={**form, "number": number}, allow_redirects=False)
    await client.v1.subscriptions.update_async(subscription.id, {"pause_collection": {"behavior": "void"}})
    await client.v1.subscriptions.cancel_async(subscription.id)
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        _, page, _ = await shop.api("GET", f"/v1/events?limit=100{after}")
        found += page["data"]
        if not page["has_more"]:
            return found
        after = f"&starting_after={found[-1]['id']}"


async def test_every_event_and_object_has_stripes_shape(shop: Shop, specification: dict[str, Any]) -> None:
    events = await _live_a_little(shop)

    faults: set[str] = set()
    seen: set[str] = set()
    for event in events:
        faults.update(_faults_of(specification, "event", event))
        item = event["data"]["object"]
        if item["object"] in OBJECTS:
            seen.add(item["object"])
            faults.update(_faults_of(specification, item["object"], item))
    assert sorted(faults) == []
    assert seen >= OBJECTS - {"product"}


async def test_objects_have_all_the_members_that_stripe_says_may_be_null(
    shop: Shop, specification: dict[str, Any]
) -> None:
    events = await _live_a_little(shop)
    assert SPECIFICATION is not None
    schemas = json.loads(SPECIFICATION.read_text())["components"]["schemas"]
    missing: set[str] = set()
    for event in events:
        item = event["data"]["object"]
        kind = item["object"]
        if kind in ("charge", "customer", "invoice", "payment_intent", "payment_method", "subscription"):
            nullable = {name for name, field in schemas[kind]["properties"].items() if field.get("nullable")}
            missing.update(f"{kind}.{name}" for name in nullable - item.keys())

    # left out by Stripe too, see the bodies of stripe-ruby-mock
    assert missing - {"invoice.subscription_proration_date"} == set()


async def test_a_list_and_an_error_have_stripes_shape(shop: Shop, specification: dict[str, Any]) -> None:
    _, page, _ = await shop.api("GET", "/v1/customers")
    _, refusal, _ = await shop.api("GET", "/v1/customers/cus_none")

    assert page == {"object": "list", "data": [], "has_more": False, "url": "/v1/customers"}
    assert _faults_of(specification, "error", refusal) == []


async def test_the_new_version_has_no_member_that_stripes_newest_fixtures_lack(shop: Shop) -> None:
    fixtures = next((file for up in Path(__file__).parents if (file := up / NEWEST).is_file()), None)
    assert fixtures is not None
    resources = json.loads(fixtures.read_text())["resources"]
    subscription = await shop.subscribe(await shop.customer())
    paths = {
        "invoice": f"/v1/invoices/{subscription.latest_invoice}",
        "subscription": f"/v1/subscriptions/{subscription.id}",
        "customer": f"/v1/customers/{subscription.customer}",
    }
    found = {kind: (await shop.api("GET", path, Stripe_Version=BASIL))[1] for kind, path in paths.items()}
    for name, kind in (
        ("payment_intents", "payment_intent"),
        ("charges", "charge"),
        ("invoice_payments", "invoice_payment"),
    ):
        found[kind] = (await shop.api("GET", f"/v1/{name}", Stripe_Version=BASIL))[1]["data"][0]

    strange = {kind: sorted(item.keys() - resources[kind].keys()) for kind, item in found.items()}
    assert not any(strange.values()), strange
