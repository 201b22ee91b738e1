from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from recoup_events.values import CaseState, FinalAction, MessageKind, WaitingFor
from recoup_notifier.contacts.domain import Contact
from recoup_notifier.correspondence.domain import (
    BACK_OFF,
    PATIENCE,
    Drop,
    Go,
    Queued,
    Reason,
    Surroundings,
    ToldBefore,
    Wait,
    after_temporary_refusal,
    judge,
)
from recoup_notifier.sequences.domain import Ask, Case

NOW = datetime(2026, 10, 1, 9, tzinfo=UTC)
CASE = Case(
    merchant_id="m_1",
    case_id=UUID(int=1),
    account_id="acct_1",
    customer_id="cus_1",
    revision=1,
    state=CaseState.SCHEDULED,
    failed_at=NOW,
    resolve_by=NOW + timedelta(days=14),
    final_action=FinalAction.CANCEL,
    invoice_id="in_1",
    owed_minor=2900,
    currency="EUR",
    next_try_at=NOW + timedelta(days=1),
)
CONTACT = Contact("m_1", "cus_1", "acct_1", 1, email="anna@example.com")
FAILED = Queued(
    merchant_id="m_1",
    message_id=UUID(int=2),
    customer_id="cus_1",
    account_id="acct_1",
    kind=MessageKind.PAYMENT_FAILED,
    queued_at=NOW,
    handed_over=0,
    case_id=CASE.case_id,
    case_revision=1,
)
ALL_SET = replace(FAILED, kind=MessageKind.ALL_SET, told_before=ToldBefore.YES)
SIGN_IN = replace(
    FAILED, kind=MessageKind.SIGN_IN, case_id=None, case_revision=None, expires_at=NOW + timedelta(minutes=10)
)
AROUND = Surroundings(now=NOW, real_now=NOW, case=CASE, contact=CONTACT)
RECOVERED = replace(AROUND, case=replace(CASE, state=CaseState.RECOVERED))


def test_what_is_still_so_goes_out_and_asks_what_the_case_asks_now() -> None:
    assert judge(FAILED, AROUND) == Go(Ask.NOTHING, CONTACT)
    waiting = replace(CASE, state=CaseState.WAITING, waiting_for=WaitingFor.CARD)
    assert judge(FAILED, replace(AROUND, case=waiting)) == Go(Ask.NEW_CARD, CONTACT)


@pytest.mark.parametrize(
    "case",
    [
        *(
            replace(CASE, state=state)
            for state in CaseState
            if state not in {CaseState.SCHEDULED, CaseState.TRYING}
        ),
        replace(CASE, state=CaseState.WAITING, waiting_for=WaitingFor.MERCHANT),
        replace(CASE, decline_action="fix_by_merchant"),
        replace(CASE, resolve_by=NOW),
        None,
    ],
)
def test_what_is_no_longer_so_is_dropped(case: Case | None) -> None:
    assert judge(FAILED, replace(AROUND, case=case)) == Drop(Reason.OVERTAKEN)


def test_what_has_been_said_anew_is_dropped() -> None:
    assert judge(replace(FAILED, newer=True), AROUND) == Drop(Reason.OVERTAKEN)


@pytest.mark.parametrize("state", [state for state in CaseState if state is not CaseState.RECOVERED])
def test_all_set_needs_a_case_that_is_recovered(state: CaseState) -> None:
    assert judge(ALL_SET, replace(AROUND, case=replace(CASE, state=state))) == Drop(Reason.OVERTAKEN)


def test_all_set_needs_to_conclude_something() -> None:
    assert judge(ALL_SET, RECOVERED) == Go(Ask.NOTHING, CONTACT)
    assert judge(replace(ALL_SET, told_before=ToldBefore.NO), RECOVERED) == Drop(Reason.NOTHING_TO_CONCLUDE)
    assert isinstance(judge(replace(ALL_SET, told_before=ToldBefore.ON_ITS_WAY), RECOVERED), Wait)


def test_a_sign_in_mail_goes_out_until_its_link_expires() -> None:
    nothing_known = replace(AROUND, case=None)
    assert judge(SIGN_IN, nothing_known) == Go(Ask.NOTHING, CONTACT)
    late = replace(nothing_known, real_now=NOW + timedelta(minutes=10))
    assert judge(SIGN_IN, late) == Drop(Reason.EXPIRED)


def test_an_unknown_customer_or_merchant_is_waited_for_and_then_given_up() -> None:
    late = NOW + PATIENCE
    for unknown, reason in (
        (replace(AROUND, contact=None), Reason.NO_CONTACT),
        (replace(AROUND, merchant_known=False), Reason.NO_MERCHANT),
    ):
        assert isinstance(judge(FAILED, unknown), Wait)
        assert judge(FAILED, replace(unknown, real_now=late)) == Drop(reason)


def test_who_has_no_address_is_not_written_to() -> None:
    nowhere = replace(AROUND, contact=replace(CONTACT, email=None))
    assert judge(FAILED, nowhere) == Drop(Reason.NO_ADDRESS)


def test_a_held_customer_is_not_written_to_for_now() -> None:
    assert isinstance(judge(FAILED, replace(AROUND, held=True)), Wait)


def test_a_temporary_refusal_is_waited_out_longer_and_longer_and_then_given_up() -> None:
    waits = [after_temporary_refusal(n) for n in range(1, len(BACK_OFF) + 1)]
    times = [wait.time for wait in waits if isinstance(wait, Wait)]
    assert times == sorted(times)
    assert len(times) == len(BACK_OFF)
    assert after_temporary_refusal(len(BACK_OFF) + 1) == Drop(Reason.GAVE_UP)
