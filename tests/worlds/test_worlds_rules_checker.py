"""The rules' checker: what each rule forbids is found, what stands just beside it is left alone."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

import pytest

from .rules_checker import Readings, Violation, check
from .rules_table import RULES
from .rules_wire import Given, Line, Step, pair

START = dt.datetime(2025, 3, 3, 12, tzinfo=dt.UTC)  # a Monday
LONG: Line = {"type": "policy", "merchant": "m1", "max_tries": 60, "window_days": 60, "min_gap_hours": 1}


def at(hours: float) -> str:
    return f"{(START + dt.timedelta(hours=hours)).isoformat()[:19]}Z"


def failure(hours: float = 0, case: str = "c1", **told: Any) -> Line:
    usual: Line = {
        "type": "failure",
        "at": at(hours),
        "case": case,
        "merchant": "m1",
        "customer": "u1",
        "instrument": "k1",
        "amount_minor": 1999,
        "currency": "EUR",
        "gateway": "stripe",
        "code": "insufficient_funds",
        "brand": "visa",
        "country": "DE",
        "funding": "debit",
    }
    return usual | told


def outcome(hours: float, case: str = "c1", *, success: bool = False, **told: Any) -> Line:
    line: Line = {"type": "outcome", "at": at(hours), "case": case, "success": success}
    return line if success else line | {"code": "insufficient_funds"} | told


def card(hours: float, instrument: str = "k2") -> Line:
    return {"type": "card_updated", "at": at(hours), "customer": "u1", "instrument": instrument}


def retry(hours: float, case: str = "c1", **told: Any) -> Line:
    return {
        "case": case,
        "action": "retry",
        "at": at(hours),
        "p": 0.3,
        "propensity": 1.0,
        "reason": "so",
    } | told


def stop(case: str = "c1") -> Line:
    return {"case": case, "action": "stop", "reason": "so"}


def wait(case: str = "c1", awaited: str = "card_updated") -> Line:
    return {"case": case, "action": "wait", "for": awaited, "reason": "so"}


Told = tuple[Given, *tuple[Line, ...]]


def violations(*story: Told, readings: Readings | None = None) -> list[Violation]:
    """Check a story of inputs, each with its answers, which get their numbers here."""
    steps = [
        Step(given, [{"line": number, **answer} for answer in answers])
        for number, (given, *answers) in enumerate(story, 1)
    ]
    return check(steps, readings)


def broken(*story: Told, readings: Readings | None = None) -> set[str]:
    return {violation.rule for violation in violations(*story, readings=readings)}


def declined(times: Iterable[float], **told: Any) -> list[Told]:
    """A case that somebody charges again and again, for which nothing is planned."""
    first, *others = times
    return [(LONG,), (failure(first, **told), stop()), *((outcome(hours), stop()) for hours in others)]


# --- what a code forbids -----------------------------------------------------------------------------------

NEVER: list[tuple[Line, str]] = [
    ({"network_code": "04"}, "visa_category_1"),
    ({"network_code": "r1"}, "visa_category_1"),
    ({"network_code": "R0"}, "visa_category_1_payment"),
    ({"network_advice": "1"}, "visa_category_1"),
    ({"brand": "mastercard", "network_advice": "03"}, "mastercard_never"),
    ({"brand": "MasterCard", "network_advice": "21"}, "mastercard_never"),
    ({"brand": "mastercard", "network_advice": "01"}, "mastercard_update_first"),
    ({"gateway": "adyen", "code": "2", "network_code": "41 : Lost card"}, "visa_category_1"),
    ({"gateway": "adyen", "code": "46"}, "adyen_blocked"),
    ({"gateway": "braintree", "brand": "mastercard", "code": "2019"}, "braintree_mastercard"),
    ({"gateway": "braintree", "code": "2015"}, "braintree_recurring"),
    ({"gateway": "checkout.com", "code": "30041"}, "checkout_visa"),
    ({"gateway": "paypal", "code": "PPRN"}, "paypal_prohibited"),
    ({"gateway": "ach", "brand": None, "code": "R07"}, "ach_never"),
    ({"brand": "us_bank_account", "network_code": "R08"}, "ach_never"),
    ({"gateway": "sepa_dd", "brand": None, "code": "AC04"}, "sepa_never"),
    ({"gateway": "gocardless", "brand": "bacs", "network_code": "ARUDD-1"}, "bacs_never"),
    ({"gateway": "becs", "brand": None, "code": "2"}, "becs_never"),
    ({"gateway": "becs", "brand": None, "code": "8"}, "becs_fix_first"),
    ({"code": " Expired_CARD "}, "needs_new_card"),
    ({"advice": "confirm_card_data"}, "needs_new_card"),
    ({"code": "fraudulent"}, "never_retry"),
    ({"advice": "do_not_try_again"}, "never_retry"),
    ({"code": "authentication_required"}, "needs_customer_authentication"),
    ({"gateway": "adyen", "brand": None, "network_code": "03"}, "fix_by_merchant"),
    ({"country": "IN"}, "india_card"),
    ({"gateway": "ach", "brand": None, "code": "R18"}, "ach_reason"),
    ({"gateway": "sepa_dd", "brand": None, "code": "MS03", "country": "FR"}, "sepa_country"),
    ({"gateway": "sepa_dd", "brand": None, "code": "MS03", "country": None}, "sepa_country"),
]


@pytest.mark.parametrize(("told", "rule"), NEVER)
def test_what_a_decline_forbids_is_not_tried_again(told: Line, rule: str) -> None:
    found = broken((failure(**told), retry(200)))
    assert rule in found
    assert found <= {rule} | {name for name, row in RULES.items() if row.limit == 0} | {"ach_reason"}


@pytest.mark.parametrize(("told", "rule"), NEVER)
def test_another_instrument_may_be_tried_at_once(told: Line, rule: str) -> None:
    assert broken((failure(**told), wait()), (card(2), retry(2))) == set()
    assert rule in broken((failure(**told), wait()), (card(2, "k1"), retry(200)))


@pytest.mark.parametrize(
    "told",
    [
        {"network_code": "51"},
        {"network_code": "05", "network_advice": "4"},
        {"code": None},
        {"code": "heard_by_nobody"},
        {"gateway": "unheard-of", "code": "17", "brand": None},
        {"brand": "mastercard", "network_advice": "02"},
        {"brand": "amex", "network_code": "05"},
        {"gateway": "ach", "brand": None, "code": "r01"},
        {"gateway": "gocardless", "brand": "ach", "code": "insufficient_funds"},
        {"gateway": "sepa_dd", "brand": None, "code": "MS03", "country": "AT"},
        {"gateway": "gocardless", "brand": "bacs", "network_code": "ARUDD-0"},
        {"country": "IN", "gateway": "razorpay", "brand": "upi"},
        {"gateway": "checkout.com", "code": "20051"},
    ],
)
def test_what_no_rule_forbids_is_left_alone(told: Line) -> None:
    assert broken((failure(**told), retry(200))) == set()


def test_a_networks_code_beats_the_gateways() -> None:
    forgiving = Readings(gateway_stop_holds=False)
    assert "visa_category_1" in broken((failure(network_code="41"), retry(48)), readings=forgiving)
    expired = failure(code="expired_card", network_code="51")
    assert broken((expired, retry(48))) == {"needs_new_card"}
    assert broken((expired, retry(48)), readings=forgiving) == set()
    assert broken((failure(code="expired_card"), retry(48)), readings=forgiving) == {"needs_new_card"}


def test_an_error_that_is_no_decline_ends_it() -> None:
    assert broken((failure(code="lock_timeout", network_code="51"), retry(48))) == {"not_a_decline"}


def test_a_lost_card_is_lost_for_every_invoice_of_the_merchant() -> None:
    other = failure(1, "c2", code="lost_card", customer="u2")
    story: list[Told] = [(failure(), retry(48)), (other, wait("c2"))]
    assert broken(*story, (outcome(48, code="do_not_honor"), stop())) == {"needs_new_card"}
    assert broken(*story[:1], (other, stop(), wait("c2")), (outcome(48), stop())) == set()
    elsewhere = other | {"merchant": "m2"}
    assert broken(*story[:1], (elsewhere, wait("c2")), (outcome(48), stop())) == set()


def test_a_duplicate_stops_its_own_case_alone() -> None:
    other = failure(1, "c2", code="duplicate_transaction")
    assert broken((failure(), retry(48)), (other, stop("c2")), (outcome(48), retry(72))) == set()


def test_authentication_is_over_when_somebody_charged_since() -> None:
    asked: Told = (failure(code="authentication_required"), wait(awaited="customer_authentication"))
    assert broken(asked, (outcome(5), retry(48))) == set()


# --- waits and gaps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("advice", "hours"), [(24, 1), (25, 24), (26, 48), (27, 96), (28, 144), (29, 192), (30, 240)]
)
def test_mastercards_advice_to_wait_is_followed(advice: int, hours: int) -> None:
    told = failure(brand="mastercard", network_advice=str(advice))
    eager = LONG | {"min_gap_hours": 0}
    assert broken((eager,), (told, retry(hours))) == set()
    assert broken((eager,), (told, retry(hours - 0.01))) == {f"mastercard_wait_{advice}"}


def test_ten_hours_lie_between_tries_and_one_after_a_technical_failure() -> None:
    assert broken((failure(), retry(9.9))) == {"min_gap"}
    assert broken((failure(), retry(10))) == set()
    assert broken((failure(code="processing_error"), retry(0.9))) == {"technical_gap"}
    assert broken((failure(code="processing_error"), retry(1))) == set()
    assert broken((failure(), retry(20)), (outcome(20), retry(29))) == {"min_gap"}


def test_a_case_keeps_its_policy_or_follows_the_new_one() -> None:
    opened: list[Told] = [({"type": "policy", "merchant": "m1", "window_days": 7},), (failure(), retry(24))]
    wider: Told = ({"type": "policy", "merchant": "m1", "window_days": 21},)
    assert broken(*opened, (outcome(24), retry(24 * 8))) == {"window"}
    assert broken(*opened, wider, (outcome(24), retry(24 * 8))) == set()
    assert broken(*opened, wider, (outcome(24), retry(24 * 21 + 1))) == {"window"}


def test_tries_end_with_their_number() -> None:
    story: list[Told] = [(failure(), retry(24)), (outcome(24), retry(48)), (outcome(48), retry(72))]
    assert broken(*story, (outcome(72), stop())) == set()
    assert broken(*story, (outcome(72), retry(96))) == {"max_tries"}
    assert broken(*story, (outcome(70), retry(96)), (outcome(96), stop())) == set()


def test_a_try_is_neither_past_nor_after_the_window() -> None:
    assert broken((failure(), retry(14 * 24))) == set()
    assert broken((failure(), retry(14 * 24 + 0.01))) == {"window"}
    assert broken((failure(), retry(24)), (card(30), retry(29))) == {"in_the_past"}


def test_a_paid_case_is_over_whichever_came_first() -> None:
    paid = outcome(24, success=True)
    assert broken((failure(), retry(24)), (paid,), (failure(0), retry(48))) == {"after_success"}
    assert broken((paid,), (failure(), retry(48))) == {"after_success"}
    assert broken((failure(), retry(24)), (paid,), (failure(0), stop())) == set()


def test_a_new_cards_try_is_one_of_them_unless_it_is_read_otherwise() -> None:
    once: Line = {"type": "policy", "merchant": "m1", "max_tries": 1}
    story: list[Told] = [(once,), (failure(), retry(24)), (outcome(24), wait()), (card(30), retry(30))]
    free = Readings(new_card_uses_a_step=False)
    assert broken(*story) == {"max_tries"}
    assert broken(*story, readings=free) == set()
    assert broken(*story, (outcome(30), retry(50)), readings=free) == {"max_tries"}


def test_a_lost_card_may_be_read_as_lost_for_one_invoice() -> None:
    other: Told = (failure(1, "c2", code="lost_card"), wait("c2"))
    alone = Readings(stops_reach_other_cases=False)
    assert broken((failure(), retry(24)), other, (outcome(24), stop()), readings=alone) == set()
    assert broken((failure(code="lost_card"), retry(24)), readings=alone) == {"needs_new_card"}


def test_ach_may_be_read_by_the_codes_action_alone() -> None:
    told = failure(gateway="ach", brand=None, code="R18")
    assert broken((told, retry(24)), readings=Readings(ach_funds_only=False)) == set()


# --- limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gateway", "limit"), [("stripe", 15), ("adyen", 20)])
def test_visas_reattempts_are_counted_in_a_sliding_month(gateway: str, limit: int) -> None:
    rule = "visa_limit_stripe" if gateway == "stripe" else "visa_limit"
    story = declined([20 * n for n in range(limit)], gateway=gateway, code="51")
    last = 20 * limit
    assert broken(*story, (outcome(last), retry(last + 20))) == {rule}
    assert broken(*story, (outcome(last), retry(30 * 24))) == set()  # the first decline is no longer in it
    assert broken(*story[:-1], (outcome(last), retry(last + 20))) == set()


def test_mastercards_declines_are_counted_in_a_sliding_day() -> None:
    story = declined([2 * n for n in range(9)], brand="mastercard")
    assert broken(*story, (outcome(18), retry(23))) == {"mastercard_24h"}
    assert broken(*story, (outcome(18), retry(24))) == set()
    assert broken(*story[:-1], (outcome(18), retry(23))) == set()


def test_mastercards_declines_are_counted_in_a_sliding_month() -> None:
    story = declined([20 * n for n in range(34)], brand="mastercard")
    assert broken(*story, (outcome(680), retry(719))) == {"mastercard_30d"}
    assert broken(*story, (outcome(680), retry(720))) == set()


def test_brazil_has_limits_of_its_own() -> None:
    story = declined([30 * n for n in range(7)], brand="mastercard", country="BR")
    assert broken(*story, (outcome(210), retry(240))) == {"mastercard_brazil"}
    assert broken(*story[:4], (outcome(90), retry(113))) == {"mastercard_brazil"}
    assert broken(*story[:4], (outcome(90), retry(114))) == set()
    assert broken(*story, (outcome(210), retry(240)), readings=Readings(brazil=False)) == set()


def test_cases_and_customers_of_one_merchant_share_an_instruments_limits() -> None:
    plan: Told = (failure(brand="mastercard"), retry(12))
    others: list[Told] = [
        (failure(n, f"d{n}", brand="mastercard", customer=f"v{n}"), stop(f"d{n}")) for n in range(1, 10)
    ]
    made: Told = (outcome(12), stop())
    assert [found.line for found in violations(plan, *others, made)] == [11]
    assert broken(plan, *others, made) == {"mastercard_24h"}
    assert broken(plan, *others[:-1], made) == set()
    elsewhere: list[Told] = [
        (told | {"merchant": "m2"}, *said) for told, *said in others if isinstance(told, dict)
    ]
    assert broken(plan, *elsewhere, made) == set()


def test_a_charge_counts_once_however_often_it_is_told() -> None:
    story = declined([2 * n for n in range(8)], brand="mastercard")
    assert broken(*story, *[story[-1]] * 3, (outcome(18), retry(23))) == set()


def test_a_new_card_has_limits_of_its_own() -> None:
    story = declined([2 * n for n in range(9)], brand="mastercard")
    assert broken(*story, (outcome(18), wait()), (card(19), retry(19)), (outcome(19), retry(20))) == set()
    hasty: list[Told] = [(card(19), retry(19)), *((outcome(19 + n), retry(20 + n)) for n in range(10))]
    assert broken(*story, (outcome(18), wait()), *hasty) == {"mastercard_24h"}


def test_a_new_card_may_be_tried_in_the_instant_of_the_failure() -> None:
    once: Line = {"type": "policy", "merchant": "m1", "max_tries": 1}
    story: list[Told] = [(once,), (failure(code="lost_card"), wait()), (card(0), retry(0))]
    assert broken(*story, (outcome(0), stop())) == set()
    assert broken(*story, (outcome(0), retry(24))) == {"max_tries"}


@pytest.mark.parametrize(
    ("told", "limit", "rule"),
    [
        ({"gateway": "gocardless", "brand": "sepa_dd"}, 3, "gocardless_limit"),
        ({"gateway": "ach", "brand": None, "code": "R01"}, 2, "ach_limit"),
        ({"gateway": "becs", "brand": None, "code": "6"}, 1, "becs_limit"),
        ({"gateway": "pad", "brand": None, "code": "901"}, 1, "pad_limit"),
    ],
)
def test_one_debit_is_presented_again_so_often(told: Line, limit: int, rule: str) -> None:
    story: list[Told] = [(LONG,), (failure(**told), retry(48))]
    code = told.get("code", "insufficient_funds")
    story += [(outcome(48 * n, code=code), retry(48 * n + 48)) for n in range(1, limit)]
    assert broken(*story, (outcome(48 * limit, code=code), stop())) == set()
    assert broken(*story, (outcome(48 * limit, code=code), retry(48 * limit + 48))) == {rule}


def test_bacs_wants_its_notice_and_is_over_within_a_month() -> None:
    told = failure(gateway="bacs_arudd", brand="bacs", code="0")
    assert broken((LONG,), (told, retry(7 * 24))) == set()  # from Monday to Monday
    assert broken((LONG,), (told, retry(5 * 24 - 1))) == {"bacs_notice"}
    assert broken((LONG,), (told, retry(30 * 24 + 1))) == {"bacs_month"}
    assert broken((LONG,), (told, retry(12)), readings=Readings(notice=False)) == set()
    kept: list[Told] = [(LONG,), (told, retry(7 * 24)), (card(6 * 24, "k1"), retry(7 * 24))]
    assert broken(*kept) == set()  # its notice has been sent


def test_upi_wants_a_day_of_notice() -> None:
    told = failure(gateway="razorpay", brand="upi", country="IN")
    assert broken((told, retry(23.9))) == {"upi_notice"}
    assert broken((told, retry(24))) == set()


# --- the wire ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "rule"),
    [
        ([], "one_answer"),
        ([retry(24), retry(24)], "one_answer"),
        ([stop("c9")], "known_case"),
        ([retry(24, line=2)], "line_number"),
        ([retry(24, p=1.01)], "p"),
        ([retry(24, p=None)], "p"),
        ([retry(24, p=True)], "p"),
        ([retry(24, propensity=0)], "propensity"),
        ([retry(24, propensity=float("nan"))], "propensity"),
        ([retry(24, reason="")], "shape"),
        ([retry(24, at="2025-03-05T00:00:00")], "shape"),
        ([retry(24, action="try")], "shape"),
        ([wait(awaited="payday")], "wait_for"),
        ([{"error": "no"}], "error"),
    ],
)
def test_an_answer_has_its_shape(answers: list[Line], rule: str) -> None:
    assert rule in broken((failure(), *answers))


def test_the_events_own_case_is_answered_last() -> None:
    first: Told = (failure(), retry(24))
    assert broken(first, (failure(1, "c2"), retry(25), retry(25, "c2"))) == set()
    assert broken(first, (failure(1, "c2"), retry(25, "c2"), retry(25))) == {"answer_order"}


@pytest.mark.parametrize(
    "given", ["{", "[]", '{"type":"failure"}', '{"type":"outcome","at":"2025-03-01","case":"c"}']
)
def test_a_line_that_is_none_is_refused_and_nothing_else(given: str) -> None:
    assert broken((given, {"error": "no"})) == set()
    assert broken((given,)) == {"error"}
    assert broken((given, {"error": "no"}, {"error": "no"})) == {"error"}
    assert broken((given, {"error": "no", "line": 7})) == {"line_number"}


@pytest.mark.parametrize(
    "wants",
    [
        {"window_days": 61},
        {"window_days": 0},
        {"max_tries": -1},
        {"max_tries": "three"},
        {"min_gap_hours": -1},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wants: Line) -> None:
    policy: Line = {"type": "policy", "merchant": "m1", **wants}
    assert broken((policy,)) == {"policy_refused"}
    assert broken((policy, {"error": "no"})) == set()


def test_a_late_or_repeated_line_may_be_refused() -> None:
    story: list[Told] = [(failure(5), retry(24))]
    for odd in (
        failure(5),
        failure(1, "c2"),
        outcome(2),
        outcome(9, "c7"),
        failure(6, "c3", instrument=None),
    ):
        assert broken(*story, (odd, {"error": "no"})) == set()


def test_a_sync_is_answered_once_and_last() -> None:
    sync: Line = {"type": "sync"}
    assert broken((sync, {"synced": True})) == set()
    assert broken((sync,)) == {"sync"}
    assert broken((sync, {"synced": True}, {"synced": True})) == {"sync"}
    assert broken((failure(), retry(24)), (sync, {"synced": True}, retry(30))) == {"sync"}


def test_recorded_streams_are_paired_by_their_numbers() -> None:
    steps = pair(["{", '{"type":"sync"}'], ['{"error":"no","line":1}', '{"line":2,"synced":true}'])
    assert [len(step.answers) for step in steps] == [1, 1]
    assert check(steps) == []
    assert [found.rule for found in check(pair(["{"], ['{"error":"no","line":9}']))] == ["line_number"]


def test_a_line_of_a_type_to_come_is_nobodys_business() -> None:
    given = failure() | {"case": 17}
    assert broken(('{"type":"chargeback","case":"c1"}', stop())) == set()
    assert broken((given,)) == broken((given, stop("17"))) == broken((given, {"error": "no"})) == set()


def test_every_rule_has_a_source() -> None:
    assert [name for name, rule in RULES.items() if not rule.source] == []


def test_a_violation_says_rule_line_and_case() -> None:
    assert violations((LONG,), (failure(), retry(0.5))) == [
        Violation("min_gap", 2, "c1", "0:30:00 after the last charge instead of 1:00:00")
    ]
