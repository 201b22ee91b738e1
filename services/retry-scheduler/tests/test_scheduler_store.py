"""Cases on a real database: saved as decided, found again, one live timer each, whatever the order."""

from dataclasses import replace
from itertools import permutations

import asyncpg
import pytest

from recoup_chassis.postgres import Database
from recoup_events import models as m
from recoup_events.settings import RecoverySetting
from recoup_events.values import (
    Attribution,
    CardChange,
    CaseState,
    FailureNature,
    FinalAction,
    Precedence,
    RecoveryWay,
    ReversalKind,
    Transition,
    fact_id,
)
from recoup_retry_scheduler.cases import handlers, loop, metrics

from .scheduler_bench import ACCOUNT, T0, Merchant
from .scheduler_life import Life
from .test_scheduler_permutations import STORIES

pytestmark = pytest.mark.postgres


async def test_a_failure_opens_a_case_with_one_timer_and_says_so(merchant: Merchant) -> None:
    await merchant.deliver(merchant.failed())
    (said,) = await merchant.said(m.RecoveryChanged)
    assert said.case_id == fact_id(ACCOUNT, "case", "in_1")
    assert said.id == fact_id(merchant.merchant_id, "recovery.changed", str(said.case_id), "1")
    assert (said.transition, said.state, said.time) == (Transition.OPENED, CaseState.SCHEDULED, T0)
    assert (said.tries_planned, said.final_action) == (3, FinalAction.CANCEL)
    timers = await merchant.rows(
        "SELECT kind, due_at FROM timers WHERE merchant_id = $1", merchant.merchant_id
    )
    assert [tuple(row) for row in timers] == [("step", said.next_try_at)]


async def test_a_recovery_from_failure_to_a_paid_retry(merchant: Merchant) -> None:
    await merchant.deliver(merchant.failed())
    await merchant.go(days=1)
    (first,) = await merchant.said(m.RetryDue)
    assert (first.step, first.instrument_id) == (1, "pm_old")
    await merchant.deliver(merchant.failed(asked=first))
    await merchant.go(days=2)
    second = (await merchant.said(m.RetryDue))[-1]
    await merchant.deliver(merchant.paid(asked=second))
    said = await merchant.said(m.RecoveryChanged)
    assert [event.transition for event in said] == ["opened", "trying", "try_failed", "trying", "recovered"]
    assert [event.revision for event in said] == [1, 2, 3, 4, 5]
    assert said[-1].recovered_by is RecoveryWay.SCHEDULED_RETRY
    assert await merchant.rows("SELECT 1 FROM timers WHERE merchant_id = $1", merchant.merchant_id) == []


async def test_what_nobody_pays_ends_in_the_merchant_s_final_action(scheduler: Database) -> None:
    merchant = await Merchant(scheduler).start(schedule_days=(1,), window_days=3, final_action="mark_unpaid")
    await merchant.deliver(merchant.failed("stolen_card"))
    await merchant.go(days=3)
    (due,) = await merchant.said(m.FinalActionDue)
    assert (due.action, due.subscription_id) == (FinalAction.MARK_UNPAID, "sub_in_1")
    await merchant.deliver(merchant.done(due))
    assert (await merchant.said(m.RecoveryChanged))[-1].state is CaseState.ENDED


async def test_the_policy_of_a_higher_version_holds(merchant: Merchant) -> None:
    await merchant.set("recovery", RecoverySetting(precedence=Precedence.GATEWAY_DEFAULT))
    await merchant.deliver(merchant.failed())
    await merchant.go(days=5)
    assert await merchant.said(m.RetryDue) == []


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_failure_success_and_new_card_in_any_order_and_twice_give_the_same(
    scheduler: Database, order: tuple[int, ...]
) -> None:
    clean, mixed = await Merchant(scheduler).start(), await Merchant(scheduler).start()
    for merchant in (clean, mixed):
        told: list[m.Event] = [
            merchant.failed("expired_card", charge="ch_failed"),
            merchant.gave(),
            merchant.paid(card="new"),
        ]
        for number in range(3) if merchant is clean else [*order, *order]:
            await merchant.deliver(told[number], told[number])
    assert await mixed.picture() == await clean.picture()


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_failure_and_new_card_without_success_leave_one_try_outstanding(
    scheduler: Database, order: tuple[int, ...]
) -> None:
    merchant = await Merchant(scheduler).start()
    told: list[m.Event] = [
        merchant.failed("expired_card", charge="ch_1"),
        merchant.gave(),
        merchant.failed("expired_card", charge="ch_1"),
    ]
    for number in order:
        await merchant.deliver(told[number])
    (due,) = await merchant.said(m.RetryDue)
    assert due.instrument_id == "pm_new"


