"""Final actions: done and confirmed, or overtaken by what happened meanwhile; once, whatever crashes."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from recoup_events.models import FinalActionDue
from recoup_events.values import FinalAction, fact_id
from recoup_gateway_adapter.final_actions import handlers

HOUR = timedelta(hours=1)
Bench = Any
Shop = Any
OpenShop = Any


async def past_due(shop: Shop) -> dict[str, Any]:
    """A subscription whose renewal failed."""
    body = {"account": shop.account_id, "count": 1, "mix": {"insufficient_funds_until_payday": 1}}
    (renewal,) = (await shop.control("POST", "/renewals", body))["renewals"]
    return dict(renewal)


def due(
    shop: Shop, renewal: dict[str, Any], action: FinalAction, revision: int = 1, **more: Any
) -> FinalActionDue:
    case = fact_id(shop.account_id, "case", renewal["invoice"])
    fields: dict[str, Any] = {"subscription_id": renewal["subscription"], **more}
    return FinalActionDue(
        id=uuid4(),
        time=datetime.now(tz=UTC),
        merchant_id=shop.merchant_id,
        account_id=shop.account_id,
        customer_id=renewal["customer"],
        case_id=case,
        revision=revision,
        invoice_id=renewal["invoice"],
        action=action,
        **fields,
    )


async def receive(shop: Shop, *events: FinalActionDue) -> None:
    async with shop.database.transaction([shop.merchant_id]) as tx:
        await tx.lock_customers((event.merchant_id, event.customer_id) for event in events)
        await handlers.final_action_due(events, tx)


async def outcomes(shop: Shop) -> list[tuple[str, str | None]]:
    return [(one["outcome"], one["detail"]) for one in await shop.said("final_action.done")]


async def _subscription(shop: Shop, renewal: dict[str, Any]) -> dict[str, Any]:
    return dict(await shop.api("GET", f"/subscriptions/{renewal['subscription']}"))


async def _invoice(shop: Shop, renewal: dict[str, Any]) -> dict[str, Any]:
    return dict(await shop.api("GET", f"/invoices/{renewal['invoice']}"))


async def test_a_cancelled_subscription_leaves_its_invoice_open_and_uncollected(
    bench: Bench, shop: Shop
) -> None:
    renewal = await past_due(shop)
    await receive(shop, due(shop, renewal, FinalAction.CANCEL))
    await bench.step(shop)
    assert await outcomes(shop) == [("done", None)]
    assert (await _subscription(shop, renewal))["status"] == "canceled"
    invoice = await _invoice(shop, renewal)
    assert (invoice["status"], invoice["auto_advance"], invoice["next_payment_attempt"]) == (
        "open",
        False,
        None,
    )
    assert not await shop.work()
    assert not await shop.locked(renewal["invoice"])
    assert (await shop.said("subscription.updated"))[-1]["status"] == "canceled"


async def test_what_a_clock_ahead_of_ours_asked_for_waits_until_it_is_time(bench: Bench, shop: Shop) -> None:
    renewal = await past_due(shop)
    asked = due(shop, renewal, FinalAction.CANCEL, not_before=datetime.now(tz=UTC) + 25 * HOUR)
    await receive(shop, asked)
    assert await shop.work(), "it waits"
    assert str(asked.case_id) not in {work.subject for work in await bench.claim()}
    await bench.step(shop)
    assert await outcomes(shop) == [("done", None)]


async def test_marked_unpaid_later_invoices_stay_drafts(bench: Bench, shop: Shop) -> None:
    renewal = await past_due(shop)
    await receive(shop, due(shop, renewal, FinalAction.MARK_UNPAID))
    await bench.step(shop)
    assert await outcomes(shop) == [("done", None)]
    paused = (await _subscription(shop, renewal))["pause_collection"]
    assert paused["behavior"] == "keep_as_draft"
    assert (await _invoice(shop, renewal))["auto_advance"] is False


async def test_nothing_changes_nothing(bench: Bench, shop: Shop) -> None:
    renewal = await past_due(shop)
    before = await _subscription(shop, renewal)
    await receive(shop, due(shop, renewal, FinalAction.NOTHING))
    await bench.step(shop)
    assert await outcomes(shop) == [("done", None)]
    assert (await _subscription(shop, renewal))["status"] == before["status"]


async def test_a_payment_overtakes_it(bench: Bench, shop: Shop) -> None:
    renewal = await past_due(shop)
    card = await shop.card(renewal["customer"], "ok")
    await receive(shop, due(shop, renewal, FinalAction.CANCEL))
    await shop.api("POST", f"/invoices/{renewal['invoice']}/pay", {"payment_method": card})
    await bench.step(shop)
    assert await outcomes(shop) == [("overtaken", "invoice_paid")]
    assert (await _subscription(shop, renewal))["status"] == "active"


async def test_a_cancellation_elsewhere_overtakes_it(bench: Bench, shop: Shop) -> None:
    renewal = await past_due(shop)
    await shop.api("DELETE", f"/subscriptions/{renewal['subscription']}")
    await receive(shop, due(shop, renewal, FinalAction.MARK_UNPAID))
    await bench.step(shop)
    assert await outcomes(shop) == [("overtaken", "subscription_over")]


async def test_asked_again_it_is_done_once_and_answered_again(bench: Bench, shop: Shop) -> None:
    renewal = await past_due(shop)
    await receive(shop, due(shop, renewal, FinalAction.CANCEL), due(shop, renewal, FinalAction.CANCEL, 2))
    await bench.step(shop)
    await receive(shop, due(shop, renewal, FinalAction.CANCEL, 3))
    assert await outcomes(shop) == [("done", None)] * 2
    assert [one["revision"] for one in await shop.said("final_action.done")] == [2, 3]
    assert not await shop.work()


@pytest.mark.parametrize("kind", ["lose_before", "lose_after"])
async def test_a_lost_answer_is_no_reason_to_do_it_twice_or_not(bench: Bench, shop: Shop, kind: str) -> None:
    """Two are lost, for aiohttp itself repeats a DELETE once when a kept connection breaks."""
    renewal = await past_due(shop)
    await shop.faults({"kind": kind, "match": "DELETE /v1/subscriptions", "count": 2})
    await receive(shop, due(shop, renewal, FinalAction.CANCEL))
    await bench.step(shop)
    assert not await outcomes(shop)
    assert await shop.locked(renewal["invoice"]), "nothing is charged meanwhile"
    await bench.step(shop)
    assert await outcomes(shop) == [("done", None)]
    assert (await _subscription(shop, renewal))["status"] == "canceled"


async def test_a_gateway_that_never_answers_leaves_it_unknown(bench: Bench, shop: Shop) -> None:
    renewal = await past_due(shop)
    await shop.faults({"kind": "error", "match": "/v1/subscriptions", "status": 500})
    await receive(shop, due(shop, renewal, FinalAction.CANCEL))
    for _ in range(11):
        await bench.step(shop)
    assert await outcomes(shop) == [("unknown", "no_answer")]
    assert not await shop.work()


async def test_it_waits_for_a_charge_in_flight_and_a_charge_waits_for_it(bench: Bench, shop: Shop) -> None:
    renewal = await past_due(shop)
    card = await shop.card(renewal["customer"], "ok")
    await shop.faults({"kind": "lose_before", "match": "/pay$", "count": 1})
    await shop.try_now(renewal["customer"], card, renewal["invoice"])
    await bench.step(shop)
    await receive(shop, due(shop, renewal, FinalAction.CANCEL))
    (action,) = [work for work in await bench.claim() if work.kind == "final_action"]
    await bench.runners[action.kind](action)
    assert not await outcomes(shop), "its outcome is not known, so it is waited for"
    await bench.step(shop)
    await bench.step(shop)
    assert await outcomes(shop) == [("overtaken", "invoice_paid")]
    assert len(await shop.captures()) == 1


async def test_the_stop_switch_holds_it_and_gateway_default_refuses_it(bench: Bench, shop: Shop) -> None:
    renewal = await past_due(shop)
    await shop.setting("stop", {"everything": True})
    await receive(shop, due(shop, renewal, FinalAction.CANCEL))
    await bench.step(shop)
    assert not await outcomes(shop)
    assert (await _subscription(shop, renewal))["status"] != "canceled"
    await shop.setting("stop", {})
    await shop.setting("recovery", {"precedence": "gateway_default"})
    await bench.step(shop)
    assert await outcomes(shop) == [("refused", "gateway_default")]


async def test_a_failed_renewal_is_taken_over_from_the_gateways_own_retries(
    bench: Bench, open_shop: OpenShop
) -> None:
    shop = await open_shop("2020-08-27", dunning={"enabled": True})
    renewal = await past_due(shop)
    found = await _invoice(shop, renewal)
    assert found["auto_advance"]
    await shop.observe(found, *(await shop.api("GET", f"/charges?customer={renewal['customer']}"))["data"])
    assert [work["kind"] for work in await shop.work()] == ["collection"]
    await bench.step(shop)
    after = await _invoice(shop, renewal)
    assert (after["auto_advance"], after["next_payment_attempt"]) == (False, None)
    assert not await shop.work()
    assert (await shop.said("invoice.updated"))[-1]["collected_by_gateway"] is False
