"""Customers enter a card, settle an invoice and pass or refuse 3-D Secure on pages; a GET changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from deploy.practice_gateway.tests.conftest import Eventually, OpenShop, Shop

CARD = {"number": "4242 4242 4242 4242", "expiry": "12 / 40", "cvc": "123", "name": "Anna"}


async def _session(shop: Shop, customer: str | None = None, **more: Any) -> Any:
    params: Any = {
        "mode": "setup",
        "success_url": "https://shop.example/done?session={CHECKOUT_SESSION_ID}&x=1",
        "cancel_url": "https://shop.example/back",
        "payment_method_types": ["card"],
        "customer": customer or await shop.customer(),
        **more,
    }
    return await shop.client().v1.checkout.sessions.create_async(params)


async def _post(shop: Shop, url: str, form: dict[str, str]) -> tuple[int, str, str]:
    """Send a form as a browser does: (status, where to, text)."""
    target = url if url.startswith("http") else shop.address + url
    async with shop.http.post(target, data=form, allow_redirects=False) as response:
        return response.status, response.headers.get("Location", ""), await response.text()


async def _get(shop: Shop, url: str) -> tuple[int, str]:
    target = url if url.startswith("http") else shop.address + url
    async with shop.http.get(target) as response:
        return response.status, await response.text()


async def test_a_typed_card_is_saved_and_the_customer_sent_back(shop: Shop, eventually: Eventually) -> None:
    session = await _session(shop, metadata={"case": "c1"})
    assert (await _get(shop, session.url))[0] == 200

    status, where, _ = await _post(shop, session.url, CARD)

    assert (status, where) == (303, f"https://shop.example/done?session={session.id}&x=1")
    done: Any = await shop.client().v1.checkout.sessions.retrieve_async(
        session.id, {"expand": ["setup_intent.payment_method"]}
    )
    assert (done.status, done.url) == ("complete", None)
    method = done.setup_intent.payment_method
    assert (method.card.last4, method.customer) == ("4242", session.customer)
    await eventually(lambda: shop.receiver.of("checkout.session.completed"))
    event = shop.receiver.of("checkout.session.completed")[0]
    assert event["data"]["object"]["metadata"] == {"case": "c1"}
    assert event["data"]["object"]["setup_intent"] == done.setup_intent.id
    types = set(shop.receiver.types())
    assert {"setup_intent.succeeded", "payment_method.attached"} <= types


async def test_a_session_is_used_once(shop: Shop) -> None:
    session = await _session(shop)
    await _post(shop, session.url, CARD)

    assert (await _post(shop, session.url, CARD))[0] == 404
    assert (await _get(shop, session.url))[0] == 404


async def test_an_expired_session_takes_no_card(shop: Shop) -> None:
    session = await _session(shop)

    expired = await shop.client().v1.checkout.sessions.expire_async(session.id)

    assert expired.status == "expired"
    assert (await _post(shop, session.url, CARD))[0] == 404


async def test_it_expires_by_the_real_clock(shop: Shop) -> None:
    session = await _session(shop)
    await shop.advance(2 * 86_400)
    assert (await _get(shop, session.url))[0] == 200

    shop.gateway.sessions[session.id][1].expires_real = 0.0

    assert (await _get(shop, session.url))[0] == 404


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"number": "4242 4242 4242 4243"}, "card number is invalid"),
        ({"number": "4012 8888 8888 1881"}, "test cards only"),
        ({"number": "4000 0000 0000 9995"}, "insufficient funds"),
        ({"expiry": "12/20"}, "in the past"),
        ({"expiry": "13/40"}, "incomplete"),
        ({"cvc": "1"}, "security code is incomplete"),
    ],
)
async def test_a_mistake_is_said_and_the_form_comes_again(
    shop: Shop, change: dict[str, str], words: str
) -> None:
    session = await _session(shop)

    status, _, text = await _post(shop, session.url, {**CARD, **change, "name": "<b>Anna</b>"})

    assert status == 402
    assert words in text
    assert "<b>Anna" not in text
    assert (await _post(shop, session.url, CARD))[0] == 303


async def test_a_3ds_card_is_saved_after_the_bank_said_yes(shop: Shop) -> None:
    session = await _session(shop)
    form = {**CARD, "number": "4000002500003155"}

    status, bank, _ = await _post(shop, session.url, form)
    assert (status, bank.startswith("/3ds/seti_")) == (303, True)
    assert (await _get(shop, bank))[0] == 200
    assert (await _post(shop, bank, {"answer": "fail"}))[0] == 402
    _, bank, _ = await _post(shop, session.url, form)
    status, where, _ = await _post(shop, bank, {"answer": "pass"})

    assert (status, where.startswith("https://shop.example/done")) == (303, True)
    (latest, _) = (await shop.client().v1.payment_methods.list_async({"customer": session.customer})).data
    invoice = await shop.open_invoice(session.customer)
    paid = await shop.client().v1.invoices.pay_async(invoice, {"payment_method": latest.id})
    assert paid.status == "paid"


async def _challenged(shop: Shop) -> tuple[Any, str]:
    """Return an invoice that waits for its customer, and its bank's page."""
    invoice = await shop.open_invoice(await shop.customer([{"outcome": "authenticate"}]))
    status, _, _ = await shop.api("POST", f"/v1/invoices/{invoice}/pay", {"off_session": "false"})
    assert status == 402
    found: Any = await shop.client().v1.invoices.retrieve_async(invoice, {"expand": ["payment_intent"]})
    assert found.payment_intent.status == "requires_action"
    url: str = found.payment_intent.next_action.use_stripe_sdk.stripe_js
    return found, url


