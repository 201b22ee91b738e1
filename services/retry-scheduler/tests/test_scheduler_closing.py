"""How a case ends, and what may still happen after that."""

import pytest

from recoup_events.values import (
    Attribution,
    CaseState,
    FinalActionOutcome,
    InvoiceStatus,
    RecoveryWay,
    ReversalKind,
    SettledBy,
    SubscriptionStatus,
)

from .scheduler_life import NEW, T0, Life, days, minutes


def to_the_end(life: Life) -> None:
    life.tell(life.failed("stolen_card"))
    life.go(days(14) + minutes(1))


def test_a_retry_that_is_paid_recovers_the_case(life: Life) -> None:
    life.tell(life.failed())
    life.go(days(1) + minutes(1))
    life.tell(life.paid(try_id=life.asked().asked.try_id))
    case = life.case()
    assert (case.state, case.recovered, case.recovered_by) == (
        CaseState.RECOVERED,
        1000,
        RecoveryWay.SCHEDULED_RETRY,
    )
    assert life.story()[-1] == "recovered"


@pytest.mark.parametrize(
    ("by", "how", "way"),
    [
        (Attribution.GATEWAY, SettledBy.CHARGE, RecoveryWay.GATEWAY_RETRY),
        (Attribution.MERCHANT, SettledBy.CHARGE, RecoveryWay.MERCHANT),
        (Attribution.UNKNOWN, SettledBy.CHARGE, RecoveryWay.UNKNOWN),
        (Attribution.UNKNOWN, SettledBy.OUT_OF_BAND, RecoveryWay.OUT_OF_BAND),
        (Attribution.MERCHANT, SettledBy.CREDIT, RecoveryWay.MERCHANT),
    ],
)
def test_whoever_paid_is_named(life: Life, by: Attribution, how: SettledBy, way: RecoveryWay) -> None:
    life.tell(life.failed())
    life.tell(life.paid(by=by, how=how))
    assert life.case().recovered_by is way


def test_a_success_before_its_failure_makes_a_closed_case(life: Life) -> None:
    life.tell(life.paid(after=minutes(5)))
    assert life.story() == []
    life.tell(life.failed())
    assert life.story() == ["recovered"]
    life.go(days(30))
    assert life.story() == ["recovered"]


def test_a_part_of_what_is_owed_closes_nothing(life: Life) -> None:
    life.tell(life.failed(), life.paid(400, charge="ch_1"))
    assert not life.case().closed
    life.tell(life.paid(600, charge="ch_2"))
    assert life.case().recovered == 1000


def test_one_charge_told_twice_counts_once(life: Life) -> None:
    life.tell(life.failed())
    life.tell(life.paid(500, charge="ch_1", intent="pi_1"), life.paid(500, charge=None, intent="pi_1"))
    life.tell(life.paid(500, charge="ch_1"))
    assert not life.case().closed


@pytest.mark.parametrize("status", [InvoiceStatus.VOID, InvoiceStatus.UNCOLLECTIBLE])
def test_an_invoice_that_is_not_payable_any_more_ends_its_case(life: Life, status: InvoiceStatus) -> None:
    life.tell(life.failed())
    life.tell(life.invoice(status))
    assert life.case().state is CaseState.ENDED
    life.go(days(30))
    assert life.tries() == []


def test_an_invoice_void_before_its_failure_was_heard_of_makes_an_ended_case(life: Life) -> None:
    life.tell(life.invoice(InvoiceStatus.VOID))
    life.tell(life.failed())
    assert life.story() == ["ended"]


def test_an_older_snapshot_says_nothing(life: Life) -> None:
    life.tell(life.failed())
    life.tell(life.invoice(InvoiceStatus.OPEN, version=5))
    life.tell(life.invoice(InvoiceStatus.VOID, version=4))
    assert not life.case().closed


def test_a_subscription_cancelled_elsewhere_ends_the_case(life: Life) -> None:
    life.tell(life.failed())
    life.tell(life.subscription(SubscriptionStatus.CANCELED))
    assert life.story() == ["opened", "ended"]


def test_an_invoice_that_reads_as_paid_is_not_tried_and_closes_with_its_success(life: Life) -> None:
    life.tell(life.failed())
    life.go(days(1) - minutes(1))
    life.tell(life.invoice(InvoiceStatus.PAID))
    life.go(days(1) + minutes(0.5))
    assert life.tries() == []
    life.tell(life.paid(by=Attribution.MERCHANT))
    assert life.story() == ["opened", "recovered"]
    assert life.case().recovered_by is RecoveryWay.MERCHANT


def test_an_invoice_that_reads_as_paid_closes_after_two_minutes_if_nobody_says_how(life: Life) -> None:
    life.tell(life.failed())
    life.tell(life.invoice(InvoiceStatus.PAID))
    life.go(minutes(3))
    assert (life.case().state, life.case().recovered_by) == (CaseState.RECOVERED, RecoveryWay.UNKNOWN)


