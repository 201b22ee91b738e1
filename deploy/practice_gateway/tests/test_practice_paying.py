"""Invoices are paid once, declined as the card says, in both API versions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import stripe

from practice_gateway.versions import BASIL, LEGACY

if TYPE_CHECKING:
    from deploy.practice_gateway.tests.conftest import Shop


@pytest.fixture
async def customer(shop: Shop) -> str:
    return await shop.customer()


async def test_a_good_card_pays_an_invoice_and_the_ledger_says_so(shop: Shop, customer: str) -> None:
    invoice = await shop.open_invoice(customer, 1200)

    paid = await shop.client().v1.invoices.pay_async(invoice, options={"idempotency_key": "pay-1"})

    assert paid["paid"] is True
    assert paid.status == "paid"
    assert paid.amount_remaining == 0
    (line,) = await shop.ledger()
    assert line["invoice"] == invoice
    assert line["charge"] == paid["charge"]
    assert (line["amount"], line["currency"], line["kind"]) == (1200, "eur", "capture")
    assert (line["idempotency_key"], line["initiator"]) == ("pay-1", "merchant")


async def test_an_invoice_can_be_paid_only_once(shop: Shop, customer: str) -> None:
    invoice = await shop.open_invoice(customer)
    client = shop.client()

    answers = await asyncio.gather(
        *(client.v1.invoices.pay_async(invoice) for _ in range(5)), return_exceptions=True
    )

    refused = [found for found in answers if isinstance(found, stripe.InvalidRequestError)]
    assert len(refused) == 4
    assert {str(found.user_message) for found in refused} == {"Invoice is already paid"}
    assert {found.http_status for found in refused} == {400}
    assert len(await shop.ledger()) == 1


async def _refused(shop: Shop, invoice: str, **params: Any) -> Any:
    with pytest.raises(stripe.CardError) as caught:
        await shop.client().v1.invoices.pay_async(invoice, params)  # type: ignore[arg-type]  # as sent
    assert caught.value.http_status == 402
    body: Any = caught.value.json_body
    return body["error"]


async def test_a_decline_is_a_402_that_names_code_charge_and_intent(shop: Shop) -> None:
    customer = await shop.customer([{"outcome": "insufficient_funds"}])
    invoice = await shop.open_invoice(customer)

    error = await _refused(shop, invoice)

    assert (error["type"], error["code"]) == ("card_error", "card_declined")
    assert error["decline_code"] == "insufficient_funds"
    assert error["advice_code"] == "try_again_later"
    assert error["network_decline_code"] == "51"
    assert error["payment_intent"]["last_payment_error"]["charge"] == error["charge"]
    charge: Any = await shop.client().v1.charges.retrieve_async(error["charge"])
    assert charge.status == "failed"
    assert charge.invoice == invoice
    assert charge.outcome.type == "issuer_declined"
    assert charge.outcome.network_status == "declined_by_network"
    assert charge.outcome.reason == "insufficient_funds"
    assert await shop.ledger() == []


async def test_a_blocked_charge_never_reaches_the_network(shop: Shop) -> None:
    customer = await shop.customer([{"outcome": "highest_risk_level"}])
    invoice = await shop.open_invoice(customer)

    error = await _refused(shop, invoice)

    charge: Any = await shop.client().v1.charges.retrieve_async(error["charge"])
    assert (charge.outcome.type, charge.outcome.network_status) == ("blocked", "not_sent_to_network")
    assert charge.outcome.network_decline_code is None


async def test_expired_cards_have_a_code_but_no_decline_code(shop: Shop) -> None:
    customer = await shop.customer([{"outcome": "expired_card"}])

    error = await _refused(shop, await shop.open_invoice(customer))

    assert error["code"] == "expired_card"
    assert "decline_code" not in error


async def test_only_mastercard_carries_a_network_advice_code(shop: Shop) -> None:
    visa = await shop.customer([{"outcome": "lost_card"}])
    mastercard = await shop.customer([{"outcome": "lost_card"}], number="5555555555554444")

    from_visa = await _refused(shop, await shop.open_invoice(visa))
    from_mastercard = await _refused(shop, await shop.open_invoice(mastercard))

    assert "network_advice_code" not in from_visa
    assert from_mastercard["network_advice_code"] == "03"


async def test_a_pinned_card_is_charged_instead_of_the_default(shop: Shop) -> None:
    customer = await shop.customer([{"outcome": "stolen_card"}])
    good = await shop.card(customer, [], default=False)
    invoice = await shop.open_invoice(customer)

    paid = await shop.client().v1.invoices.pay_async(invoice, {"payment_method": good})

    charge = await shop.client().v1.charges.retrieve_async(paid["charge"])
    assert charge.payment_method == good


async def test_somebody_elses_card_is_refused(shop: Shop, customer: str) -> None:
    stranger = await shop.customer()
    card = await shop.card(stranger, [])
    invoice = await shop.open_invoice(customer)

    with pytest.raises(stripe.InvalidRequestError, match="does not belong"):
        await shop.client().v1.invoices.pay_async(invoice, {"payment_method": card})
    assert await shop.ledger() == []


async def test_without_a_card_there_is_nothing_to_charge(shop: Shop) -> None:
    made = await shop.client().v1.customers.create_async({"name": "No Card"})
    invoice = await shop.open_invoice(made.id)

    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source") as caught:
        await shop.client().v1.invoices.pay_async(invoice)
    assert caught.value.code == "resource_missing"


async def test_the_subscriptions_own_card_wins_over_the_customers(shop: Shop, customer: str) -> None:
    own = await shop.card(customer, [], default=False)
    subscription = await shop.subscribe(customer, default_payment_method=own)

    invoice: Any = await shop.client().v1.invoices.retrieve_async(
        subscription.latest_invoice, {"expand": ["charge"]}
    )
    assert invoice.charge.payment_method == own


async def test_the_old_version_has_subscription_and_payment_on_the_invoice(shop: Shop, customer: str) -> None:
    subscription = await shop.subscribe(customer)

    invoice: Any = await shop.client(LEGACY).v1.invoices.retrieve_async(subscription.latest_invoice)

    assert invoice["subscription"] == subscription.id
    assert invoice["payment_intent"].startswith("pi_")
    assert invoice["charge"].startswith("ch_")
    assert "parent" not in invoice
    status, _, _ = await shop.api("GET", f"/v1/invoice_payments?invoice={invoice.id}")
    assert status == 404
    assert subscription["current_period_end"]


async def test_the_new_version_has_parent_and_invoice_payments(shop: Shop, customer: str) -> None:
    subscription = await shop.subscribe(customer)
    client = shop.client(BASIL)

    invoice: Any = await client.v1.invoices.retrieve_async(subscription.latest_invoice)
    (payment,) = (await client.v1.invoice_payments.list_async({"invoice": invoice.id})).data
    same = await client.v1.invoice_payments.retrieve_async(payment.id)
    intent: Any = await client.v1.payment_intents.retrieve_async(str(payment.payment.payment_intent))
    charge: Any = await client.v1.charges.retrieve_async(intent.latest_charge)
    fresh: Any = await client.v1.subscriptions.retrieve_async(subscription.id)

    assert invoice.parent.subscription_details.subscription == subscription.id
    assert not {"subscription", "payment_intent", "charge", "paid"} & invoice.to_dict().keys()
    assert (payment.status, same.id) == ("paid", payment.id)
    assert "charges" not in intent
    assert charge.paid
    assert "invoice" not in charge
    assert "current_period_end" not in fresh
    assert fresh["items"]["data"][0]["current_period_end"]


async def test_expansion_follows_dotted_paths(shop: Shop, customer: str) -> None:
    subscription = await shop.subscribe(customer)

    old: Any = await shop.client().v1.subscriptions.retrieve_async(
        subscription.id, {"expand": ["latest_invoice.payment_intent.latest_charge", "customer"]}
    )
    new: Any = await shop.client(BASIL).v1.invoices.list_async(
        {"subscription": subscription.id, "expand": ["data.payments.data.payment.payment_intent"]}
    )

    assert old.latest_invoice.payment_intent.latest_charge.paid is True
    assert old.customer.email == "a@example.org"
    assert new.data[0].payments.data[0].payment.payment_intent.status == "succeeded"


async def test_what_a_version_does_not_have_cannot_be_expanded(shop: Shop, customer: str) -> None:
    invoice = await shop.open_invoice(customer)

    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        await shop.client(BASIL).v1.invoices.retrieve_async(invoice, {"expand": ["payment_intent"]})


async def test_a_void_invoice_can_no_longer_be_paid(shop: Shop, customer: str) -> None:
    invoice = await shop.open_invoice(customer)

    voided = await shop.client().v1.invoices.void_invoice_async(invoice)

    assert voided.status == "void"
    with pytest.raises(stripe.InvalidRequestError, match="can no longer be paid"):
        await shop.client().v1.invoices.pay_async(invoice)


async def test_an_uncollectible_invoice_can_still_be_paid(shop: Shop, customer: str) -> None:
    invoice = await shop.open_invoice(customer)

    written_off = await shop.client().v1.invoices.mark_uncollectible_async(invoice)

    assert written_off.status == "uncollectible"
    assert (await shop.client().v1.invoices.pay_async(invoice)).status == "paid"


async def test_money_goes_back_no_further_than_it_came(shop: Shop, customer: str) -> None:
    invoice = await shop.open_invoice(customer, 1000)
    paid = await shop.client().v1.invoices.pay_async(invoice)
    refunds = shop.client().v1.refunds

    await refunds.create_async({"charge": paid["charge"], "amount": 400})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        await refunds.create_async({"charge": paid["charge"], "amount": 601})
    await refunds.create_async({"payment_intent": paid["payment_intent"]})

    summary = (await shop.control("GET", f"/ledger/summary?account={shop.id}"))["invoices"][invoice]
    assert (summary["captured"], summary["refunded"], summary["captures"]) == (1000, 1000, 1)
    charge = await shop.client().v1.charges.retrieve_async(paid["charge"])
    assert charge.refunded is True


async def test_a_payment_without_an_invoice_has_none(shop: Shop, customer: str) -> None:
    card = await shop.card(customer, [{"outcome": "do_not_honor", "tries": 1}])
    client = shop.client()
    params: Any = {
        "amount": 500,
        "currency": "usd",
        "customer": customer,
        "payment_method": card,
        "confirm": True,
        "off_session": True,
    }

    with pytest.raises(stripe.CardError) as caught:
        await client.v1.payment_intents.create_async(params)
    body: Any = caught.value.json_body
    intent = body["error"]["payment_intent"]
    again = await client.v1.payment_intents.confirm_async(intent["id"], {"payment_method": card})

    assert intent["invoice"] is None
    assert again.status == "succeeded"
    (line,) = await shop.ledger()
    assert line["invoice"] is None
