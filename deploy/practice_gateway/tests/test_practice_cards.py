"""Test cards are saved, refused, authenticated and updated as Stripe documents them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from practice_gateway.cards.catalogue import BY_NAME, BY_NUMBER, passes_luhn

if TYPE_CHECKING:
    from deploy.practice_gateway.tests.conftest import Eventually, Shop

DECLINED = {
    # number: (error code, decline code)
    "4000000000000002": ("card_declined", "generic_decline"),
    "4000000000009995": ("card_declined", "insufficient_funds"),
    "4000000000009987": ("card_declined", "lost_card"),
    "4000000000009979": ("card_declined", "stolen_card"),
    "4000000000006975": ("card_declined", "card_velocity_exceeded"),
    "4100000000000019": ("card_declined", "fraudulent"),
    "4000000000000069": ("expired_card", None),
    "4000000000000127": ("incorrect_cvc", None),
    "4000000000000119": ("processing_error", None),
}


async def _bare_customer(shop: Shop) -> str:
    return (await shop.client().v1.customers.create_async({"name": "Bare"})).id


async def _typed(shop: Shop, number: str) -> str:
    card: Any = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    made = await shop.client().v1.payment_methods.create_async({"type": "card", "card": card})
    return made.id


async def _save_and_pay(shop: Shop, name: str, **params: Any) -> tuple[int, Any]:
    """Attach a named card, make it pay an invoice, return the answer."""
    customer = await _bare_customer(shop)
    method = await shop.client().v1.payment_methods.attach_async(name, {"customer": customer})
    invoice = await shop.open_invoice(customer)
    form = {"payment_method": method.id, **params}
    status, body, _ = await shop.api("POST", f"/v1/invoices/{invoice}/pay", form)
    return status, body


@pytest.mark.parametrize("number", DECLINED)
async def test_declining_numbers_can_not_be_attached(shop: Shop, number: str) -> None:
    method = await _typed(shop, number)

    with pytest.raises(stripe.CardError) as caught:
        await shop.client().v1.payment_methods.attach_async(method, {"customer": await _bare_customer(shop)})

    body: Any = caught.value.json_body
    assert (body["error"]["code"], body["error"].get("decline_code")) == DECLINED[number]


async def test_the_0341_card_is_saved_and_then_refused(shop: Shop) -> None:
    status, body = await _save_and_pay(shop, "pm_card_chargeCustomerFail")

    assert (status, body["error"]["decline_code"]) == (402, "generic_decline")


@pytest.mark.parametrize("name", ["pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_it"])
async def test_good_cards_pay(shop: Shop, name: str) -> None:
    status, body = await _save_and_pay(shop, name)

    assert (status, body["status"]) == (200, "paid")


@pytest.mark.parametrize(
    "name",
    [
        "pm_card_authenticationRequired",
        "pm_card_authenticationRequiredOnSetup",
        "pm_card_threeDSecure2Required",
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
    ],
)
async def test_off_session_a_card_that_wants_authentication_is_declined(shop: Shop, name: str) -> None:
    status, body = await _save_and_pay(shop, name)

    assert status == 402
    assert body["error"]["code"] == "authentication_required"
    assert body["error"]["payment_intent"]["status"] == "requires_payment_method"


async def test_on_session_it_waits_for_the_customer(shop: Shop) -> None:
    status, body = await _save_and_pay(shop, "pm_card_threeDSecure2Required", off_session="false")

    assert status == 402
    assert body["error"]["code"] == "invoice_payment_intent_requires_action"


async def test_a_card_saved_elsewhere_passes_off_session(shop: Shop) -> None:
    status, _ = await _save_and_pay(shop, "pm_card_authenticationRequiredSetupForOffSession")

    assert status == 200


async def test_each_use_of_a_name_is_a_new_card_with_the_same_fingerprint(shop: Shop) -> None:
    methods = [await shop.client().v1.payment_methods.retrieve_async("pm_card_visa") for _ in range(2)]

    assert methods[0].id != methods[1].id
    assert len({str(found["card"]["fingerprint"]) for found in methods}) == 1


async def test_a_detached_card_is_nobodys_and_can_not_be_charged(shop: Shop, eventually: Eventually) -> None:
    customer = await shop.customer()
    (card,) = (await shop.client().v1.payment_methods.list_async({"customer": customer})).data
    invoice = await shop.open_invoice(customer)

    await shop.client().v1.payment_methods.detach_async(card.id)

    with pytest.raises(stripe.InvalidRequestError):
        await shop.client().v1.invoices.pay_async(invoice, {"payment_method": card.id})
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        await shop.client().v1.payment_methods.attach_async(card.id, {"customer": customer})
    await eventually(lambda: shop.receiver.of("payment_method.detached"))
    detached = shop.receiver.of("payment_method.detached")[0]["data"]
    assert detached["object"]["customer"] is None
    assert detached["previous_attributes"] == {"customer": customer}
    found: Any = await shop.client().v1.customers.retrieve_async(customer)
    assert found.invoice_settings.default_payment_method is None


async def test_updating_and_the_networks_update_are_told_apart(shop: Shop, eventually: Eventually) -> None:
    customer = await shop.customer()
    (card,) = (await shop.client().v1.payment_methods.list_async({"customer": customer})).data

    await shop.client().v1.payment_methods.update_async(card.id, {"card": {"exp_year": 2041}})
    body = {"account": shop.id, "exp_year": 2042, "last4": "1111", "fingerprint": "fresh"}
    await shop.control("POST", f"/cards/{card.id}/automatic_update", body)

    await eventually(lambda: shop.receiver.of("payment_method.automatically_updated"))
    await eventually(lambda: shop.receiver.of("payment_method.updated"))
    updated = shop.receiver.of("payment_method.automatically_updated")[0]["data"]["object"]["card"]
    assert (updated["exp_year"], updated["last4"], updated["fingerprint"]) == (2042, "1111", "fresh")


async def test_the_default_card_must_be_the_customers_own(shop: Shop) -> None:
    stranger = await shop.card(await shop.customer(), [])

    with pytest.raises(stripe.InvalidRequestError):
        await shop.client().v1.customers.update_async(
            await shop.customer(), {"invoice_settings": {"default_payment_method": stranger}}
        )


async def test_a_setup_intent_can_be_confirmed_by_the_server(shop: Shop) -> None:
    customer = await _bare_customer(shop)

    setup: Any = await shop.client().v1.setup_intents.create_async(
        {"customer": customer, "payment_method": "pm_card_visa", "confirm": True}
    )

    assert setup.status == "succeeded"
    listed = await shop.client().v1.customers.payment_methods.list_async(customer)
    assert [found.id for found in listed.data] == [setup.payment_method]


async def test_disputes_follow_a_card_and_the_control_api(shop: Shop, eventually: Eventually) -> None:
    await _save_and_pay(shop, "pm_card_createDispute")
    _, paid = await _save_and_pay(shop, "pm_card_visa")

    body = {"account": shop.id, "charge": paid["charge"], "reason": "product_not_received"}
    made = await shop.control("POST", "/disputes", body)
    closed = await shop.control(
        "POST", f"/disputes/{made['id']}/close", {"account": shop.id, "status": "lost"}
    )

    assert closed["status"] == "lost"
    await eventually(lambda: len(shop.receiver.of("charge.dispute.created")) == 2)
    listed = await shop.client().v1.disputes.list_async({"charge": paid["charge"]})
    assert [found.reason for found in listed.data] == ["product_not_received"]


@pytest.mark.parametrize(
    "script",
    [
        "nothing",
        [{"outcome": "sunshine"}],
        [{"outcome": "ok", "tries": 0}],
        [{"outcome": "ok", "session": "sometimes"}],
        [{"outcome": "ok", "until": "2026-01-01T00:00:00"}],
        [{"outcome": "ok", "unless": 1}],
    ],
)
async def test_a_bad_script_is_refused_with_its_reason(shop: Shop, script: Any) -> None:
    status, answer = await shop.try_control("POST", "/cards", {"account": shop.id, "script": script})

    assert status == 422
    assert answer["error"]


def test_every_named_card_is_in_the_catalogue_and_only_one_number_is_wrong() -> None:
    assert {card.number for card in BY_NAME.values()} <= BY_NUMBER.keys()
    assert [number for number in BY_NUMBER if not passes_luhn(number)] == ["4242424242424241"]
