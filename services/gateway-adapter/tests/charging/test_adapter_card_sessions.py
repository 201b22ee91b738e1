"""A customer enters a new card and is charged at once, or pays with a stored one; 3-D Secure passed and refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from recoup_events.values import AttemptState as S, Precedence
from recoup_local.eventually import eventually

Bench = Any
Shop = Any

GOOD, DECLINES_LATER, AUTHENTICATES = "4242424242424242", "4000000000000341", "4000002760003184"


async def open_session(shop: Shop, customer: str, *invoices: str) -> dict[str, Any]:
    status, opened = await shop.ask(
        "POST",
        "/card-sessions",
        {
            "account_id": shop.account_id,
            "customer_id": customer,
            "invoice_ids": list(invoices),
            "return_url": "https://portal.example/pay/token/return",
            "cancel_url": "https://portal.example/pay/token",
        },
    )
    assert status == 200, opened
    return dict(opened)


async def enter_card(shop: Shop, url: str, number: str) -> str:
    """Type a card on the gateway's page, and pass the bank's question if there is one; give where it leads."""
    form = {"number": number, "expiry": "12 / 38", "cvc": "123", "name": "Anna"}
    async with shop.http.post(url, data=form, allow_redirects=False) as response:
        assert response.status in (302, 303), await response.text()
        where = response.headers["Location"]
    if where.startswith("/3ds/"):
        return await authenticate(shop, where, "pass")
    return str(where)


async def authenticate(shop: Shop, path: str, answer: str) -> str:
    async with shop.http.post(
        shop.address + path, data={"answer": answer}, allow_redirects=False
    ) as response:
        assert response.status in (302, 303, 402), await response.text()
        return str(response.headers.get("Location", ""))


async def complete(shop: Shop, session: dict[str, Any]) -> dict[str, Any]:
    path = f"/card-sessions/{session['card_session_id']}"
    status, standing = await shop.ask("POST", f"{path}/complete")
    assert status == 200, standing
    return await looked_at_again(shop, path, standing, lambda found: found["settlements"])


async def looked_at_again(
    shop: Shop, path: str, told: dict[str, Any], within: Callable[[dict[str, Any]], list[dict[str, Any]]]
) -> dict[str, Any]:
    """Look as the page does until nothing is on its way: the adapter itself answers after a few seconds."""
    found = told

    async def at_rest() -> dict[str, Any]:
        nonlocal found
        if not any(one["state"] in ("planned", "sending") for one in within(found)):
            return found
        _, found = await shop.ask("GET", path)
        return {}

    return await eventually(at_rest, within=60)


async def test_a_new_card_settles_what_is_owed_oldest_first_and_becomes_the_default(
    bench: Bench, shop: Shop
) -> None:
    customer, _, first = await shop.owing("insufficient_funds")
    await shop.a_day_later()
    second = await shop.invoice(customer, 900)
    session = await open_session(shop, customer, second, first)
    where = await enter_card(shop, session["url"], GOOD)
    assert where.endswith(f"/return?session={session['card_session_id']}")
    async with bench.executing():
        standing = await complete(shop, session)
    assert standing["state"] == "completed"
    assert [(one["invoice_id"], one["state"]) for one in standing["settlements"]] == [
        (first, "succeeded"),
        (second, "succeeded"),
    ]
    assert [line["invoice"] for line in await shop.captures()] == [first, second]
    (told,) = await shop.said("card.updated")
    assert (told["change"], told["card_session_id"]) == ("added", session["card_session_id"])
    assert told["settling"] == [first, second]
    assert [paid["attributed_to"] for paid in await shop.said("payment.succeeded")] == ["customer"] * 2
    owner = await shop.api("GET", f"/customers/{customer}")
    assert owner["invoice_settings"]["default_payment_method"] == told["instrument"]["instrument_id"]


async def test_completing_twice_and_by_webhook_too_settles_once(bench: Bench, shop: Shop) -> None:
    customer, _, invoice = await shop.owing("insufficient_funds")
    session = await open_session(shop, customer, invoice)
    await enter_card(shop, session["url"], GOOD)
    async with bench.executing():
        for _ in range(2):
            standing = await complete(shop, session)
            assert [one["state"] for one in standing["settlements"]] == ["succeeded"]
    assert len(await shop.captures()) == 1
    assert len(await shop.said("card.updated")) == 1


async def test_a_page_that_was_left_changes_nothing(bench: Bench, shop: Shop) -> None:
    customer, _, invoice = await shop.owing("insufficient_funds")
    session = await open_session(shop, customer, invoice)
    assert await complete(shop, session) == {"state": "open", "settlements": []}
    assert not await shop.attempts(invoice)
    assert not await shop.said("card.updated")


async def test_a_session_stops_at_a_decline(bench: Bench, shop: Shop) -> None:
    customer, _, first = await shop.owing("insufficient_funds")
    second = await shop.invoice(customer, 900)
    session = await open_session(shop, customer, first, second)
    await enter_card(shop, session["url"], DECLINES_LATER)
    async with bench.executing():
        standing = await complete(shop, session)
    assert [(one["state"]) for one in standing["settlements"]] == ["declined", "not_sent"]
    assert not await shop.captures()
    (told,) = await shop.said("attempt.updated")
    assert (told["invoice_id"], told["reason"]) == (second, "stopped_at_decline")
    assert (await shop.said("payment.failed"))[-1]["attributed_to"] == "customer"


@pytest.mark.parametrize(("answer", "becomes"), [("pass", S.SUCCEEDED), ("fail", S.DECLINED)])
async def test_an_authentication_goes_to_the_page_and_its_answer_settles(
    bench: Bench, shop: Shop, answer: str, becomes: S
) -> None:
    customer, _, invoice = await shop.owing("insufficient_funds")
    session = await open_session(shop, customer, invoice)
    await enter_card(shop, session["url"], AUTHENTICATES)
    async with bench.executing():
        (settlement,) = (await complete(shop, session))["settlements"]
        assert settlement["state"] == "requires_action"
        assert settlement["authentication_url"].startswith("http")
        (told,) = await shop.said("attempt.updated")
        assert told["state"] == "requires_action"
        assert await shop.locked(invoice)
        attempt = await shop.attempt(invoice)
        await authenticate(shop, f"/3ds/{attempt.payment_intent_id}", answer)
        await shop.make_due()
        await eventually(lambda: _is(shop, invoice, becomes))
    assert len(await shop.captures()) == (1 if answer == "pass" else 0)
    assert not await shop.locked(invoice)
    assert len(await shop.said("payment.succeeded")) == (1 if answer == "pass" else 0)


async def _is(shop: Shop, invoice: str, state: S) -> bool:
    return (await shop.attempts(invoice))[-1].state is state


async def test_an_authentication_that_nobody_answers_ends_after_half_an_hour(
    bench: Bench, shop: Shop
) -> None:
    customer, card, invoice = await shop.owing("authenticate")
    await pay(shop, customer, card, invoice, bench)
    assert await shop.states(invoice) == [(S.REQUIRES_ACTION, "authentication_required")]
    await bench.step(shop)
    assert await shop.states(invoice) == [(S.REQUIRES_ACTION, "authentication_required")]
    await shop.age(invoice, timedelta(minutes=31))
    await bench.step(shop)
    assert await shop.states(invoice) == [(S.NOT_SENT, "authentication_expired")]
    assert not await shop.locked(invoice)


async def pay(shop: Shop, customer: str, card: str | None, invoice: str, bench: Bench) -> dict[str, Any]:
    body = {
        "account_id": shop.account_id,
        "customer_id": customer,
        "invoice_id": invoice,
        "instrument_id": card,
    }
    async with bench.executing():
        status, answer = await shop.ask("POST", "/payments", body)
        assert status == 200, answer
        return await looked_at_again(shop, f"/payments/{answer['attempt_id']}", answer, lambda found: [found])


async def test_pay_now_charges_a_stored_card_and_tells_a_decline_in_words_that_may_be_told(
    bench: Bench, shop: Shop
) -> None:
    customer, card, invoice = await shop.owing("lost_card", "ok")
    lost = await pay(shop, customer, card, invoice, bench)
    assert (lost["state"], lost["decline_masked"]) == ("declined", None)
    paid = await pay(shop, customer, card, invoice, bench)
    assert paid["state"] == "succeeded"
    assert (await shop.ask("GET", f"/payments/{paid['attempt_id']}"))[1] == paid
    again = await pay(shop, customer, card, invoice, bench)
    assert again["state"] == "not_sent"
    assert len(await shop.captures()) == 1


async def test_another_card_supersedes_an_authentication_that_is_waited_for(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("authenticate")
    waiting = await pay(shop, customer, card, invoice, bench)
    assert waiting["state"] == "requires_action"
    same = await pay(shop, customer, card, invoice, bench)
    assert same["attempt_id"] == waiting["attempt_id"], "a second click is the same payment"
    other = await shop.card(customer, "ok")
    paid = await pay(shop, customer, other, invoice, bench)
    assert paid["state"] == "succeeded"
    assert await shop.states(invoice) == [(S.NOT_SENT, "superseded"), (S.SUCCEEDED, "captured")]
    assert len(await shop.captures()) == 1


async def test_a_scheduled_try_waits_while_the_customer_authenticates(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("authenticate")
    await pay(shop, customer, card, invoice, bench)
    other = await shop.card(customer, "ok")
    await shop.try_now(customer, other, invoice)
    await bench.step(shop)
    states = dict(await shop.states(invoice))
    assert states == {S.REQUIRES_ACTION: "authentication_required", S.PLANNED: "planned"}
    assert not await shop.captures()


async def test_where_the_gateway_collects_the_customer_may_still_pay(bench: Bench, shop: Shop) -> None:
    await shop.setting("recovery", {"precedence": Precedence.GATEWAY_DEFAULT.value})
    customer, card, invoice = await shop.owing("ok")
    await shop.try_now(customer, card, invoice)
    assert (await pay(shop, customer, card, invoice, bench))["state"] == "succeeded"
    assert (S.NOT_SENT, "gateway_default") in await shop.states(invoice)


async def test_the_cards_on_file_are_listed_live(bench: Bench, shop: Shop) -> None:
    customer, card, _ = await shop.owing("ok")
    status, found = await shop.ask("GET", f"/customers/{customer}/instruments?account_id={shop.account_id}")
    assert status == 200
    assert [(one["instrument_id"], one["last4"]) for one in found["instruments"]] == [(card, "4242")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/card-sessions/7f1fbb44-3c55-4c0e-9d0a-6f1f6c1d7a21", 404),
        ("GET", "/payments/7f1fbb44-3c55-4c0e-9d0a-6f1f6c1d7a21", 404),
        ("GET", "/payments/none", 422),
        ("GET", "/customers/cus_1/instruments?account_id=acct_none", 404),
        ("POST", "/payments", 422),
    ],
)
async def test_what_there_is_not_is_refused_in_one_shape(
    bench: Bench, shop: Shop, method: str, path: str, status: int
) -> None:
    found, answer = await shop.ask(method, path)
    assert (found, set(answer["error"])) == (status, {"code", "message"})
