"""New cards heal; dead and removed ones are never charged again."""

import pytest

from recoup_events.values import (
    AttemptState,
    Attribution,
    CardChange,
    CaseState,
    RecoveryWay,
    TryKind,
    WaitingFor,
)

from .scheduler_life import NEW, OLD, Life, card, days, hours, minutes


@pytest.mark.parametrize("change", [CardChange.ADDED, CardChange.REPLACED, CardChange.NETWORK_UPDATED])
@pytest.mark.parametrize(
    "code", ["expired_card", "stolen_card", "insufficient_funds", "authentication_required"]
)
def test_a_new_card_is_tried_at_once(life: Life, change: CardChange, code: str) -> None:
    life.tell(life.failed(code))
    life.go(hours(5))
    life.tell(life.gave(change=change))
    asked = life.asked().asked
    assert (asked.kind, asked.step, asked.card) == (TryKind.NEW_CARD, None, NEW)
    assert life.case().state is CaseState.TRYING


def test_a_new_card_uses_no_step(life: Life) -> None:
    life.tell(life.failed())
    life.go(hours(5))
    life.tell(life.gave())
    life.decline("insufficient_funds")
    assert (life.case().position, life.case().tries_made) == (0, 1)
    life.go(days(1) + minutes(1))
    assert (life.asked().asked.step, life.asked().asked.card) == (1, NEW)


def test_a_card_that_came_before_the_failure_it_heals_counts(life: Life) -> None:
    life.tell(life.gave(OLD, after=days(-90)), life.gave(NEW, after=minutes(-5)))
    life.tell(life.failed("expired_card", card=OLD))
    assert life.asked().asked.card == NEW
    assert life.story() == ["opened", "trying", "(charge)"]


def test_a_failure_told_without_its_code_and_again_with_it_stops_its_tries(life: Life) -> None:
    life.tell(life.failed(None, card=None))
    assert life.case().state is CaseState.SCHEDULED
    life.tell(life.failed("expired_card", after=days(0)))
    assert life.case().waiting_for is WaitingFor.CARD


def test_an_older_card_on_file_does_not_step_in(life: Life) -> None:
    life.tell(life.gave(NEW, after=days(-90)), life.gave(OLD, after=days(-2)))
    life.tell(life.failed("expired_card", card=OLD))
    assert life.case().waiting_for is WaitingFor.CARD


def test_where_nobody_said_which_card_failed_one_given_later_is_tried(life: Life) -> None:
    life.tell(life.gave(OLD, after=days(-1)), life.failed("expired_card", card=None))
    assert life.case().state is CaseState.WAITING
    life.go(hours(1))
    life.tell(life.gave(NEW))
    assert life.asked().asked.card == NEW


def test_the_same_card_entered_again_is_not_a_new_one(life: Life) -> None:
    life.tell(life.failed("expired_card", card=OLD))
    life.go(hours(1))
    life.tell(life.gave(card("again", number="old")))
    assert life.tries() == []
    assert life.case().waiting_for is WaitingFor.CARD


def test_the_same_number_with_another_expiry_is_new(life: Life) -> None:
    life.tell(life.failed("expired_card", card=OLD))
    life.go(hours(1))
    life.tell(life.gave(card("old", year=2031), change=CardChange.NETWORK_UPDATED))
    assert life.asked().asked.card == card("old", year=2031)


def test_a_stolen_number_stays_dead_whatever_its_expiry(life: Life) -> None:
    life.tell(life.failed("stolen_card", card=OLD))
    life.go(hours(1))
    life.tell(life.gave(card("old", year=2031), change=CardChange.NETWORK_UPDATED))
    assert life.tries() == []


def test_a_card_that_died_on_one_invoice_is_dead_for_every_other(life: Life) -> None:
    life.tell(life.failed(invoice="in_1"))
    life.tell(life.failed("stolen_card", invoice="in_2"))
    life.go(days(10))
    assert life.tries() == []
    assert life.case("in_1").waiting_for is WaitingFor.CARD


def test_a_network_s_never_again_counts_also_where_the_code_is_soft(life: Life) -> None:
    visa = card("mc", brand="mastercard")
    life.tell(life.failed("do_not_honor", card=visa, network_advice="03"))
    life.go(days(10))
    assert life.tries() == []


def test_a_duplicate_does_not_kill_the_card_elsewhere(life: Life) -> None:
    life.tell(life.failed("duplicate_transaction", invoice="in_1"), life.failed(invoice="in_2"))
    life.go(days(1) + minutes(1))
    assert [said.case.bill.invoice_id for said in life.tries()] == ["in_2"]


def test_a_removed_card_is_never_pinned(life: Life) -> None:
    life.tell(life.failed())
    life.tell(life.gave(OLD, change=CardChange.REMOVED))
    life.go(days(10))
    assert life.tries() == []
    assert life.case().waiting_for is WaitingFor.CARD