@pytest.mark.parametrize("story", STORIES)
async def test_a_case_that_rests_in_the_database_between_facts_goes_the_same_way(
    scheduler: Database, story: str
) -> None:
    """Told backwards, which is the hardest order; whatever the store forgot would show."""
    merchant = await Merchant(scheduler).start()
    pure = Life()
    for fact in reversed(STORIES[story](Life())):
        pure.tell(fact)
        owner = fact.owner._replace(merchant_id=merchant.merchant_id)
        async with scheduler.transaction([merchant.merchant_id]) as tx:
            await tx.lock_customers([(merchant.merchant_id, owner.customer_id)])
            await handlers.decide([replace(fact, owner=owner)], tx)
    rows = await merchant.rows(
        "SELECT invoice_id, state, waiting_for, next_try_at, resolve_by, position, tries_made, recovered_minor,"
        " wake_kind, revision FROM cases ORDER BY invoice_id"
    )
    assert [tuple(row) for row in rows] == [
        (
            *(case.bill.invoice_id, case.state, case.waiting_for, case.next_try_at, case.resolve_by),
            *(case.position, case.tries_made, case.recovered if case.recovered_by else None),
            *(case.wake.kind if case.wake else None, case.revision),
        )
        for case in sorted(pure.book.cases.values(), key=lambda case: case.bill.invoice_id)
    ]


async def test_what_an_earlier_release_kept_is_read_and_goes_on(merchant: Merchant) -> None:
    """Its verdicts had the gateway's own code alone, and its cases said of a plan no more than its instant."""
    await merchant.deliver(merchant.failed())
    later = "- 'advice' - 'network_code' - 'network_advice'"
    await merchant.rows(
        f"UPDATE charges SET fact = jsonb_set(fact, '{{verdict}}', (fact -> 'verdict') {later}) RETURNING 1"  # noqa: S608  # a text of our own
    )
    await merchant.rows(
        "UPDATE cases SET detail = jsonb_set(detail - 'planned', '{verdict}',"  # noqa: S608  # likewise
        f" (detail -> 'verdict') {later}) RETURNING 1"
    )
    await merchant.go(days=1)
    (asked,) = await merchant.said(m.RetryDue)
    await merchant.deliver(merchant.failed("stolen_card", asked=asked))
    assert (await merchant.said(m.RecoveryChanged))[-1].waiting_for == "card"


async def test_a_batch_of_many_customers_is_decided_at_once(merchant: Merchant) -> None:
    failures = [
        merchant.failed(customer=f"cus_{n}", invoice=f"in_{n}", charge=f"ch_{n}", card=f"of_{n}")
        for n in range(200)
    ]
    await merchant.deliver(*failures)
    assert len(await merchant.said(m.RecoveryChanged)) == 200
    await merchant.go(days=1)
    assert len({event.case_id for event in await merchant.said(m.RetryDue)}) == 200


async def test_a_success_whose_failure_comes_later_closes_it_across_transactions(merchant: Merchant) -> None:
    await merchant.deliver(merchant.paid())
    await merchant.deliver(merchant.failed())
    (said,) = await merchant.said(m.RecoveryChanged)
    assert said.state is CaseState.RECOVERED


async def test_a_reversal_that_names_only_its_charge_finds_the_case(merchant: Merchant) -> None:
    await merchant.deliver(merchant.failed())
    await merchant.deliver(merchant.paid())
    reversal = m.PaymentReversed(
        **merchant.head(m.PaymentReversed, "re_1", "cus_1"),
        gateway="stripe",
        kind=ReversalKind.REFUND,
        reversal_id="re_1",
        charge_id="ch_paid",
        amount=merchant.paid().amount,
    )
    await merchant.deliver(reversal)
    assert (await merchant.said(m.RecoveryChanged))[-1].state is CaseState.REVERSED


async def test_a_removed_card_is_not_charged_in_a_later_transaction(merchant: Merchant) -> None:
    await merchant.deliver(merchant.gave("old", change=CardChange.REMOVED))
    await merchant.deliver(merchant.failed())
    await merchant.go(days=10)
    assert await merchant.said(m.RetryDue) == []


