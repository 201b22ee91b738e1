"""The ladder: when a failed payment is tried again, and when it is not."""

from collections.abc import Callable

import pytest

from recoup_events.values import Attribution, CaseState, FinalAction, Precedence, TryKind, WaitingFor, fact_id
from recoup_retry_scheduler.cases.domain.case import Policy

from .scheduler_life import OLD, T0, Life, days, hours, minutes


def test_a_failure_opens_a_case_with_a_plan_and_a_deadline(life: Life) -> None:
    life.tell(life.failed())
    case = life.case()
    assert life.story() == ["opened"]
    assert case.case_id == fact_id("acct_1", "case", "in_1")
    assert (case.state, case.next_try_at, case.resolve_by) == (
        CaseState.SCHEDULED,
        T0 + days(1),
        T0 + days(14),
    )
    assert case.reason == (
        "The charge was declined: not enough money on card (insufficient_funds); "
        "try 1 of 3 is due on 2 Mar 2026, 12:00 UTC."
    )


def test_each_step_is_tried_on_its_day_with_the_card_that_failed(life: Life) -> None:
    life.tell(life.failed())
    for number, day in enumerate((1, 3, 7), 1):
        life.go(days(day) + minutes(1))
        asked = life.asked().asked
        assert (asked.kind, asked.step, asked.card, asked.asked_at) == (
            TryKind.SCHEDULED,
            number,
            OLD,
            T0 + days(day),
        )
        life.decline()
    assert life.story() == ["opened", *["trying", "(charge)", "try_failed"] * 3]
    assert life.case().state is CaseState.WAITING
    assert life.case().waiting_for is WaitingFor.CARD


def test_only_one_try_is_outstanding_however_long_it_takes(life: Life) -> None:
    life.tell(life.failed())
    life.go(days(13))
    assert len({said.asked.try_id for said in life.tries()}) == 1


def test_after_the_deadline_the_final_action_is_asked_for_and_awaited(life: Life) -> None:
    life.tell(life.failed("stolen_card"))
    life.go(days(13))
    assert life.story() == ["opened"]
    life.go(days(14) + minutes(5))
    assert life.story() == ["opened", "ending", "(final)"]
    assert life.case().final_action is FinalAction.CANCEL


def test_the_deadline_is_a_day_after_the_last_step_at_least(life_with: Callable[..., Life]) -> None:
    life = life_with(schedule=(days(14),), window=days(14))
    life.tell(life.failed())
    assert life.case().resolve_by == T0 + days(15)


@pytest.mark.parametrize(
    ("code", "state", "whom"),
    [
        ("expired_card", CaseState.WAITING, WaitingFor.CARD),
        ("stolen_card", CaseState.WAITING, WaitingFor.CARD),
        ("fraudulent", CaseState.WAITING, WaitingFor.CARD),
        ("duplicate_transaction", CaseState.WAITING, WaitingFor.CARD),
        ("authentication_required", CaseState.WAITING, WaitingFor.CUSTOMER),
        ("payment_method_unactivated", CaseState.WAITING, WaitingFor.MERCHANT),
        ("insufficient_funds", CaseState.SCHEDULED, None),
    ],
)
def test_each_decline_is_answered_as_the_table_says(
    life: Life, code: str, state: CaseState, whom: WaitingFor | None
) -> None:
    life.tell(life.failed(code))
    assert (life.case().state, life.case().waiting_for) == (state, whom)


def test_a_hard_decline_burns_no_tries(life: Life) -> None:
    life.tell(life.failed("expired_card"))
    life.go(days(13))
    assert life.tries() == []


def test_a_technical_failure_is_tried_after_an_hour_and_then_by_the_ladder(life: Life) -> None:
    life.tell(life.failed("processing_error"))
    assert life.case().next_try_at == T0 + hours(1)
    life.go(hours(2))
    life.decline("processing_error")
    assert life.case().next_try_at == T0 + days(3)


def test_an_api_error_is_no_failure(life: Life) -> None:
    life.tell(life.failed("lock_timeout"))
    assert life.book.cases == {}


def test_what_is_not_a_renewal_opens_no_case_but_counts(life: Life) -> None:
    life.tell(life.failed(opens=False), life.failed(invoice=None))
    assert life.book.cases == {}
    assert len(life.book.spent(OLD)) == 2


def test_a_merchant_s_own_mistake_ends_without_a_final_action(life: Life) -> None:
    life.tell(life.failed("payment_method_unactivated"))
    life.go(days(15))
    assert life.story() == ["opened", "ended"]
    assert life.case().final_action is FinalAction.NOTHING


@pytest.mark.parametrize("by", [Attribution.GATEWAY, Attribution.MERCHANT, Attribution.CUSTOMER])
def test_others_charges_do_not_move_the_ladder(life: Life, by: Attribution) -> None:
    life.tell(life.failed())
    life.go(hours(12))
    life.tell(life.failed("do_not_honor", by=by))
    assert life.case().verdict.code == "do_not_honor"
    assert (life.case().position, life.case().next_try_at) == (0, T0 + days(1))


def test_a_step_that_an_outage_delayed_is_caught_up_once(life: Life) -> None:
    life.tell(life.failed())
    life.now = T0 + days(5)
    life.go(days(5) + hours(1))
    assert [said.asked.step for said in life.tries()] == [2]
    life.decline()
    assert life.case().next_try_at == T0 + days(7)


def test_a_step_due_before_the_deadline_comes_before_the_final_action(life: Life) -> None:
    life.tell(life.failed())
    life.now = T0 + days(20)
    life.go(days(20) + minutes(1))
    assert life.story() == ["opened", "trying", "(charge)"]
    life.decline()
    assert life.story()[3:] == ["ending", "(final)"]


def test_a_failure_learnt_late_leaves_a_day_to_react(life: Life) -> None:
    failure = life.failed()
    life.now = T0 + days(20)
    life.tell(failure)
    assert life.case().resolve_by == T0 + days(21)
    assert life.story() == ["opened", "trying", "(charge)"]


def test_without_steps_the_case_waits_for_a_card(life_with: Callable[..., Life]) -> None:
    life = life_with(schedule=())
    life.tell(life.failed())
    assert life.case().waiting_for is WaitingFor.CARD


def test_the_policy_is_the_one_of_the_opening(life: Life) -> None:
    life.tell(life.failed())
    life.policy = Policy(schedule=(days(2),))
    life.tell(life.failed("do_not_honor"))
    assert life.case().next_try_at == T0 + days(1)


def test_where_the_gateway_collects_we_only_watch(life_with: Callable[..., Life]) -> None:
    life = life_with(precedence=Precedence.GATEWAY_DEFAULT)
    life.tell(life.failed())
    life.go(days(15))
    assert life.story() == ["opened", "ended"]
    assert life.case().final_action is FinalAction.NOTHING