def test_a_card_entered_again_stands_in_for_its_removed_entry(life: Life) -> None:
    life.tell(life.failed())
    again = card("again", number="old")
    life.tell(life.gave(again), life.gave(OLD, change=CardChange.REMOVED))
    life.go(days(1) + minutes(1))
    assert [said.asked.card for said in life.tries()] == [again]


def test_a_removal_that_comes_before_the_card_removes_it_too(life: Life) -> None:
    life.tell(life.failed("expired_card"))
    life.go(hours(1))
    life.tell(life.gave(NEW, change=CardChange.REMOVED))
    life.tell(life.gave(NEW))
    assert life.tries() == []


def test_open_invoices_are_tried_one_by_one_oldest_first(life: Life) -> None:
    for number in (3, 1, 2):
        life.tell(life.failed("expired_card", invoice=f"in_{number}", after=minutes(number)))
    life.go(hours(1))
    life.tell(life.gave())
    for number in (1, 2, 3):
        assert life.tries()[-1].case.bill.invoice_id == f"in_{number}"
        assert len(life.tries()) == number
        try_id = life.asked(f"in_{number}").asked.try_id
        life.tell(life.paid(invoice=f"in_{number}", charge=f"ch_{number}", card=NEW, try_id=try_id))
    assert [case.recovered_by for case in life.book.cases.values()] == [RecoveryWay.NEW_CARD] * 3


def test_a_decline_of_the_new_card_stops_the_others(life: Life) -> None:
    life.tell(life.failed("expired_card", invoice="in_1"), life.failed("expired_card", invoice="in_2"))
    life.go(hours(1))
    life.tell(life.gave())
    life.decline("insufficient_funds", invoice="in_1")
    assert len(life.tries()) == 1
    assert life.case("in_2").state is CaseState.SCHEDULED
    life.go(days(1) + minutes(1))
    assert {said.asked.card for said in life.tries()} == {NEW}


def test_a_new_card_that_comes_during_a_try_waits_for_its_outcome(life: Life) -> None:
    life.tell(life.failed())
    life.go(days(1) + minutes(1))
    life.tell(life.gave())
    assert len(life.tries()) == 1
    life.decline()
    assert life.story()[-3:] == ["try_failed", "trying", "(charge)"]
    assert life.asked().asked.card == NEW


def test_invoices_that_a_card_session_settles_are_left_to_it(life: Life) -> None:
    life.tell(life.failed("expired_card", invoice="in_1"), life.failed("expired_card", invoice="in_2"))
    life.go(hours(1))
    life.tell(life.gave(settling=["in_1"]))
    assert life.tries() == []
    assert life.case("in_1").state is CaseState.TRYING
    life.go(hours(1) + minutes(1))
    life.tell(life.paid(invoice="in_1", card=NEW, by=Attribution.CUSTOMER))
    assert life.case("in_1").recovered_by is RecoveryWay.NEW_CARD
    assert life.tries()[-1].case.bill.invoice_id == "in_2"


def test_a_decline_in_a_card_session_goes_back_to_waiting_and_stops_the_others(life: Life) -> None:
    life.tell(life.failed("expired_card", invoice="in_1"), life.failed("expired_card", invoice="in_2"))
    life.go(hours(1))
    life.tell(life.gave(settling=["in_1"]))
    life.go(hours(1) + minutes(1))
    life.tell(life.failed("stolen_card", invoice="in_1", card=NEW, by=Attribution.CUSTOMER))
    assert {case.waiting_for for case in life.open()} == {WaitingFor.CARD}
    assert life.tries() == []


def test_a_card_session_that_never_says_more_does_not_hold_the_case_for_ever(life: Life) -> None:
    life.tell(life.failed("expired_card"))
    life.go(hours(1))
    life.tell(life.gave(settling=["in_1"]))
    life.go(hours(3))
    assert life.asked().asked.card == NEW


def test_pay_now_is_held_as_outstanding_while_it_lasts(life: Life) -> None:
    life.tell(life.failed())
    life.go(hours(23))
    life.tell(life.attempt(AttemptState.PENDING))
    life.go(days(8))
    assert life.case().state is CaseState.TRYING
    assert life.tries() == []
    life.tell(life.attempt(AttemptState.NOT_SENT, "superseded", revision=2))
    assert life.asked().asked.kind is TryKind.SCHEDULED


def test_a_customer_who_pays_with_the_same_card_paid(life: Life) -> None:
    life.tell(life.failed())
    life.tell(life.paid(card=OLD, by=Attribution.CUSTOMER))
    assert life.case().recovered_by is RecoveryWay.CUSTOMER_PAYMENT
