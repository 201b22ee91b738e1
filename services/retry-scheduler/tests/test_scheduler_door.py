"""The rules' door in the service: networks, schemes and codes hold whatever the schedule says."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from recoup_events.values import CaseState, InvoiceStatus, WaitingFor

from .scheduler_life import NEW, T0, Life, card, days, hours, mandate, minutes

MC = card("mc", brand="mastercard")


@pytest.mark.parametrize(
    ("advice", "wait"), [("24", days(1)), ("26", days(2)), ("27", days(4)), ("30", days(10))]
)
def test_mastercard_s_advice_puts_the_first_step_off(life: Life, advice: str, wait: timedelta) -> None:
    life.tell(life.failed(card=MC, network_advice=advice))
    assert life.case().next_try_at == T0 + wait


def test_a_step_that_is_put_off_names_the_rule_and_until_when(life: Life) -> None:
    life.tell(life.failed(card=MC, network_advice="27"))
    assert life.case().reason == (
        "Try 1 of 3 is put off: Mastercard asks to wait 4 days after this decline, "
        "until 5 Mar 2026, 12:00 UTC."
    )


def test_a_wait_longer_than_the_window_waits_for_another_card(life_with: Callable[..., Life]) -> None:
    life = life_with(window=days(8))
    life.tell(life.failed(card=MC, network_advice="30"))
    assert (life.case().state, life.case().waiting_for) == (CaseState.WAITING, WaitingFor.CARD)
    assert life.case().reason == (
        "Mastercard asks to wait 10 days after this decline, until 11 Mar 2026, 12:00 UTC; "
        "but your policy's window ends on 9 Mar 2026, 12:00 UTC."
    )


def test_a_card_that_must_wait_waits_also_when_it_is_given_again(life: Life) -> None:
    life.tell(life.failed(card=MC, network_advice="26"))
    life.go(hours(1))
    life.tell(life.gave(MC))
    assert (life.tries(), life.case().next_try_at) == ([], T0 + days(2))
    life.go(days(2) + minutes(1))
    assert life.asked().asked.step == 1


def test_a_network_s_code_that_forbids_a_number_forbids_its_next_expiry_too(life: Life) -> None:
    life.tell(life.failed("do_not_honor", network_code="46"))
    assert life.case().waiting_for is WaitingFor.CARD
    life.go(hours(1))
    life.tell(life.gave(card("old", year=2031)))
    assert life.tries() == []
    life.tell(life.gave(NEW))
    assert life.asked().asked.card == NEW


def test_mastercard_s_update_first_is_cured_by_another_expiry(life: Life) -> None:
    life.tell(life.failed(card=MC, network_advice="01"))
    life.go(hours(1))
    life.tell(life.gave(card("mc", brand="mastercard", year=2031)))
    assert life.asked().asked.card == card("mc", brand="mastercard", year=2031)


def test_a_wallet_s_card_is_counted_by_its_network(life: Life) -> None:
    wallet = replace(card("link", brand="visa"), kind="link")
    for number in range(15):
        life.tell(life.failed(invoice=None, card=wallet, after=days(-24) + hours(number)))
    life.tell(life.failed(card=wallet))
    assert life.case().next_try_at == T0 + days(6) + hours(1)


def test_an_ach_debit_is_tried_again_twice_and_only_for_lack_of_funds(life: Life) -> None:
    life.tell(life.failed(card=mandate("us_bank_account"), network_code="R01"))
    for day in (1, 3):
        life.go(days(day) + minutes(1))
        life.decline(network_code="R01")
    life.go(days(13))
    assert len(life.tries()) == 2
    assert life.case().reason.startswith("An ACH debit may be reinitiated twice, and it was")


def test_an_ach_debit_that_was_returned_for_another_reason_is_not_tried_again(life: Life) -> None:
    life.tell(life.failed("generic_decline", card=mandate("us_bank_account"), network_code="R20"))
    life.go(days(13))
    assert (life.tries(), life.case().waiting_for) == ([], WaitingFor.CARD)


@pytest.mark.parametrize(("country", "waits"), [("DE", False), ("FR", True)])
def test_sepa_s_withheld_reason_is_no_leave_but_in_some_countries(
    life: Life,
    country: str,
    waits: bool,  # noqa: FBT001  # a table's column
) -> None:
    told = life.failed("generic_decline", card=mandate("sepa_debit", country), network_code="MS03")
    life.tell(told)
    assert (life.case().state is CaseState.WAITING) is waits


def test_a_card_issued_in_india_waits_for_the_customer(life: Life) -> None:
    life.tell(life.failed(card=card("in", country="IN")))
    assert life.case().waiting_for is WaitingFor.CUSTOMER


def test_mastercard_in_brazil_is_tried_once_a_day(life: Life) -> None:
    brazilian = card("br", brand="mastercard", country="BR")
    life.tell(life.failed(card=brazilian, after=hours(-2)))
    life.go(hours(21))
    life.tell(life.failed(card=brazilian))
    assert life.case().next_try_at == T0 + hours(21) + days(1)


@pytest.mark.parametrize(("kind", "notice"), [("upi", days(1)), ("bacs_debit", days(7))])
def test_notice_is_given_once_and_then_the_debit_is_made(life: Life, kind: str, notice: timedelta) -> None:
    """Five working days from a Sunday are counted from Monday's beginning."""
    life.tell(life.failed(card=mandate(kind)))
    due = life.case().next_try_at
    assert due is not None
    assert due >= T0 + days(1)
    life.go(hours(20))
    life.tell(life.invoice(InvoiceStatus.OPEN))
    assert life.case().next_try_at == due
    life.go(due - T0 + minutes(1))
    assert [said.asked.asked_at for said in life.tries()] == [due]
    assert abs(due - T0 - notice) < days(1)


def test_a_mandate_that_is_new_is_debited_after_its_notice_also_where_its_timer_is_late(life: Life) -> None:
    life.tell(life.failed("expired_card"))
    life.go(hours(1))
    life.tell(life.gave(mandate("upi")))
    assert (life.tries(), life.case().next_try_at) == ([], T0 + hours(25))
    assert "told of this debit ahead" in life.case().reason
    life.now = T0 + hours(26)
    life.go(hours(27))
    assert [said.asked.asked_at for said in life.tries()] == [T0 + hours(26)]


def test_a_debit_that_is_planned_for_another_instant_needs_notice_anew(life: Life) -> None:
    life.tell(life.failed(card=mandate("upi")))
    life.go(hours(20))
    life.tell(life.failed(card=mandate("upi"), after=hours(20)))
    assert life.case().next_try_at == T0 + days(1)  # the step stands: the customer was told of it
    life.go(days(1) + minutes(1))
    life.decline()
    life.go(days(3) + minutes(1))
    assert len(life.tries()) == 2
