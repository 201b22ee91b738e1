"""Mode smart on a real database: plans rest there, charges are remembered, policies reach open cases."""

from datetime import datetime, timedelta

import pytest

from recoup_chassis.postgres import Database
from recoup_events import models as m
from recoup_events.settings import MerchantSetting, RecoverySetting
from recoup_events.values import AppliesTo, CaseState, Collection, InvoiceStatus, RecoveryMode, fact_id
from recoup_retry_scheduler.cases import handlers, loop

from .scheduler_bench import ACCOUNT, T0, Merchant

pytestmark = pytest.mark.postgres
SMART = RecoveryMode.SMART


async def smart(scheduler: Database, **policy: object) -> Merchant:
    return await Merchant(scheduler).start(zone="Europe/Rome", mode=SMART, **policy)


async def planned(merchant: Merchant) -> datetime:
    told = (await merchant.said(m.RecoveryChanged))[-1].next_try_at
    assert told is not None
    return told


async def test_a_chosen_try_rests_with_its_reason_and_is_made(scheduler: Database) -> None:
    merchant = await smart(scheduler)
    await merchant.deliver(merchant.failed())
    (opened,) = await merchant.said(m.RecoveryChanged)
    assert opened.next_try_at is not None
    assert T0 + timedelta(hours=10) <= opened.next_try_at <= T0 + timedelta(days=14)
    assert opened.reason.endswith("(time of Europe/Rome).")
    assert (opened.tries_planned, opened.resolve_by) == (3, T0 + timedelta(days=14))
    await merchant.go(seconds=(opened.next_try_at - T0).total_seconds())
    (due,) = await merchant.said(m.RetryDue)
    assert (due.step, due.reason) == (
        1,
        opened.reason.replace(opened.reason.split("; ")[0] + "; try 1 of 3", "Try 1 of 3 is due"),
    )
    await merchant.deliver(merchant.failed(asked=due))
    again = (await merchant.said(m.RecoveryChanged))[-1]
    assert again.tries_planned == 2
    assert again.next_try_at is not None
    assert again.next_try_at >= merchant.now + timedelta(hours=10)


async def test_a_plan_that_rests_does_not_move_with_what_changes_nothing(scheduler: Database) -> None:
    merchant = await smart(scheduler)
    await merchant.deliver(merchant.failed())
    await merchant.go(hours=5)
    seen = m.InvoiceUpdated(
        **merchant.head(m.InvoiceUpdated, "in_1_1", "cus_1"),
        version=1,
        invoice_id="in_1",
        status=InvoiceStatus.OPEN,
        owed=merchant.paid().amount,
        collection=Collection.AUTOMATIC,
    )
    await merchant.deliver(seen)
    assert len(await merchant.said(m.RecoveryChanged)) == 1


async def test_all_charges_of_a_customer_are_remembered_whatever_they_were_for(scheduler: Database) -> None:
    merchant = await smart(scheduler)
    for number in range(60):
        merchant.now = T0 - timedelta(days=425 - 7 * number)  # on Tuesdays
        await merchant.deliver(merchant.paid(invoice=f"in_0{number}", charge=f"ch_0{number}"))
    merchant.now = T0
    await merchant.deliver(merchant.failed())
    rows = await merchant.rows(
        "SELECT at, declined FROM customer_charges WHERE account_id = $1 AND customer_id = 'cus_1' ORDER BY at",
        ACCOUNT,
    )
    assert [row["declined"] for row in rows] == [*[None] * 60, "insufficient_funds"]
    other = await smart(scheduler)
    await other.deliver(other.failed())
    (regular,), (unknown,) = await merchant.said(m.RecoveryChanged), await other.said(m.RecoveryChanged)
    assert regular.reason != unknown.reason, "sixty charges that passed say nothing"


async def test_in_mode_custom_nothing_more_is_kept_of_a_customer(merchant: Merchant) -> None:
    await merchant.deliver(merchant.failed())
    assert await merchant.rows("SELECT 1 FROM customer_charges") == []


