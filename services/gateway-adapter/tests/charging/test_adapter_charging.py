"""From retry.due to the gateway's ledger: one try, one capture, and whatever becomes of it is said."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recoup_events.values import AttemptState as S
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.charging import store
from recoup_gateway_adapter.gateways.stripe import charges
from recoup_local.eventually import eventually

Bench = Any
Shop = Any
OpenShop = Any


async def test_a_try_is_charged_once_and_the_payment_is_told_as_ours(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("ok")
    asked = await shop.try_now(customer, card, invoice)
    async with bench.executing():
        await eventually(lambda: _settled(shop, invoice))
    assert await shop.states(invoice) == [(S.SUCCEEDED, "captured")]
    (capture,) = await shop.captures()
    attempt = await shop.attempt(invoice)
    assert (capture["idempotency_key"], capture["charge"]) == (attempt.idempotency_key, attempt.charge_id)
    (told,) = await shop.said("payment.succeeded")
    assert (told["charge_id"], told["attributed_to"]) == (attempt.charge_id, "recoup")
    assert told["try_id"] == str(asked.try_id)
    assert not await shop.said("attempt.updated", "payment.failed")
    assert not await shop.work()
    assert not await shop.locked(invoice)


async def test_a_decline_is_told_with_its_code_and_frees_the_invoice(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("insufficient_funds")
    asked = await shop.try_now(customer, card, invoice)
    await bench.step(shop)
    assert await shop.states(invoice) == [(S.DECLINED, "insufficient_funds")]
    (told,) = await shop.said("payment.failed")
    assert told["decline"]["code"] == "insufficient_funds"
    assert (told["try_id"], told["attributed_to"]) == (str(asked.try_id), "recoup")
    assert not await shop.locked(invoice)
    await shop.try_now(customer, card, invoice)
    assert [attempt.number for attempt in await shop.attempts(invoice)] == [1, 2]


async def _settled(shop: Shop, invoice: str) -> bool:
    return all(attempt.settled for attempt in await shop.attempts(invoice))


async def test_a_try_asked_for_again_is_never_charged_anew_but_answered(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("ok")
    asked = await shop.try_now(customer, card, invoice)
    again = [asked.model_copy(update={"revision": n}) for n in (2, 3)]
    await shop.receive(again[0])
    await bench.step(shop)
    await shop.receive(again[1])
    await shop.receive(again[1])
    await bench.step(shop)
    assert len(await shop.captures()) == 1
    assert len(await shop.attempts(invoice)) == 1
    told = await shop.said("attempt.updated")
    assert [one["state"] for one in told] == ["planned", "succeeded", "succeeded"]
    assert {one["try_id"] for one in told} == {str(asked.try_id)}
    assert len({(one["attempt_id"], one["revision"]) for one in told}) == 3, (
        "each answer is a fact of its own"
    )


async def test_the_same_try_twice_in_one_batch_is_one_attempt(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("ok")
    asked = shop.retry(customer, card, invoice)
    other = shop.retry(customer, card, invoice)
    await shop.receive(asked, asked.model_copy(update={"revision": 2}), other)
    assert [attempt.number for attempt in await shop.attempts(invoice)] == [1, 2]
    await bench.step(shop)
    await bench.step(shop)
    assert sorted(await shop.states(invoice)) == [(S.NOT_SENT, "invoice_paid"), (S.SUCCEEDED, "captured")]
    assert len(await shop.captures()) == 1


async def test_a_try_whose_time_has_passed_is_not_sent_and_said_so(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("ok")
    late = datetime.now(tz=UTC) - timedelta(seconds=1)
    asked = await shop.try_now(customer, card, invoice, not_after=late)
    await bench.step(shop)
    (told,) = await shop.said("attempt.updated")
    assert (told["state"], told["reason"], told["try_id"]) == ("not_sent", "too_late", str(asked.try_id))
    assert not await shop.captures()


@pytest.mark.parametrize(
    ("path", "form", "reason"),
    [
        ("/invoices/{invoice}/pay", {"paid_out_of_band": "true"}, "invoice_paid"),
        ("/invoices/{invoice}/void", {}, "invoice_void"),
        ("/invoices/{invoice}/mark_uncollectible", {}, "invoice_uncollectible"),
        ("/payment_methods/{card}/detach", {}, "instrument_removed"),
    ],
)
async def test_what_is_not_owed_or_not_there_any_more_is_not_charged(  # parameters
    bench: Bench, shop: Shop, path: str, form: dict[str, str], reason: str
) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.try_now(customer, card, invoice)
    await shop.api("POST", path.format(invoice=invoice, card=card), form)
    await bench.step(shop)
    assert await shop.states(invoice) == [(S.NOT_SENT, reason)]
    (told,) = await shop.said("attempt.updated")
    assert (told["state"], told["reason"]) == ("not_sent", reason)
    assert not await shop.captures()
    if reason.startswith("invoice_"):
        assert (await shop.said("invoice.updated"))[-1]["status"] == reason.removeprefix("invoice_")


async def test_an_instrument_or_invoice_that_never_was_is_not_charged(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.try_now(customer, "pm_none", invoice)
    await shop.try_now(customer, card, "in_none")
    await bench.step(shop)
    assert await shop.states(invoice) == [(S.NOT_SENT, "instrument_removed")]
    assert await shop.states("in_none") == [(S.NOT_SENT, "invoice_missing")]
    assert not await shop.captures()


async def test_under_gateway_default_nothing_is_charged_on_schedule(bench: Bench, shop: Shop) -> None:
    await shop.setting("recovery", {"precedence": "gateway_default"})
    customer, card, invoice = await shop.owing("ok")
    await shop.try_now(customer, card, invoice)
    await bench.step(shop)
    assert await shop.states(invoice) == [(S.NOT_SENT, "gateway_default")]


async def _collected_by_the_gateway(open_shop: OpenShop) -> tuple[Shop, dict[str, Any]]:
    shop = await open_shop(dunning={"enabled": True})
    (renewal,) = (
        await shop.control(
            "POST",
            "/renewals",
            {"account": shop.account_id, "count": 1, "mix": {"insufficient_funds_until_payday": 1}},
        )
    )["renewals"]
    before = await shop.api("GET", f"/invoices/{renewal['invoice']}")
    assert before["auto_advance"]
    assert before["next_payment_attempt"]
    return shop, renewal


async def test_the_gateways_own_collection_is_off_before_our_first_charge(
    bench: Bench, open_shop: OpenShop
) -> None:
    shop, renewal = await _collected_by_the_gateway(open_shop)
    card = await shop.card(renewal["customer"], "ok")
    await shop.try_now(renewal["customer"], card, renewal["invoice"])
    await bench.step(shop)
    after = await shop.api("GET", f"/invoices/{renewal['invoice']}")
    assert (after["status"], after["auto_advance"], after["next_payment_attempt"]) == ("paid", False, None)
    (capture,) = await shop.captures()
    assert capture["initiator"] == "merchant"


async def test_nothing_is_charged_while_the_gateway_says_that_it_collects_by_itself(
    bench: Bench, open_shop: OpenShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, renewal = await _collected_by_the_gateway(open_shop)
    monkeypatch.setattr(charges, "turn_collection_off", charges.read_invoice)  # it answers, and leaves it on
    card = await shop.card(renewal["customer"], "ok")
    await shop.try_now(renewal["customer"], card, renewal["invoice"])
    await bench.step(shop)
    assert await shop.captures() == []


@pytest.mark.parametrize(
    ("setting", "lifted"),
    [({"everything": True}, {}), ({"accounts": ["{account}"]}, {"accounts": ["acct_other"]})],
)
async def test_the_stop_switch_holds_every_charge_until_it_is_lifted(
    bench: Bench, shop: Shop, setting: dict[str, Any], lifted: dict[str, Any]
) -> None:
    if "accounts" in setting:
        setting = {"accounts": [shop.account_id]}
    await shop.setting("stop", setting)
    customer, card, invoice = await shop.owing("ok")
    await shop.try_now(customer, card, invoice)
    await bench.step(shop)
    assert await shop.states(invoice) == [(S.PLANNED, "planned")]
    await shop.setting("stop", lifted)
    await bench.step(shop)
    assert len(await shop.captures()) == 1


async def test_the_operator_stops_everybody(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.try_now(customer, card, invoice)
    for stopped, captures in ((True, 0), (False, 1)):
        async with bench.database.transaction(()) as tx:
            await store.stop_everything(tx, stopped=stopped)
        await bench.step(shop)
        assert len(await shop.captures()) == captures


async def test_while_something_of_the_customers_is_in_quarantine_nothing_is_charged(
    bench: Bench, shop: Shop
) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.try_now(customer, card, invoice)
    async with bench.database.transaction([shop.merchant_id]) as tx:
        await tx.execute(
            "INSERT INTO quarantine (topic, partition, record_offset, header_names, header_values, reason, detail,"
            " merchant_id, customer_id) VALUES ('payment.failed', 0, 1, '{}', '{}', 'schema', '', $1, $2)",
            shop.merchant_id,
            customer,
        )
    await bench.step(shop)
    assert await shop.states(invoice) == [(S.PLANNED, "planned")]
    async with bench.database.transaction([shop.merchant_id]) as tx:
        await tx.execute("UPDATE quarantine SET released_at = now()")
    await bench.step(shop)
    assert len(await shop.captures()) == 1


async def test_a_disabled_account_is_not_asked(bench: Bench, shop: Shop) -> None:
    customer, card, invoice = await shop.owing("ok")
    await shop.try_now(customer, card, invoice)
    async with bench.database.transaction([shop.merchant_id]) as tx:
        await accounts.disable(tx, shop.merchant_id, shop.account_id)
    await bench.step(shop)
    assert await shop.states(invoice) == [(S.NOT_SENT, "account_missing")]


async def test_off_session_an_authentication_is_a_decline_that_asks_for_the_customer(
    bench: Bench, shop: Shop
) -> None:
    customer, card, invoice = await shop.owing("authenticate")
    await shop.try_now(customer, card, invoice)
    await bench.step(shop)
    assert (await shop.attempt(invoice)).state is S.DECLINED
    (told,) = await shop.said("payment.failed")
    assert told["decline"]["requires_authentication"]
