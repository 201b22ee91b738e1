"""Renewals by the hundred fail for many reasons, the same ones for the same seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from practice_gateway.control.reasons import REASONS

if TYPE_CHECKING:
    from deploy.practice_gateway.tests.conftest import Eventually, OpenShop, Shop


async def _make(shop: Shop, **body: Any) -> dict[str, Any]:
    return await shop.control("POST", "/renewals", {"account": shop.id, **body})


async def test_the_default_mix_fails_for_every_reason(shop: Shop) -> None:
    made = await _make(shop, count=400, seed=1)

    expected = {name for name, (_, weight) in REASONS.items() if weight}
    assert set(made["by_reason"]) == expected
    assert made["by_status"] == {"open": 400}
    renewals = made["renewals"]
    assert {item["locale"] for item in renewals} == {"en", "it"}
    assert {item["currency"] for item in renewals} == {"eur", "usd", "gbp"}
    customer = await shop.client().v1.customers.retrieve_async(renewals[0]["customer"])
    assert str(customer.email).endswith("@example.org")
    assert customer.delinquent is True


async def test_the_same_seed_makes_the_same_renewals(open_shop: OpenShop) -> None:
    told = []
    for _ in range(2):
        made = await _make(await open_shop(), count=50, seed=42)
        told.append([(item["reason"], item["amount"], item["locale"]) for item in made["renewals"]])

    assert told[0] == told[1]


async def test_the_next_renewal_is_as_many_months_away_as_asked_for(shop: Shop) -> None:
    (renewal,) = (await _make(shop, count=1, months=36))["renewals"]

    invoice = await shop.client().v1.invoices.retrieve_async(renewal["invoice"])
    period = invoice.lines.data[0].period
    assert 35 * 30 < (period.end - period.start) / 86_400 < 37 * 31


async def test_obligations_agree_with_the_ledger(shop: Shop) -> None:
    await _make(shop, count=40, seed=2, mix={"good": 1, "lost_card": 1})

    owed = (await shop.control("GET", f"/obligations?account={shop.id}"))["obligations"]
    summary = await shop.control("GET", f"/ledger/summary?account={shop.id}")

    paid = {item["invoice"]: item["amount_due"] for item in owed if item["status"] == "paid"}
    assert paid == {name: entry["captured"] for name, entry in summary["invoices"].items()}
    assert summary["captured_twice"] == []
    still_open = [item for item in owed if item["status"] == "open"]
    assert len(paid) + len(still_open) == 40
    assert all(item["amount_remaining"] == item["amount_due"] for item in still_open)


async def test_a_renewal_tells_only_what_happens_at_a_renewal(shop: Shop, eventually: Eventually) -> None:
    await _make(shop, count=1, mix={"do_not_honor_then_ok": 1})

    await eventually(lambda: "invoice.payment_failed" in shop.receiver.types())
    assert not {"customer.created", "payment_method.attached"} & set(shop.receiver.types())


async def test_a_customer_can_be_healed_by_a_new_card(shop: Shop) -> None:
    made = await _make(shop, count=1, mix={"expired_card": 1})
    (renewal,) = made["renewals"]
    client = shop.client()

    card = await client.v1.payment_methods.attach_async("pm_card_visa", {"customer": renewal["customer"]})
    paid = await client.v1.invoices.pay_async(renewal["invoice"], {"payment_method": card.id})

    assert paid.status == "paid"
    assert paid.amount_paid == renewal["amount"]


@pytest.mark.parametrize(
    "body",
    [
        {"count": 0},
        {"count": "many"},
        {"mix": {"sunshine": 1}},
        {"mix": {"good": 0}},
        {"mix": []},
        {"italian": 2},
        {"size": 3},
    ],
)
async def test_a_bad_order_is_refused_with_its_reason(shop: Shop, body: dict[str, Any]) -> None:
    status, answer = await shop.try_control("POST", "/renewals", {"account": shop.id, **body})

    assert status == 422
    assert answer["error"]


async def test_an_unknown_account_is_a_404(shop: Shop) -> None:
    status, _ = await shop.try_control("POST", "/renewals", {"account": "acct_none"})

    assert status == 404
