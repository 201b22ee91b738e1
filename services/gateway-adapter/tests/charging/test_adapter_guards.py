"""The database's own guards: states, keys, and one attempt in flight, whatever the code does."""

from itertools import product
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from recoup_chassis.postgres import Tx
from recoup_events.values import AttemptState, TryKind
from recoup_gateway_adapter.charging import handlers, store
from recoup_gateway_adapter.charging.domain import MOVES, Attempt, sending
from recoup_gateway_adapter.work.domain import Priority

Bench = Any
Shop = Any
OpenShop = Any


async def test_the_database_allows_the_same_moves_as_the_domain(bench: Bench) -> None:
    async with bench.database.transaction(()) as tx:
        allowed = {
            (was, becomes)
            for was, becomes in product(AttemptState, AttemptState)
            if was is not becomes
            and await tx.fetchval("SELECT attempt_may_become($1, $2)", was.value, becomes.value)
        }
    assert allowed == {(was, becomes) for was, following in MOVES.items() for becomes in following}


async def _planned(tx: Tx, shop: Shop, invoice: str = "in_1") -> Attempt:
    draft = handlers.draft(
        merchant_id=shop.merchant_id,
        account_id=shop.account_id,
        customer_id="cus_1",
        invoice_id=invoice,
        attempt_id=uuid4(),
        instrument_id=None,
        kind=TryKind.SCHEDULED,
        customer_present=False,
    )
    (attempt,) = await handlers.plan(tx, [draft], Priority.NORMAL)
    return attempt


async def test_two_attempts_of_an_invoice_are_never_in_flight_together(
    bench: Bench, open_shop: OpenShop
) -> None:
    shop = await open_shop()
    async with bench.database.transaction([shop.merchant_id]) as tx:
        first, second = [await _planned(tx, shop) for _ in range(2)]
        await handlers.mark_sending(tx, [(first, sending(first, tx.real_now))])
        with pytest.raises(asyncpg.UniqueViolationError, match="attempts_one_in_flight"):
            async with tx.savepoint():
                await store.save(tx, [(second, sending(second, tx.real_now))])


@pytest.mark.parametrize(
    "change",
    [
        "state = 'succeeded'",
        "state = 'sending'",
        "idempotency_key = 'another'",
        "body = 'another'",
        "invoice_id = 'in_2'",
        "revision = -1",
        "first_sent_at = now()",
    ],
)
async def test_what_must_not_change_does_not(bench: Bench, open_shop: OpenShop, change: str) -> None:
    shop = await open_shop()
    changing = f"UPDATE attempts SET {change} WHERE attempt_id = $1"  # noqa: S608  # our own words
    async with bench.database.transaction([shop.merchant_id]) as tx:
        attempt = await _planned(tx, shop)
    with pytest.raises(asyncpg.CheckViolationError):
        await _execute(bench, shop, changing, attempt.attempt_id)


async def _execute(bench: Bench, shop: Shop, query: str, *args: Any) -> None:
    async with bench.database.transaction([shop.merchant_id]) as tx:
        await tx.execute(query, *args)


async def test_another_merchant_sees_nothing(bench: Bench, open_shop: OpenShop) -> None:
    shop, other = await open_shop(), await open_shop()
    async with bench.database.transaction([shop.merchant_id]) as tx:
        attempt = await _planned(tx, shop)
    async with bench.database.transaction([other.merchant_id]) as tx:
        assert await store.get(tx, shop.merchant_id, [attempt.attempt_id]) == []
        assert await tx.fetchval("SELECT count(*) FROM attempts") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with tx.savepoint():
                await _planned(tx, shop, "in_9")
