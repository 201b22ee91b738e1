from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest

from recoup_events.values import CaseState, FinalAction, MessageKind, WaitingFor
from recoup_notifier.sequences.domain import Ask, Case, Decisions, ask_of, fold

START = datetime(2026, 10, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)

OPENED = Case(
    merchant_id="m_1",
    case_id=UUID(int=1),
    account_id="acct_1",
    customer_id="cus_1",
    revision=1,
    state=CaseState.SCHEDULED,
    failed_at=START,
    resolve_by=START + 14 * DAY,
    final_action=FinalAction.CANCEL,
    invoice_id="in_1",
    owed_minor=2900,
    currency="EUR",
    next_try_at=START + DAY,
    decline_class="insufficient_funds",
    decline_action="retry_scheduled",
)


def told(*changes: Case) -> Decisions:
    """Fold changes one batch each, as a slow consumer would, and gather what was decided."""
    known: dict[tuple[str, UUID], Case] = {}
    everything = Decisions()
    for change in changes:
        decisions = fold(known, [change])
        known.update(decisions.cases)
        everything.cases.update(decisions.cases)
        everything.messages.extend(decisions.messages)
        everything.superseded.update(decisions.superseded)
    return everything


def said(*changes: Case) -> list[tuple[int, MessageKind]]:
    one_by_one = [(m.revision, m.kind) for m in told(*changes).messages]
    at_once = [(m.revision, m.kind) for m in fold({}, changes).messages]
    assert one_by_one == at_once, "batching changed what is said"
    return one_by_one


def then(case: Case, state: CaseState, **facts: object) -> Case:
    fresh: dict[str, object] = {"next_try_at": None, "waiting_for": None, **facts}
    return replace(case, revision=case.revision + 1, state=state, **fresh)  # type: ignore[arg-type]  # builder


TRYING = then(OPENED, CaseState.TRYING)
FAILED_AGAIN = then(TRYING, CaseState.SCHEDULED, next_try_at=START + 3 * DAY, tries_made=1)


def test_the_first_failure_is_told_once() -> None:
    assert said(OPENED) == [(1, MessageKind.PAYMENT_FAILED)]
    assert said(OPENED, OPENED) == [(1, MessageKind.PAYMENT_FAILED)]


def test_a_try_under_way_is_not_told() -> None:
    assert said(OPENED, TRYING) == [(1, MessageKind.PAYMENT_FAILED)]


def test_a_try_that_failed_is_told_with_its_new_plan() -> None:
    assert said(OPENED, TRYING, FAILED_AGAIN)[1:] == [(3, MessageKind.PAYMENT_FAILED)]


def test_a_new_plan_without_a_failed_try_is_not_told() -> None:
    replanned = then(OPENED, CaseState.SCHEDULED, next_try_at=START + 2 * DAY)
    assert said(OPENED, replanned) == [(1, MessageKind.PAYMENT_FAILED)]


@pytest.mark.parametrize("whom", [WaitingFor.CARD, WaitingFor.CUSTOMER])
def test_waiting_for_the_customer_is_told_once_however_it_began(whom: WaitingFor) -> None:
    waiting = then(TRYING, CaseState.WAITING, waiting_for=whom, tries_made=1)
    still = then(waiting, CaseState.WAITING, waiting_for=whom, tries_made=1)
    assert said(OPENED, TRYING, waiting, still) == [
        (1, MessageKind.PAYMENT_FAILED),
        (3, MessageKind.PAYMENT_FAILED),
    ]
    assert said(replace(waiting, revision=1)) == [(1, MessageKind.PAYMENT_FAILED)]


def test_waiting_for_a_card_is_told_though_no_try_of_ours_failed() -> None:
    removed = then(OPENED, CaseState.WAITING, waiting_for=WaitingFor.CARD)
    assert said(OPENED, removed) == [(1, MessageKind.PAYMENT_FAILED), (2, MessageKind.PAYMENT_FAILED)]


@pytest.mark.parametrize("whom", [WaitingFor.MERCHANT, WaitingFor.AGREEMENT, WaitingFor.UNKNOWN])
def test_nobody_is_written_to_while_another_must_act(whom: WaitingFor) -> None:
    assert said(then(OPENED, CaseState.WAITING, waiting_for=whom)) == []


@pytest.mark.parametrize("action", ["fix_by_merchant", "not_a_decline"])
def test_the_customer_hears_nothing_of_the_merchants_fault(action: str) -> None:
    assert said(replace(OPENED, decline_action=action)) == []


@pytest.mark.parametrize("end", [CaseState.ENDING, CaseState.ENDED, CaseState.REVERSED, CaseState.UNKNOWN])
def test_no_end_but_recovery_is_told(end: CaseState) -> None:
    assert said(OPENED, then(OPENED, end)) == [(1, MessageKind.PAYMENT_FAILED)]


def test_recovery_is_told_once_and_keeps_the_amount_that_was_owed() -> None:
    recovered = then(OPENED, CaseState.RECOVERED, owed_minor=0)
    again = then(recovered, CaseState.RECOVERED, owed_minor=0)
    assert said(OPENED, recovered, again)[1:] == [(2, MessageKind.ALL_SET)]
    assert told(OPENED, recovered).cases[OPENED.key].owed_minor == 2900


@pytest.mark.parametrize("end", [CaseState.RECOVERED, CaseState.ENDED, CaseState.REVERSED])
def test_what_is_still_unsent_is_dropped_when_the_case_closes(end: CaseState) -> None:
    assert told(OPENED, then(OPENED, end)).superseded == {OPENED.key: 2}


def test_a_newer_message_supersedes_an_unsent_older_one_but_not_itself() -> None:
    assert told(OPENED, TRYING, FAILED_AGAIN).superseded == {OPENED.key: FAILED_AGAIN.revision}
    assert told(OPENED, TRYING).superseded == {OPENED.key: OPENED.revision}


def test_an_older_revision_changes_nothing() -> None:
    late = fold(fold({}, [OPENED, TRYING, FAILED_AGAIN]).cases, [OPENED, TRYING, FAILED_AGAIN])
    assert late == Decisions()


def test_a_case_that_opens_again_is_told_again() -> None:
    recovered = then(OPENED, CaseState.RECOVERED)
    returned = then(recovered, CaseState.SCHEDULED, next_try_at=START + 5 * DAY)
    assert said(OPENED, recovered, returned)[-1] == (3, MessageKind.PAYMENT_FAILED)


def test_every_message_of_a_case_has_an_id_of_its_own_and_keeps_it() -> None:
    changes = [OPENED, TRYING, FAILED_AGAIN, then(FAILED_AGAIN, CaseState.RECOVERED)]
    ids = [message.message_id for message in told(*changes).messages]
    assert len(set(ids)) == 3
    assert ids == [message.message_id for message in fold({}, changes).messages]


def test_what_the_customer_can_do_follows_from_the_case_as_it_stands() -> None:
    assert ask_of(OPENED) is Ask.NOTHING
    assert ask_of(replace(OPENED, next_try_at=None)) is Ask.PAY
    assert ask_of(TRYING) is Ask.TRYING


def test_revisions_of_the_examples_rise() -> None:
    assert all(a.revision < b.revision for a, b in pairwise([OPENED, TRYING, FAILED_AGAIN]))
