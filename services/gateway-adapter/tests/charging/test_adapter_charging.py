"""From retry.due to the gateway's ledger: one try, one capture, and whatever becomes of it is said."""

from typing import Any

from recoup_events.values import AttemptState as S
from recoup_local.eventually import eventually

Bench = Any
Shop = Any


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
