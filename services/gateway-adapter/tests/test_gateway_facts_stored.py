"""Webhooks as they are stored, translated and announced: on real Postgres."""

import itertools
from datetime import timedelta
from typing import Any

import pytest

from recoup_events.models import (
    CardUpdated,
    CustomerUpdated,
    InvoiceUpdated,
    PaymentFailed,
    SubscriptionUpdated,
)
from recoup_events.values import InvoiceStatus, fact_id
from recoup_gateway_adapter.facts.republish import republish

pytestmark = pytest.mark.postgres


async def test_one_failure_is_announced_once_in_any_order_however_often_and_in_whatever_batches(
    adapter: Any, either: Any
) -> None:
    link = either.event("invoice_payment.paid", either.link())
    seen = [*either.failure(), link]
    for order in itertools.permutations(seen):
        for event in order:
            await adapter.hear({**event, "id": f"{event['id']}_{len(order)}"})
    await adapter.hear(*seen, *seen)

    (failed,) = await adapter.facts()
    assert isinstance(failed, PaymentFailed)
    assert failed.id == fact_id(adapter.account.account_id, "payment.failed", "ch_1")
    assert int(failed.time.timestamp()) == either.charge()["created"]
    assert failed.invoice is not None
    assert (failed.invoice.owed.minor, failed.invoice.subscription_id) == (1999, "sub_1")


async def test_a_repeated_webhook_is_stored_once(adapter: Any, old: Any) -> None:
    (event, *_) = old.failure()
    await adapter.hear(event, event)
    await adapter.hear(event)

    stored = await adapter.count(
        "SELECT count(*) FROM raw_webhooks WHERE account_id = $1", adapter.account.account_id
    )
    assert stored == 1


async def test_a_snapshot_is_told_when_it_changes_and_never_turned_back(adapter: Any, old: Any) -> None:
    await adapter.hear(old.event("invoice.finalized", old.invoice(), created=10))
    await adapter.hear(old.event("invoice.updated", old.invoice(next_payment_attempt=None), created=11))
    await adapter.hear(old.event("invoice.voided", old.invoice(status="void"), created=20))
    await adapter.hear(old.event("invoice.updated", old.invoice(), created=12))

    told = [event for event in await adapter.announced() if isinstance(event, InvoiceUpdated)]
    assert [(event.version, event.status) for event in told] == [
        (1, InvoiceStatus.OPEN),
        (2, InvoiceStatus.VOID),
    ]


async def test_an_erased_customer_is_told_without_a_word_about_them(adapter: Any, old: Any) -> None:
    await adapter.hear(old.event("customer.created", old.customer(), created=10))
    await adapter.hear(old.event("customer.deleted", old.customer(), created=20))
    await adapter.hear(old.event("customer.updated", old.customer(), created=30))

    told = [event for event in await adapter.announced() if isinstance(event, CustomerUpdated)]
    assert [(event.version, event.email) for event in told] == [(1, "ada@example.org"), (2, None)]
    for query in (
        "SELECT count(*) FROM gateway_objects WHERE account_id = $1 AND record::text LIKE '%ada@%'",
        "SELECT count(*) FROM raw_webhooks WHERE account_id = $1 AND position('ada@'::bytea IN body) > 0",
    ):
        assert await adapter.count(query, adapter.account.account_id) == 0


async def test_a_broken_webhook_is_set_aside_with_its_reason_and_holds_up_nobody(
    adapter: Any, old: Any
) -> None:
    broken = old.event("charge.failed", {"id": "ch_9", "object": "charge"})
    await adapter.hear(broken, *old.failure())

    assert [type(event) for event in await adapter.facts()] == [PaymentFailed]
    async with adapter.database.transaction(()) as tx:
        rows = await tx.fetch(
            "SELECT reason, detail FROM set_aside WHERE merchant_id = $1", adapter.account.merchant_id
        )
    assert [(row["reason"], row["detail"]) for row in rows] == [
        ("schema", "charge without amount and currency")
    ]


async def test_what_never_joins_is_told_with_what_is_known_when_patience_ends(
    adapter: Any, modern: Any
) -> None:
    await adapter.hear(modern.event("invoice.payment_failed", modern.invoice()))
    assert await adapter.facts() == []
    assert ("failure", "in_1:1") in await adapter.joins()

    await adapter.join(timedelta(0))

    (failed,) = await adapter.facts()
    assert (failed.charge_id, failed.nature) == (None, "renewal")
    assert failed.id == fact_id(adapter.account.account_id, "payment.failed", "in_1:1")
    assert await adapter.joins() == []


async def test_silence_of_the_gateway_is_borne_while_there_is_patience(adapter: Any, modern: Any) -> None:
    await adapter.hear(modern.event("invoice.payment_failed", modern.invoice()))

    await adapter.join()

    assert await adapter.facts() == []
    assert ("failure", "in_1:1") in await adapter.joins()


async def test_a_new_card_is_told_with_its_own_identity(adapter: Any, modern: Any) -> None:
    await adapter.hear(modern.event("payment_method.attached", modern.card()))
    await adapter.hear(modern.event("payment_method.attached", modern.card()))

    (added,) = await adapter.facts()
    assert isinstance(added, CardUpdated)
    identity = ("cus_1", "pm_2", "added", "fp_pm_2", "2030-9")
    assert added.id == fact_id(adapter.account.account_id, "card.updated", *identity)


async def test_republish_tells_every_snapshot_again_in_its_version(adapter: Any, old: Any) -> None:
    await adapter.hear(
        old.event("customer.created", old.customer()),
        old.event("customer.subscription.updated", old.subscription()),
        old.event("invoice.finalized", old.invoice()),
    )
    before = {event.id for event in await adapter.announced()}

    assert await republish(adapter.database) >= 3

    again = (await adapter.announced())[3:]
    assert {event.id for event in again} == before
    assert {type(event) for event in again} == {CustomerUpdated, SubscriptionUpdated, InvoiceUpdated}


async def test_another_merchants_transaction_sees_none_of_it(adapter: Any, old: Any) -> None:
    await adapter.hear(*old.failure())

    async with adapter.database.transaction(["m_other"]) as tx:
        mine = adapter.account.account_id
        assert await tx.fetchval("SELECT count(*) FROM gateway_objects WHERE account_id = $1", mine) == 0
        assert await tx.fetchval("SELECT count(*) FROM accounts WHERE account_id = $1", mine) == 0
