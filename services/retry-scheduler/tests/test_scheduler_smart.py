"""Mode smart: when a try is made is chosen among the instants that the rules allow, and a plan stands."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from recoup_declines import DeclineClass
from recoup_events.values import (
    AttemptState,
    Attribution,
    CardChange,
    CaseState,
    FinalAction,
    InvoiceStatus,
    Precedence,
    RecoveryMode,
    TryKind,
    WaitingFor,
)
from recoup_retry_scheduler.cases.domain.case import Policy
from recoup_retry_scheduler.cases.domain.choosing import Choice, Sight
from recoup_retry_scheduler.cases.domain.facts import Fact, PolicyChanged
from recoup_retry_scheduler.rules.verdict import Allowed

from .scheduler_life import OWNER, T0, Life, card, days, hours, minutes
from .test_scheduler_permutations import STORIES, picture

SMART = Policy(mode=RecoveryMode.SMART)


class Chooser:
    """Chooses so long after the last decline, as far as that is allowed, and keeps what it was asked."""

    def __init__(self, *after: timedelta) -> None:
        self.after = list(after)
        self.asked: list[tuple[Sight, Allowed]] = []

    def __call__(self, sight: Sight, instants: Allowed) -> Choice | None:
        self.asked.append((sight, instants))
        after = self.after[min(len(self.asked), len(self.after)) - 1] if self.after else None
        return None if after is None else Choice(sight.last_at + after, "because it is noon")


@pytest.fixture
def smart() -> Callable[..., Life]:
    """A customer of a merchant in mode smart; tries are chosen so long after each decline."""

    def make(*after: timedelta, **policy: object) -> Life:
        return Life(policy=replace(SMART, **policy), choose=Chooser(*after))  # type: ignore[arg-type]  # names of its own

    return make


def asked(life: Life) -> list[tuple[Sight, Allowed]]:
    assert isinstance(life.choose, Chooser)
    return life.choose.asked


def test_the_chosen_instant_and_its_reason_stand_with_the_case(smart: Callable[..., Life]) -> None:
    life = smart(hours(30))
    life.tell(life.failed())
    assert (life.case().next_try_at, life.case().resolve_by) == (T0 + hours(30), T0 + days(14))
    assert life.case().reason == (
        "The charge was declined: not enough money on card (insufficient_funds); try 1 of 3: because it is noon."
    )
    ((sight, instants),) = asked(life)
    assert (sight.declined, sight.number, sight.tries) == (DeclineClass.INSUFFICIENT_FUNDS, 1, 3)
    assert (instants.earliest, instants.latest) == (T0 + hours(10), T0 + days(14))
    assert instants.gap == hours(10)


def test_the_try_is_made_when_its_instant_has_come(smart: Callable[..., Life]) -> None:
    life = smart(hours(30), days(2), days(3))
    life.tell(life.failed())
    for number in (1, 2, 3):
        due = life.case().next_try_at
        assert due is not None
        life.go(due - T0 + minutes(1))
        made = life.asked()
        assert (made.asked.kind, made.asked.step, made.asked.asked_at) == (TryKind.SCHEDULED, number, due)
        assert made.case.reason == f"Try {number} of 3 is due: because it is noon."
        life.decline()
    assert (life.case().state, life.case().waiting_for) == (CaseState.WAITING, WaitingFor.CARD)
    assert "no try is left" in life.case().reason
    assert [sight.number for sight, _ in asked(life)] == [1, 2, 3]
    assert [sight.tries for sight, _ in asked(life)] == [3, 2, 1]


def test_what_changes_nothing_relevant_does_not_move_a_plan(smart: Callable[..., Life]) -> None:
    life = smart(hours(30), hours(40))
    failure = life.failed()
    life.tell(failure)
    life.go(hours(5))
    life.tell(life.invoice(InvoiceStatus.OPEN), failure)
    life.tell(life.gave(card("other"), change=CardChange.REMOVED))
    assert (life.case().next_try_at, len(asked(life))) == (T0 + hours(30), 1)
    assert life.story() == ["opened"]


def test_a_charge_of_the_customer_s_on_another_invoice_is_a_reason_to_plan_anew(
    smart: Callable[..., Life],
) -> None:
    life = smart(hours(30), hours(20))
    life.tell(life.failed())
    life.go(hours(5))
    life.tell(life.paid(invoice="in_2", charge="ch_2"))
    assert life.case().next_try_at == T0 + hours(20)
    assert [charge.declined for charge in asked(life)[-1][0].past] == [DeclineClass.INSUFFICIENT_FUNDS, None]
    assert life.story() == ["opened", "planned"]


def test_a_decline_in_between_plans_anew_and_uses_no_try(smart: Callable[..., Life]) -> None:
    life = smart(hours(30))
    life.tell(life.failed())
    life.go(hours(25))
    life.tell(life.failed("do_not_honor", by=Attribution.GATEWAY))
    assert (life.case().position, life.case().next_try_at) == (0, T0 + hours(55))


def test_a_fact_that_comes_when_the_instant_has_come_does_not_put_the_try_off(
    smart: Callable[..., Life],
) -> None:
    life = smart(hours(30), hours(60))
    life.tell(life.failed())
    life.now = T0 + hours(31)
    life.tell(life.paid(invoice="in_2", charge="ch_2"))
    assert [said.asked.asked_at for said in life.tries()] == [T0 + hours(31)]


def test_whoever_chooses_the_rules_have_the_last_word(smart: Callable[..., Life]) -> None:
    soon, late = smart(minutes(1)), smart(days(90))
    for life in (soon, late):
        life.tell(life.failed())
    assert soon.case().next_try_at == T0 + hours(10)
    assert late.case().next_try_at == T0 + days(14)


def test_a_network_s_wait_holds_in_mode_smart(smart: Callable[..., Life]) -> None:
    life = smart(hours(1))
    life.tell(life.failed(card=card("mc", brand="mastercard"), network_advice="27"))
    assert life.case().next_try_at == T0 + days(4)


def test_a_technical_failure_may_be_tried_after_an_hour(smart: Callable[..., Life]) -> None:
    life = smart(minutes(1))
    life.tell(life.failed("processing_error"))
    assert life.case().next_try_at == T0 + hours(1)


def test_where_no_try_is_worth_its_cost_the_case_waits_for_a_card(smart: Callable[..., Life]) -> None:
    life = smart()
    life.tell(life.failed())
    assert (life.case().state, life.case().waiting_for) == (CaseState.WAITING, WaitingFor.CARD)
    assert "worth its cost" in life.case().reason


def test_no_tries_at_all_is_a_policy_too(smart: Callable[..., Life]) -> None:
    life = smart(hours(30), max_tries=0)
    life.tell(life.failed())
    life.go(days(15))
    assert (life.tries(), life.case().state, asked(life)) == ([], CaseState.ENDING, [])


def test_a_hard_decline_asks_nobody(smart: Callable[..., Life]) -> None:
    life = smart(hours(30))
    life.tell(life.failed("stolen_card"))
    assert (life.case().waiting_for, asked(life)) == (WaitingFor.CARD, [])


def test_a_new_card_is_tried_at_once_and_uses_no_try(smart: Callable[..., Life]) -> None:
    life = smart(hours(30))
    life.tell(life.failed())
    life.go(hours(2))
    life.tell(life.gave())
    assert life.asked().asked.kind is TryKind.NEW_CARD
    life.decline()
    assert (life.case().position, life.case().next_try_at) == (0, T0 + hours(32))
    assert asked(life)[-1][0].number == 2


def test_a_try_that_was_not_sent_is_chosen_anew_and_later(smart: Callable[..., Life]) -> None:
    life = smart(hours(30))
    life.tell(life.failed())
    life.go(hours(30) + minutes(1))
    life.tell(life.attempt(AttemptState.NOT_SENT, "too_late", try_id=life.asked().asked.try_id))
    assert (life.case().position, life.case().next_try_at) == (0, life.now + hours(1))


def test_while_something_is_in_quarantine_the_try_waits_and_then_it_is_made(
    smart: Callable[..., Life],
) -> None:
    life = smart(hours(30))
    life.tell(life.failed())
    life.book.held = True
    life.go(hours(31))
    assert life.tries() == []
    life.book.held = False
    life.go(hours(31) + minutes(2))
    assert len(life.tries()) == 1


def test_a_window_that_is_over_when_the_failure_is_learnt_leaves_a_day(smart: Callable[..., Life]) -> None:
    life = smart(hours(1))
    failure = life.failed()
    life.now = T0 + days(20)
    life.tell(failure)
    assert (life.case().resolve_by, len(life.tries())) == (T0 + days(21), 1)


def test_where_the_gateway_collects_nobody_chooses(smart: Callable[..., Life]) -> None:
    life = smart(hours(30), precedence=Precedence.GATEWAY_DEFAULT)
    life.tell(life.failed())
    assert asked(life) == []


# --- a policy for open cases -----------------------------------------------------------------------------------


def follow(life: Life, **policy: object) -> None:
    """Let the merchant save a policy that open cases follow too."""
    newer = replace(Policy(), version=2, **policy)  # type: ignore[arg-type]  # names of its own
    life.policy = life.book.policy = life.book.open_policy = newer
    life.tell(PolicyChanged(OWNER))


def test_open_cases_follow_a_policy_that_is_for_them_too(life: Life) -> None:
    life.choose = Chooser(hours(30))
    life.tell(life.failed())
    follow(life, mode=RecoveryMode.SMART, max_tries=5, final_action=FinalAction.NOTHING)
    case = life.case()
    assert (case.next_try_at, case.steps_left, case.final_action) == (
        T0 + hours(30),
        5,
        FinalAction.NOTHING,
    )
    assert life.story() == ["opened", "planned"]
    follow(life, mode=RecoveryMode.SMART, max_tries=5, final_action=FinalAction.NOTHING)
    assert life.story() == ["opened", "planned"]


def test_tries_that_were_made_count_when_a_policy_follows(life: Life) -> None:
    life.tell(life.failed())
    for day in (1, 3):
        life.go(days(day) + minutes(1))
        life.decline()
    follow(life, schedule=(days(2),))
    assert (life.case().steps_left, life.case().waiting_for) == (0, WaitingFor.CARD)


def test_a_case_that_is_newer_than_the_policy_of_open_cases_keeps_its_own(life: Life) -> None:
    life.policy = life.book.policy = Policy(version=3, schedule=(days(2),))
    life.book.open_policy = Policy(version=2, schedule=(days(5),))
    life.tell(life.failed())
    assert life.case().next_try_at == T0 + days(2)


@pytest.mark.parametrize(
    ("told_at", "deadline"), [(T0 + days(4), T0 + days(7)), (T0 + days(10), T0 + days(11))]
)
def test_a_deadline_that_moves_nearer_leaves_a_day_to_react(
    life: Life, told_at: datetime, deadline: datetime
) -> None:
    life.tell(life.failed("stolen_card"))
    life.go(told_at - T0)
    follow(life, schedule=(), window=days(7))
    assert life.case().resolve_by == deadline


def test_a_closed_case_and_one_that_is_ending_follow_no_policy(life: Life) -> None:
    life.tell(life.failed("stolen_card"), life.failed(invoice="in_2"), life.paid(invoice="in_2"))
    life.go(days(14) + minutes(5))
    follow(life, final_action=FinalAction.MARK_UNPAID)
    assert {case.final_action for case in life.book.cases.values()} == {FinalAction.CANCEL}


# --- any order ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("story", STORIES)
def test_every_order_and_any_repetition_gives_the_same_case(story: str) -> None:
    facts = STORIES[story](Life(policy=SMART))
    pictures = []
    for order in permutations([*facts, facts[0]]):
        life = Life(policy=SMART)
        for fact in order:
            life.tell(fact)
        pictures.append(picture(life))
    assert pictures[1:] == pictures[:-1]


@pytest.mark.parametrize("turn", range(3))
def test_the_same_facts_in_any_order_give_the_same_plan(smart: Callable[..., Life], turn: int) -> None:
    pure = smart()
    facts: list[Fact] = [
        pure.failed(),
        pure.paid(invoice="in_2", charge="ch_2", after=days(-3)),
        pure.failed("do_not_honor", after=hours(-1)),
    ]
    turned = [*facts[turn:], *facts[:turn]]
    plans = []
    for order in (turned, [*reversed(turned)], [*turned, *turned]):
        life = smart(hours(30))
        for fact in order:
            life.tell(fact)
        plans.append((life.case().next_try_at, life.case().reason, asked(life)[-1][0]))
    assert plans[1:] == plans[:-1]