async def test_a_policy_for_open_cases_reaches_them_all(scheduler: Database) -> None:
    merchant = await Merchant(scheduler).start()
    many = loop.CUSTOMERS_AT_ONCE + 7
    failures = [
        merchant.failed(customer=f"cus_{n}", invoice=f"in_{n}", charge=f"ch_{n}", card=f"of_{n}")
        for n in range(many)
    ]
    await merchant.deliver(*failures)
    newer = RecoverySetting(schedule_days=(2,), window_days=5, applies_to=AppliesTo.OPEN)
    await merchant.set("recovery", newer)
    while await loop.spread_policies(scheduler):
        pass
    changed = [said for said in await merchant.said(m.RecoveryChanged) if said.revision == 2]
    assert {said.next_try_at for said in changed} == {T0 + timedelta(days=2)}
    assert {said.resolve_by for said in changed} == {T0 + timedelta(days=5)}
    assert len(changed) == many
    timers = await merchant.rows(
        "SELECT kind, due_at FROM timers WHERE merchant_id = $1", merchant.merchant_id
    )
    assert [tuple(row) for row in timers] == [("step", T0 + timedelta(days=2))] * many
    assert not await loop.spread_policies(scheduler)
    steps = await merchant.rows("SELECT DISTINCT steps FROM cases")
    assert [row["steps"] for row in steps] == [1]


async def test_open_cases_go_to_mode_smart_and_back(scheduler: Database) -> None:
    merchant = await Merchant(scheduler).start()
    await merchant.deliver(merchant.failed())
    for mode, tries in ((SMART, 5), (RecoveryMode.CUSTOM, 3)):
        await merchant.set("recovery", RecoverySetting(mode=mode, max_tries=5, applies_to=AppliesTo.OPEN))
        while await loop.spread_policies(scheduler):
            pass
        assert (await merchant.said(m.RecoveryChanged))[-1].tries_planned == tries
    assert await planned(merchant) == T0 + timedelta(days=1)


async def test_a_policy_for_new_cases_leaves_open_ones_alone(merchant: Merchant) -> None:
    await merchant.deliver(merchant.failed())
    await merchant.set("recovery", RecoverySetting(schedule_days=(2,)))
    await loop.spread_policies(merchant.database)
    await merchant.go(days=1)
    assert len(await merchant.said(m.RetryDue)) == 1


async def test_a_later_policy_for_new_cases_does_not_hide_one_for_open_cases(merchant: Merchant) -> None:
    await merchant.deliver(merchant.failed())
    await merchant.set("recovery", RecoverySetting(schedule_days=(2,), applies_to=AppliesTo.OPEN))
    await merchant.set("recovery", RecoverySetting(schedule_days=(5,)))
    while await loop.spread_policies(merchant.database):
        pass
    assert await planned(merchant) == T0 + timedelta(days=2)
    await merchant.deliver(merchant.failed(customer="cus_2", invoice="in_2", card="two"))
    assert await planned(merchant) == T0 + timedelta(days=5)


async def test_the_mind_chooses_also_where_mode_smart_is_for_open_cases_alone(merchant: Merchant) -> None:
    await merchant.deliver(merchant.failed())
    await merchant.set("recovery", RecoverySetting(mode=SMART, applies_to=AppliesTo.OPEN))
    await merchant.set("recovery", RecoverySetting(schedule_days=(5,)))
    while await loop.spread_policies(merchant.database):
        pass
    assert " %" in (await merchant.said(m.RecoveryChanged))[-1].reason


async def test_a_lower_version_of_a_merchant_s_zone_changes_nothing(scheduler: Database) -> None:
    merchant = await smart(scheduler)
    older = m.SettingsChanged(
        id=fact_id(merchant.merchant_id, "settings.changed", "older"),
        time=T0,
        merchant_id=merchant.merchant_id,
        version=0,
        setting="merchant",
        value=MerchantSetting(name="A merchant", sandbox=True).model_dump(mode="json"),
    )
    async with scheduler.transaction([merchant.merchant_id]) as tx:
        await handlers.settings_changed([older], tx)
    rows = await merchant.rows("SELECT zone FROM zones")
    assert [row["zone"] for row in rows] == ["Europe/Rome"]


async def test_what_the_mind_learns_from_is_forgotten_in_the_end(scheduler: Database) -> None:
    merchant = await smart(scheduler)
    await merchant.deliver(merchant.failed())
    await merchant.rows("UPDATE customer_charges SET known_at = now() - interval '401 days' RETURNING 1")
    await loop.forget(scheduler)
    assert await merchant.rows("SELECT 1 FROM customer_charges") == []
    assert (await merchant.rows("SELECT state FROM cases"))[0]["state"] == CaseState.SCHEDULED
