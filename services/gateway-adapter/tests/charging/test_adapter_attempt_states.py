"""The state machine of an attempt, on its own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from uuid import UUID

import pytest

from recoup_events.values import TRY_WITHIN, AttemptState, InvoiceStatus, Precedence, TryKind
from recoup_gateway_adapter.charging import domain
from recoup_gateway_adapter.charging.domain import (
    LOOK_UP_AFTER,
    MOVES,
    REPEAT_AFTER,
    Absent,
    Answer,
    Attempt,
    Captured,
    ChargeOutcome,
    ChargeResult,
    ChargeSeen,
    Circumstances,
    Declined,
    Finding,
    InFlight,
    InvoiceSeen,
    NeedsAction,
    Never,
    NoAnswer,
    NotNow,
    Payment,
    Processing,
    Refused,
    Send,
    TakeOver,
    Unclear,
    Unprocessed,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
S = AttemptState


def planned(**more: object) -> Attempt:
    fields: dict[str, object] = {
        "merchant_id": "m_1",
        "account_id": "acct_1",
        "customer_id": "cus_1",
        "attempt_id": UUID(int=1),
        "invoice_id": "in_1",
        "number": 1,
        "idempotency_key": "recoup:m_1:acct_1:in_1:1",
        "body": b"off_session=true",
        "kind": TryKind.SCHEDULED,
        "customer_present": False,
    }
    return Attempt(**{**fields, **more})  # type: ignore[arg-type]  # a builder of keywords


def sent(times: int = 1, /, **more: object) -> Attempt:
    attempt = planned(**more)
    for _ in range(times):
        attempt = domain.sending(attempt, NOW)
    return attempt


def standing(state: AttemptState, **more: object) -> Attempt:
    if state is S.PLANNED:
        return planned(**more)
    if state is S.SENDING:
        return sent(1, **more)
    return replace(sent(1, **more), state=state, action_until=NOW + timedelta(minutes=30))


ANSWERS: list[Answer] = [
    Captured("ch_1", "pi_1"),
    Declined("ch_1", "pi_1", "insufficient_funds"),
    Processing("ch_1", "pi_1"),
    NeedsAction("pi_1", "https://pay"),
    Refused("invoice_not_open"),
    Unprocessed("throttled", timedelta(seconds=5)),
    InFlight(),
    NoAnswer("timeout"),
]
FINDINGS: list[Finding] = [*ANSWERS[:4], Absent(), Unclear("http_500")]  # type: ignore[list-item]  # the outcomes


@pytest.mark.parametrize(
    ("answer", "present", "becomes"),
    [
        (ANSWERS[0], False, S.SUCCEEDED),
        (ANSWERS[1], False, S.DECLINED),
        (ANSWERS[2], False, S.PENDING),
        (ANSWERS[3], False, S.DECLINED),
        (ANSWERS[3], True, S.REQUIRES_ACTION),
        (ANSWERS[4], False, S.NOT_SENT),
        (ANSWERS[5], False, S.PLANNED),
        (ANSWERS[6], False, S.SENDING),
        (ANSWERS[7], False, S.SENDING),
    ],
)
def test_what_the_first_answer_makes_of_an_attempt(
    answer: Answer, becomes: AttemptState, *, present: bool
) -> None:
    change = domain.answered(sent(customer_present=present), answer, NOW)
    assert change.attempt.state is becomes
    assert (change.again_at is None) == (becomes in domain.SETTLED)


@pytest.mark.parametrize(("times", "answer"), list(product((2, 3, 4), ANSWERS)))
def test_an_earlier_request_in_doubt_is_never_taken_for_unsent(times: int, answer: Answer) -> None:
    change = domain.answered(sent(times), answer, NOW)
    assert change.attempt.state not in (S.PLANNED, S.NOT_SENT)


def test_off_session_nothing_rests_in_requires_action() -> None:
    change = domain.answered(sent(), NeedsAction("pi_1", None), NOW)
    assert (change.attempt.state, change.attempt.decline_code) == (S.DECLINED, "authentication_required")


def test_a_silence_is_followed_by_the_same_request_after_2_10_and_60_seconds_then_by_a_look_up() -> None:
    attempt, waited = sent(), []
    while attempt.state is S.SENDING:
        change = domain.answered(attempt, NoAnswer("timeout"), NOW)
        assert change.again_at is not None
        waited.append(change.again_at - NOW)
        attempt = change.attempt if change.attempt.state is S.UNKNOWN else domain.sending(change.attempt, NOW)
    assert waited == [*REPEAT_AFTER, LOOK_UP_AFTER[0]]
    assert attempt.idempotency_key == planned().idempotency_key
    assert attempt.body == planned().body


def test_a_refused_request_uses_no_try_and_is_as_if_it_had_never_been() -> None:
    change = domain.answered(sent(), Unprocessed("throttled", timedelta(seconds=7)), NOW)
    assert replace(change.attempt, revision=0, reason="planned") == planned()
    assert change.again_at == NOW + timedelta(seconds=7)


def test_a_throttled_repeat_leaves_the_first_request_in_doubt() -> None:
    change = domain.answered(sent(2), Unprocessed("throttled", timedelta(seconds=7)), NOW)
    assert (change.attempt.state, change.attempt.unanswered) == (S.SENDING, 1)


def test_a_refusal_in_doubt_is_looked_up_at_once() -> None:
    change = domain.answered(sent(2), Refused("invoice_already_paid"), NOW)
    assert (change.attempt.state, change.again_at) == (S.UNKNOWN, NOW)


@pytest.mark.parametrize(
    ("age", "young"),
    [(timedelta(hours=19), True), (timedelta(hours=20), False), (timedelta(seconds=-1), False)],
)
def test_a_key_is_used_for_the_gateways_window_less_four_hours(age: timedelta, *, young: bool) -> None:
    assert domain.key_is_young(sent(), NOW + age, DAY) is young


def test_not_found_is_believed_only_a_quarter_of_an_hour_after_the_time_out() -> None:
    unknown = standing(S.UNKNOWN)
    believed = NOW + domain.REQUEST_TIMEOUT + timedelta(minutes=15)
    early = domain.looked_up(unknown, Absent(), believed - timedelta(seconds=1))
    assert (early.attempt.state, early.again_at is None) == (S.UNKNOWN, False)
    late = domain.looked_up(unknown, Absent(), believed)
    assert (late.attempt.state, late.attempt.reason) == (S.NOT_SENT, "not_found")


def test_an_unknown_outcome_is_looked_up_for_five_days_and_then_a_person_must() -> None:
    attempt, now, waited = standing(S.UNKNOWN), NOW, []
    while True:
        change = domain.looked_up(attempt, Unclear("http_500"), now)
        attempt = change.attempt
        if change.again_at is None:
            break
        waited.append(change.again_at - now)
        now = change.again_at
    assert waited == list(LOOK_UP_AFTER[1:])
    assert (attempt.state, attempt.reason) == (S.UNKNOWN, domain.NEEDS_PERSON)


def test_authentication_ends_after_half_an_hour_and_not_before() -> None:
    waiting = standing(S.REQUIRES_ACTION, customer_present=True)
    early = domain.looked_up(waiting, NeedsAction("pi_1"), NOW + timedelta(minutes=29))
    assert early.attempt.state is S.REQUIRES_ACTION
    late = domain.looked_up(waiting, NeedsAction("pi_1"), NOW + timedelta(minutes=30))
    assert (late.attempt.state, late.attempt.reason) == (S.NOT_SENT, "authentication_expired")


@pytest.mark.parametrize("finding", FINDINGS, ids=repr)
def test_only_an_attempt_that_waits_for_its_customer_is_superseded(finding: Finding) -> None:
    for state in S:
        if state is not S.REQUIRES_ACTION:
            assert domain.superseded(standing(state, customer_present=True), finding, NOW) is None
    change = domain.superseded(standing(S.REQUIRES_ACTION, customer_present=True), finding, NOW)
    if isinstance(finding, Unclear):
        assert change is None
    else:
        assert change is not None
        assert change.attempt.state is not S.REQUIRES_ACTION


def test_every_step_of_every_state_is_one_that_may_be_made() -> None:
    """Exhaustive: states by answers, findings and facts; `moved` refuses whatever MOVES does not list."""
    seen: set[tuple[AttemptState, AttemptState]] = set()
    facts = [
        ChargeOutcome(merchant_id="m_1", account_id="acct_1", result=result, charge_id="ch_1")
        for result in ChargeResult
    ]
    for present, late in product((False, True), (timedelta(0), timedelta(hours=1))):
        now = NOW + late
        for times, answer in product((1, 2, 4), ANSWERS):
            attempt = sent(times, customer_present=present)
            seen.add((S.SENDING, domain.answered(attempt, answer, now).attempt.state))
        for state, finding in product((S.PENDING, S.REQUIRES_ACTION, S.UNKNOWN), FINDINGS):
            attempt = standing(state, customer_present=present)
            seen.add((state, domain.looked_up(attempt, finding, now).attempt.state))
        for state, fact in product(S, facts):
            change = domain.told(standing(state, customer_present=present), fact, now)
            if change is not None:
                seen.add((state, change.attempt.state))
    seen.add((S.PLANNED, sent().state))
    seen.add((S.PLANNED, domain.not_sent(planned(), "too_late").attempt.state))
    assert {(was, becomes) for was, becomes in seen if was is not becomes} == {
        (was, becomes) for was, allowed in MOVES.items() for becomes in allowed
    }


@pytest.mark.parametrize("state", sorted(domain.SETTLED))
def test_a_settled_attempt_hears_no_fact(state: AttemptState) -> None:
    fact = ChargeOutcome(merchant_id="m_1", account_id="acct_1", result=ChargeResult.SUCCEEDED)
    assert domain.told(standing(state), fact, NOW) is None
    with pytest.raises(AssertionError):
        standing(state).moved(S.SENDING, "again")


def test_the_charge_that_was_there_before_the_request_settles_nothing() -> None:
    waiting = replace(standing(S.REQUIRES_ACTION), seen_charge_id="ch_before")
    failed = ChargeOutcome(
        merchant_id="m_1", account_id="acct_1", result=ChargeResult.FAILED, charge_id="ch_before"
    )
    assert domain.told(waiting, failed, NOW) is None
    own = domain.told(waiting, replace(failed, charge_id="ch_own"), NOW)
    assert own is not None
    assert own.attempt.state is S.DECLINED


# --- readiness --------------------------------------------------------------------------------------------


def around(**more: object) -> Circumstances:
    return Circumstances(**{"precedence": Precedence.PLATFORM_MANAGEMENT, **more})  # type: ignore[arg-type]  # a builder of keywords


def invoice(**more: object) -> InvoiceSeen:
    fields: dict[str, object] = {
        "invoice_id": "in_1",
        "customer_id": "cus_1",
        "status": InvoiceStatus.OPEN,
        "owed": 1200,
        "charged_automatically": True,
        "collected_by_gateway": False,
        "payment": Payment.NEEDS_METHOD,
        "payment_intent_id": "pi_1",
    }
    return InvoiceSeen(**{**fields, **more})  # type: ignore[arg-type]  # a builder of keywords


def test_a_try_whose_time_has_passed_is_never_sent() -> None:
    attempt = planned(not_after=NOW)
    assert domain.allowed(attempt, around(), NOW) == Send()
    assert domain.allowed(attempt, around(), NOW + timedelta(seconds=1)) == Never("too_late")


def test_a_try_that_a_clock_ahead_of_ours_asked_for_waits_until_it_is_time() -> None:
    attempt = planned(not_after=NOW + TRY_WITHIN)
    assert domain.allowed(attempt, around(), NOW) == Send()
    early = NOW - timedelta(hours=25)
    assert domain.allowed(attempt, around(), early) == NotNow("too_early", NOW)


@pytest.mark.parametrize("precedence", [Precedence.GATEWAY_DEFAULT, Precedence.UNKNOWN])
def test_where_the_gateway_collects_only_a_customer_who_is_present_is_charged(
    precedence: Precedence,
) -> None:
    watching = around(precedence=precedence)
    assert domain.allowed(planned(), watching, NOW) == Never("gateway_default")
    assert domain.allowed(planned(customer_present=True), watching, NOW) == Send()


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"stopped": "everything"}, "stopped_everything"),
        ({"stopped": "merchant"}, "stopped_merchant"),
        ({"held": True}, "held"),
        ({"ending": True}, "final_action"),
        ({"holder": standing(S.SENDING)}, "locked"),
        ({"holder": standing(S.UNKNOWN)}, "locked"),
        ({"holder": standing(S.PENDING)}, "locked"),
    ],
)
def test_what_stands_in_the_way_is_waited_for(more: dict[str, object], why: str) -> None:
    for present in (False, True):
        found = domain.allowed(planned(customer_present=present), around(**more), NOW)
        assert isinstance(found, NotNow)
        assert found.why == why


def test_only_the_customer_takes_over_from_an_attempt_that_waits_for_the_customer() -> None:
    holder = standing(S.REQUIRES_ACTION, customer_present=True)
    held = around(holder=holder)
    assert domain.allowed(planned(customer_present=True), held, NOW) == TakeOver(holder)
    assert isinstance(domain.allowed(planned(), held, NOW), NotNow)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({}, None),
        ({"customer_id": "cus_2"}, "another_customer"),
        ({"status": InvoiceStatus.PAID}, "invoice_paid"),
        ({"status": InvoiceStatus.VOID}, "invoice_void"),
        ({"status": InvoiceStatus.UNCOLLECTIBLE}, "invoice_uncollectible"),
        ({"status": InvoiceStatus.DRAFT}, "invoice_draft"),
        ({"status": InvoiceStatus.UNKNOWN}, "invoice_unknown"),
        ({"owed": 0}, "nothing_owed"),
        ({"charged_automatically": False}, "send_invoice"),
        ({"payment": Payment.PROCESSING}, "payment_processing"),
        ({"payment": Payment.SUCCEEDED}, "payment_succeeded"),
    ],
)
def test_only_what_is_open_owed_and_this_customers_is_charged(
    more: dict[str, object], reason: str | None
) -> None:
    assert domain.payable(planned(), invoice(**more)) == (Never(reason) if reason else None)


def test_every_invoice_status_is_judged() -> None:
    refused = [status for status in InvoiceStatus if domain.payable(planned(), invoice(status=status))]
    assert refused == [status for status in InvoiceStatus if status is not InvoiceStatus.OPEN]


def charges(*found: tuple[str, ChargeResult, str]) -> tuple[ChargeSeen, ...]:
    return tuple(
        ChargeSeen(charge_id=i, result=r, instrument_id=pm, code="do_not_honor") for i, r, pm in found
    )


OLD = ("ch_old", ChargeResult.FAILED, "pm_1")


@pytest.mark.parametrize(
    ("listed", "found"),
    [
        ((OLD,), Absent()),
        ((), Absent()),
        ((("ch_new", ChargeResult.SUCCEEDED, "pm_1"), OLD), Captured("ch_new", "pi_1")),
        ((("ch_new", ChargeResult.FAILED, "pm_1"), OLD), Declined("ch_new", "pi_1", "do_not_honor")),
        ((("ch_new", ChargeResult.PENDING, "pm_1"), OLD), Processing("ch_new", "pi_1")),
        ((("ch_other", ChargeResult.SUCCEEDED, "pm_2"), OLD), Absent()),
        (
            (("ch_2", ChargeResult.SUCCEEDED, "pm_1"), ("ch_1", ChargeResult.FAILED, "pm_1"), OLD),
            Captured("ch_2", "pi_1"),
        ),
    ],
)
def test_an_unknown_outcome_is_found_among_the_charges_made_since(
    listed: tuple[tuple[str, ChargeResult, str], ...], found: Finding
) -> None:
    unknown = standing(S.UNKNOWN, instrument_id="pm_1", seen_charge_id="ch_old")
    unknown = replace(unknown, seen_charge_id="ch_old")
    assert domain.finding(unknown, invoice(charges=charges(*listed))) == found


def test_charges_that_were_not_read_prove_nothing() -> None:
    assert domain.finding(standing(S.UNKNOWN), invoice(charges=None)) == Unclear("charges_not_read")


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"payment": Payment.SUCCEEDED, "latest_charge_id": "ch_9"}, Captured("ch_9", "pi_1")),
        ({"payment": Payment.PROCESSING, "latest_charge_id": "ch_9"}, Processing("ch_9", "pi_1")),
        ({"payment": Payment.NEEDS_ACTION, "page_url": "https://p"}, NeedsAction("pi_1", "https://p")),
        (
            {"payment": Payment.NEEDS_METHOD, "failure": "payment_intent_authentication_failure"},
            Declined(None, "pi_1", "payment_intent_authentication_failure"),
        ),
        ({"payment": Payment.NONE}, Absent()),
    ],
)
def test_what_became_of_an_authentication_is_read_from_the_payment(
    more: dict[str, object], found: Finding
) -> None:
    waiting = standing(S.REQUIRES_ACTION, customer_present=True)
    assert domain.finding(waiting, invoice(charges=(), **more)) == found


@pytest.mark.parametrize(
    ("state", "reason", "goes_on"),
    [
        (S.SUCCEEDED, "captured", True),
        (S.PENDING, "processing", True),
        (S.DECLINED, "do_not_honor", False),
        (S.NOT_SENT, "invoice_paid", True),
        (S.NOT_SENT, "nothing_owed", True),
        (S.NOT_SENT, "superseded", False),
        (S.UNKNOWN, "timeout", None),
        (S.REQUIRES_ACTION, "authentication_required", None),
        (S.SENDING, "sending", None),
        (S.PLANNED, "planned", None),
    ],
)
def test_a_card_session_goes_on_after_success_and_stops_at_a_decline(
    state: AttemptState, reason: str, *, goes_on: bool | None
) -> None:
    assert domain.session_goes_on(replace(standing(state), reason=reason)) is goes_on
