"""A try: asked for once, asked about until it is settled, and never fired when it is stale."""

import pytest

from recoup_events.values import AttemptState, Attribution, CaseState, InvoiceStatus
from recoup_retry_scheduler.cases.domain.decisions import TryAsked

from .scheduler_life import T0, Life, card, days, hours, minutes


@pytest.fixture
def tried(life: Life) -> Life:
    """A customer whose first step is being tried."""
    life.tell(life.failed())
    life.go(days(1) + minutes(1))
    return life


def test_a_try_must_not_be_sent_after_six_real_hours(tried: Life) -> None:
    assert tried.asked().asked.not_after == T0 + days(1) + days(100) + hours(6)


def test_a_try_that_nobody_answers_is_asked_about_with_the_same_id_and_a_higher_revision(tried: Life) -> None:
    first = tried.asked()
    tried.go(days(1) + minutes(11))
    again = tried.asked()
    assert again.asked.try_id == first.asked.try_id
    assert again.asked.not_after == first.asked.not_after
    assert again.case.revision > first.case.revision
    assert tried.story()[-2:] == ["(charge)", "(charge again)"]


def test_the_questions_become_rarer(tried: Life) -> None:
    tried.go(days(3))
    asked = [said for said in tried.said if isinstance(said, TryAsked)]
    assert 8 <= len(asked) <= 12


@pytest.mark.parametrize("state", [AttemptState.PENDING, AttemptState.UNKNOWN])
def test_a_try_whose_result_takes_days_is_awaited(tried: Life, state: AttemptState) -> None:
    tried.tell(tried.attempt(state, try_id=tried.asked().asked.try_id))
    tried.go(days(20))
    assert tried.case().state is CaseState.TRYING
    assert len(tried.tries()) == 1
    tried.tell(tried.paid(try_id=tried.asked().asked.try_id))
    assert tried.case().state is CaseState.RECOVERED


def test_a_try_outstanding_at_the_deadline_that_fails_then_leads_to_the_end(tried: Life) -> None:
    tried.tell(tried.attempt(AttemptState.PENDING, try_id=tried.asked().asked.try_id))
    tried.go(days(13))
    tried.decline()
    tried.go(days(13) + minutes(1))
    tried.tell(tried.attempt(AttemptState.PENDING, try_id=tried.asked().asked.try_id))
    tried.go(days(16))
    assert tried.case().state is CaseState.TRYING
    tried.decline()
    assert tried.story()[-2:] == ["ending", "(final)"]


def test_an_older_word_about_a_try_changes_nothing(tried: Life) -> None:
    asked = tried.asked().asked.try_id
    tried.tell(tried.attempt(AttemptState.PENDING, try_id=asked, revision=3))
    tried.tell(tried.attempt(AttemptState.SENDING, try_id=asked, revision=2))
    trying = tried.case().trying
    assert trying is not None
    assert trying.state is AttemptState.PENDING


def test_a_try_that_was_not_sent_gives_its_step_back_and_comes_later(tried: Life) -> None:
    tried.tell(tried.attempt(AttemptState.NOT_SENT, "too_late", try_id=tried.asked().asked.try_id))
    case = tried.case()
    assert (case.state, case.position, case.tries_made) == (CaseState.SCHEDULED, 0, 0)
    assert case.next_try_at == tried.now + hours(1)
    assert case.reason.startswith("The try was not sent (too late)")


def test_tries_that_are_given_back_come_ever_later_and_end_at_the_deadline(life: Life) -> None:
    life.tell(life.failed())
    while life.case().state is not CaseState.ENDING:
        life.go(life.now - T0 + minutes(5))
        if life.case().state is CaseState.TRYING:
            life.tell(life.attempt(AttemptState.NOT_SENT, "too_late", try_id=life.asked().asked.try_id))
    assert life.now <= T0 + days(14) + minutes(10)
    assert len(life.tries()) < 30


def test_a_try_not_sent_because_the_invoice_is_void_ends_the_case(tried: Life) -> None:
    tried.tell(tried.attempt(AttemptState.NOT_SENT, "invoice_void", try_id=tried.asked().asked.try_id))
    assert tried.case().state is CaseState.ENDED


def test_a_try_not_sent_because_the_invoice_is_paid_waits_for_the_success(tried: Life) -> None:
    tried.tell(tried.attempt(AttemptState.NOT_SENT, "invoice_paid", try_id=tried.asked().asked.try_id))
    tried.go(days(1) + minutes(2))
    assert len(tried.tries()) == 1
    tried.tell(tried.paid(by=Attribution.GATEWAY))
    assert tried.case().state is CaseState.RECOVERED


def test_a_word_about_an_earlier_try_is_not_about_this_one(tried: Life) -> None:
    first = tried.asked().asked.try_id
    tried.decline()
    tried.go(days(3) + minutes(1))
    tried.tell(tried.attempt(AttemptState.NOT_SENT, "too_late", try_id=first, revision=9))
    assert tried.case().state is CaseState.TRYING


def test_an_api_error_gives_the_try_back(tried: Life) -> None:
    tried.tell(tried.failed("lock_timeout", try_id=tried.asked().asked.try_id))
    assert (tried.case().state, tried.case().tries_made) == (CaseState.SCHEDULED, 0)


def test_a_gateway_s_own_failure_does_not_settle_our_try(tried: Life) -> None:
    tried.tell(tried.failed(by=Attribution.GATEWAY))
    assert tried.case().state is CaseState.TRYING


def test_a_case_that_closes_in_other_ways_forgets_its_try(tried: Life) -> None:
    try_id = tried.asked().asked.try_id
    tried.tell(tried.invoice(InvoiceStatus.VOID))
    tried.tell(tried.failed(try_id=try_id))
    assert tried.case().state is CaseState.ENDED
    tried.tell(tried.paid(try_id=try_id))
    assert tried.case().state is CaseState.RECOVERED


def test_while_something_is_in_quarantine_nothing_is_charged_and_nothing_ends(life: Life) -> None:
    life.book.held = True
    life.tell(life.failed())
    life.go(days(1) + minutes(3))
    assert life.story() == ["opened"]
    life.go(days(1) + minutes(5))
    life.book.held = False
    life.go(days(1) + minutes(7))
    assert life.story() == ["opened", "trying", "(charge)"]


def test_a_held_customer_s_deadline_waits_too(life: Life) -> None:
    life.tell(life.failed("stolen_card"))
    life.book.held = True
    life.go(days(14) + minutes(3))
    assert life.story() == ["opened"]
    life.book.held = False
    life.go(days(14) + minutes(5))
    assert life.story() == ["opened", "ending", "(final)"]


def test_visa_s_limit_moves_the_try_until_its_window_frees(life: Life) -> None:
    visa = card("busy", brand="visa")
    for number in range(15):
        life.tell(life.failed(invoice=None, card=visa, after=days(-24) + hours(number)))
    life.tell(life.failed(card=visa, owed=500))
    assert life.case().next_try_at == T0 + days(6) + hours(1)
    assert life.case().reason == (
        "Try 1 of 3 is put off: Visa allows 15 tries in 30 days on this card; "
        "the next one from 7 Mar 2026, 13:00 UTC."
    )


def test_mastercard_s_daily_limit_holds_also_for_a_new_card(life: Life) -> None:
    busy = card("busy", brand="mastercard")
    life.tell(life.failed("expired_card"))
    for number in range(10):
        life.tell(life.failed(invoice=None, card=busy, after=-minutes(60 - number)))
    life.go(minutes(30))
    life.tell(life.gave(busy))
    assert life.tries() == []