async def test_charges_of_other_customers_on_the_same_card_count_towards_its_limit(
    merchant: Merchant,
) -> None:
    for number in range(15):
        other = merchant.failed(
            customer="cus_other", invoice=None, nature=FailureNature.STANDALONE, charge=f"ch_o{number}"
        )
        await merchant.deliver(other)
    await merchant.deliver(merchant.failed())
    await merchant.go(days=5)
    assert await merchant.said(m.RetryDue) == []


async def test_a_customer_with_something_in_quarantine_is_not_charged_until_it_is_released(
    merchant: Merchant,
) -> None:
    await merchant.deliver(merchant.failed())
    await merchant.database.pool.execute(
        "INSERT INTO quarantine (topic, partition, record_offset, header_names, header_values, reason, detail,"
        " merchant_id, customer_id) VALUES ('payment.succeeded', 0, $1, '{}', '{}', 'json', '', $2, 'cus_1')",
        int(merchant.merchant_id.removeprefix("m_")),
        merchant.merchant_id,
    )
    await merchant.go(days=1)
    assert await merchant.said(m.RetryDue) == []
    timers = await merchant.rows("SELECT kind FROM timers WHERE merchant_id = $1", merchant.merchant_id)
    assert [row["kind"] for row in timers] == ["held"]
    await merchant.database.pool.execute(
        "UPDATE quarantine SET released_at = now() WHERE merchant_id = $1", merchant.merchant_id
    )
    await merchant.database.pool.execute(
        "UPDATE timers SET due_at = now() WHERE merchant_id = $1", merchant.merchant_id
    )
    await merchant.fire()
    assert len(await merchant.said(m.RetryDue)) == 1


async def test_another_merchant_s_rows_are_out_of_sight(scheduler: Database, merchant: Merchant) -> None:
    await merchant.deliver(merchant.failed())
    other = await Merchant(scheduler).start()
    for table in ("cases", "charges", "cards"):
        assert await other.rows(f"SELECT 1 FROM {table}") == []  # noqa: S608  # a name of our own
        assert await merchant.rows(f"SELECT 1 FROM {table}") != []  # noqa: S608  # likewise


async def test_the_gauge_counts_open_cases_and_finds_one_that_nothing_would_wake(scheduler: Database) -> None:
    merchant = await Merchant(scheduler).start()
    await merchant.deliver(merchant.failed())
    await loop.measure(scheduler)
    assert metrics.CASES_WITHOUT_TIMER._value.get() == 0
    assert metrics.CASES_OPEN.labels("scheduled")._value.get() >= 1
    await scheduler.pool.execute("DELETE FROM timers WHERE merchant_id = $1", merchant.merchant_id)
    await loop.measure(scheduler)
    assert metrics.CASES_WITHOUT_TIMER._value.get() == 1


async def test_old_facts_are_forgotten_but_for_those_of_open_cases(scheduler: Database) -> None:
    merchant = await Merchant(scheduler).start()
    await merchant.deliver(merchant.failed(invoice="in_open"))
    await merchant.deliver(merchant.paid(invoice="in_other", by=Attribution.GATEWAY))
    await merchant.rows(
        "UPDATE charges SET known_at = now() - interval '98 days' WHERE merchant_id = $1 RETURNING 1",
        merchant.merchant_id,
    )
    await loop.forget(scheduler)
    kept = await merchant.rows("SELECT invoice_id FROM charges WHERE merchant_id = $1", merchant.merchant_id)
    assert [row["invoice_id"] for row in kept] == ["in_open"]


@pytest.mark.parametrize(
    "wrong",
    [
        "state = 'lost'",
        "state = 'waiting'",
        "waiting_for = 'card'",
        "state = 'recovered'",
        "state = 'trying'",
        "wake_at = NULL, wake_kind = NULL",
        "wake_kind = 'whenever'",
        "try_id = gen_random_uuid()",
        "position = 4",
        "tries_made = 1",
        "resolve_by = failed_at",
        "recovered_by = 'new_card'",
    ],
)
async def test_the_database_refuses_what_the_domain_never_decides(merchant: Merchant, wrong: str) -> None:
    await merchant.deliver(merchant.failed())
    with pytest.raises(asyncpg.CheckViolationError):
        await merchant.rows(f"UPDATE cases SET {wrong} RETURNING 1")  # noqa: S608  # texts of our own