async def test_3ds_passed_on_the_invoices_page_pays_it(shop: Shop, eventually: Eventually) -> None:
    invoice, bank = await _challenged(shop)
    _, page = await _get(shop, invoice.hosted_invoice_url)
    assert bank.removeprefix(shop.address) in page
    assert await shop.ledger() == []

    status, where, _ = await _post(shop, bank, {"answer": "pass"})

    assert (status, shop.address + where) == (303, invoice.hosted_invoice_url)
    assert "Paid. Thank you." in (await _get(shop, where))[1]
    (line,) = await shop.ledger()
    assert (line["initiator"], line["invoice"]) == ("customer", invoice.id)
    await eventually(lambda: shop.receiver.of("charge.succeeded"))
    charge = shop.receiver.of("charge.succeeded")[0]
    card = charge["data"]["object"]["payment_method_details"]["card"]
    assert card["three_d_secure"]["result"] == "authenticated"
    assert charge["request"]["id"]


async def test_3ds_refused_leaves_it_open_with_the_reason(shop: Shop) -> None:
    invoice, bank = await _challenged(shop)

    status, _, text = await _post(shop, bank, {"answer": "fail"})

    assert (status, "unable to authenticate" in text) == (402, True)
    found: Any = await shop.client().v1.invoices.retrieve_async(invoice.id, {"expand": ["payment_intent"]})
    assert found.status == "open"
    error = found.payment_intent.last_payment_error
    assert error.code == "payment_intent_authentication_failure"
    assert (await _get(shop, bank))[0] == 404
    assert await shop.ledger() == []


async def test_another_card_overtakes_the_one_that_waits(shop: Shop) -> None:
    invoice, bank = await _challenged(shop)
    card = await shop.card(invoice.customer, [])

    await shop.client().v1.invoices.pay_async(invoice.id, {"payment_method": card})

    assert (await _post(shop, bank, {"answer": "pass"}))[0] == 404
    assert len(await shop.ledger()) == 1


async def test_the_customer_can_pay_an_open_invoice_with_the_stored_card(shop: Shop) -> None:
    invoice = await shop.open_invoice(await shop.customer())
    found: Any = await shop.client().v1.invoices.retrieve_async(invoice)

    status, where, _ = await _post(shop, found.hosted_invoice_url, {})

    assert status == 303
    assert "Paid" in (await _get(shop, where))[1]
    assert (await _post(shop, found.hosted_invoice_url, {}))[0] == 303
    assert len(await shop.ledger()) == 1


async def test_what_a_merchant_wrote_can_not_break_the_page(open_shop: OpenShop) -> None:
    shop = await open_shop(name="<script>alert(1)</script>")
    session = await _session(shop, cancel_url="javascript:alert(1)")

    _, text = await _get(shop, session.url)

    assert "<script>" not in text
    assert "javascript:" not in text


@pytest.mark.parametrize("path", ["/c/pay/cs_test_none", "/i/none", "/3ds/pi_none"])
async def test_an_unknown_address_says_so(shop: Shop, path: str) -> None:
    assert (await _get(shop, path))[0] == 404
    assert (await _post(shop, path, CARD))[0] == 404