@pytest.mark.parametrize(
    "outcome", [FinalActionOutcome.DONE, FinalActionOutcome.OVERTAKEN, FinalActionOutcome.REFUSED]
)
def test_a_settled_final_action_ends_the_case(life: Life, outcome: FinalActionOutcome) -> None:
    to_the_end(life)
    life.tell(life.final(outcome))
    assert life.story() == ["opened", "ending", "(final)", "ended"]


def test_a_final_action_that_nobody_can_tell_of_is_asked_about_again(life: Life) -> None:
    to_the_end(life)
    life.tell(life.final(FinalActionOutcome.UNKNOWN))
    life.go(days(14) + minutes(11))
    assert life.story() == ["opened", "ending", "(final)", "(final)"]
    assert life.case().revision == 3


def test_our_own_cancellation_is_not_taken_for_somebody_else_s(life: Life) -> None:
    to_the_end(life)
    life.tell(life.subscription(SubscriptionStatus.CANCELED), life.invoice(InvoiceStatus.VOID))
    assert life.case().state is CaseState.ENDING
    life.tell(life.final(FinalActionOutcome.DONE))
    assert life.case().reason == "The payment was not recovered and the subscription was cancelled."


def test_a_final_action_overtaken_by_a_payment_waits_for_its_success(life: Life) -> None:
    to_the_end(life)
    life.tell(life.final(FinalActionOutcome.OVERTAKEN, "invoice_paid"))
    life.tell(life.paid(by=Attribution.CUSTOMER, card=NEW))
    assert life.story() == ["opened", "ending", "(final)", "recovered"]


def test_a_payment_while_ending_recovers(life: Life) -> None:
    to_the_end(life)
    life.tell(life.paid())
    assert life.case().state is CaseState.RECOVERED


def test_a_success_after_the_end_recovers_and_says_so(life: Life) -> None:
    to_the_end(life)
    life.tell(life.final(FinalActionOutcome.DONE))
    life.tell(life.paid())
    assert life.case().state is CaseState.RECOVERED
    assert "after the recovery had ended" in life.case().reason


@pytest.mark.parametrize("kind", [ReversalKind.REFUND, ReversalKind.DISPUTE])
def test_a_refund_or_dispute_reverses_the_recovery_and_never_charges(life: Life, kind: ReversalKind) -> None:
    life.tell(life.failed())
    life.tell(life.paid())
    life.tell(life.back(kind))
    assert life.story() == ["opened", "recovered", "reversed"]
    life.go(days(30))
    assert life.tries() == []


def test_a_part_given_back_leaves_the_rest_recovered(life: Life) -> None:
    life.tell(life.failed())
    life.tell(life.paid())
    life.tell(life.back(ReversalKind.REFUND, 300))
    assert (life.case().state, life.case().recovered) == (CaseState.RECOVERED, 700)


def test_a_bank_return_reopens_with_a_new_ladder_where_the_invoice_is_payable_again(life: Life) -> None:
    life.tell(life.failed())
    life.go(days(1) + minutes(1))
    life.tell(life.paid(try_id=life.asked().asked.try_id))
    life.go(days(5))
    life.tell(life.back(ReversalKind.BANK_RETURN, payable=True))
    case = life.case()
    assert (case.state, case.position, case.next_try_at) == (CaseState.SCHEDULED, 0, T0 + days(6))
    assert case.resolve_by == T0 + days(19)
    assert case.recovered is None


@pytest.mark.parametrize("gone", ["cancelled", "void"])
def test_what_went_back_of_a_recovered_case_that_nobody_can_pay_any_more_ends_it(
    life: Life, gone: str
) -> None:
    life.tell(life.failed())
    life.tell(life.paid(by=Attribution.CUSTOMER))
    if gone == "cancelled":
        life.tell(life.subscription(SubscriptionStatus.CANCELED))
    else:
        life.tell(life.invoice(InvoiceStatus.VOID))
    life.tell(life.back(ReversalKind.BANK_RETURN, payable=True))
    assert life.case().state is CaseState.ENDED
    assert (life.case().recovered, life.case().recovered_by) == (None, None)
    assert life.story()[-2:] == ["recovered", "ended"]


def test_a_bank_return_that_is_not_payable_again_reverses(life: Life) -> None:
    life.tell(life.failed(), life.paid())
    life.tell(life.back(ReversalKind.BANK_RETURN))
    assert life.case().state is CaseState.REVERSED


def test_a_reversal_that_names_only_the_charge_finds_its_invoice(life: Life) -> None:
    life.tell(life.failed(), life.back(invoice=None))
    life.tell(life.paid())
    assert life.case().state is CaseState.REVERSED


def test_another_charge_after_a_reversal_recovers_again(life: Life) -> None:
    life.tell(life.failed(), life.paid(charge="ch_1"), life.back(charge="ch_1"))
    life.tell(life.paid(charge="ch_2"))
    assert life.case().state is CaseState.RECOVERED
