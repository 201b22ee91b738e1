"""The door to the rules: which instants are allowed, and what a merchant reads where none is."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from recoup_events.values import WaitingFor
from recoup_retry_scheduler.rules import codes
from recoup_retry_scheduler.rules.verdict import Allowed, Forbidden, Last, Payment, Policy, allowed

NOW = datetime(2026, 2, 3, 9, tzinfo=UTC)  # a Tuesday
POLICY = Policy(3, timedelta(days=14), timedelta(hours=10))


@dataclass(frozen=True)
class Told:
    code: str | None = None
    advice: str | None = None
    network_code: str | None = None
    network_advice: str | None = None


def failed(
    code: str | None = "insufficient_funds",
    gateway: str = "stripe",
    brand: str | None = "visa",
    network_advice: str | None = None,
    network_code: str | None = None,
) -> Payment:
    """A payment that failed just now."""
    said = codes.read(gateway, brand, Told(code, None, network_code, network_advice))
    return Payment(
        policy=POLICY,
        gateway=gateway,
        brand=brand,
        country="DE",
        first_at=NOW,
        tries=0,
        charges=1,
        last=Last(NOW, said),
        ban=said.ban,
        declines=[NOW],
    )


def instants(payment: Payment) -> Allowed:
    found = allowed(payment, NOW)
    assert isinstance(found, Allowed), found
    return found


def refused(payment: Payment) -> Forbidden:
    found = allowed(payment, NOW)
    assert isinstance(found, Forbidden), found
    return found


def test_a_decline_is_tried_again_from_the_gap_on_until_the_window_ends() -> None:
    found = instants(failed())
    assert (found.earliest, found.latest) == (NOW + timedelta(hours=10), NOW + timedelta(days=14))
    assert (found.gap, found.because) == (
        timedelta(hours=10),
        "At least 10 hours have to pass after a decline",
    )


def test_a_technical_failure_is_tried_again_after_an_hour() -> None:
    assert instants(failed("processing_error")).earliest == NOW + timedelta(hours=1)


def test_a_merchants_shorter_gap_holds_after_a_technical_failure_too() -> None:
    policy = replace(POLICY, min_gap=timedelta(0))
    assert instants(replace(failed("processing_error"), policy=policy)).earliest == NOW


def test_an_instrument_that_was_not_tried_yet_is_tried_at_once() -> None:
    found = instants(replace(failed(), last=None, charges=0, declines=[]))
    assert (found.earliest, found.because) == (NOW, "")


@pytest.mark.parametrize(
    ("advice", "wait"),
    [
        ("24", timedelta(hours=10)),
        ("25", timedelta(days=1)),
        ("26", timedelta(days=2)),
        ("30", timedelta(days=10)),
    ],
)
def test_mastercards_advice_is_waited_for(advice: str, wait: timedelta) -> None:
    assert instants(failed(brand="mastercard", network_advice=advice)).earliest == NOW + wait


def test_a_limit_says_from_when_it_allows_one_more() -> None:
    declines = [NOW - timedelta(days=day) for day in range(1, 16)]
    long = replace(POLICY, window=timedelta(days=60))
    found = instants(replace(failed(), declines=declines, policy=long))
    assert found.earliest == NOW + timedelta(days=15)
    assert (
        found.because
        == "Visa allows 15 tries in 30 days on this card; the next one from 18 Feb 2026, 09:00 UTC"
    )


def test_a_limit_that_outlasts_the_window_refuses_and_says_both_instants() -> None:
    declines = [NOW - timedelta(days=day) for day in range(1, 16)]
    found = refused(replace(failed(), declines=declines))
    assert (found.rule, found.whom) == ("visa_limit", WaitingFor.CARD)
    assert found.reason == (
        "Visa allows 15 tries in 30 days on this card; the next one from 18 Feb 2026, 09:00 UTC; "
        "but your policy's window ends on 17 Feb 2026, 09:00 UTC."
    )


@pytest.mark.parametrize("brand", ["visastandarddebit", "Visa", "electron"])
def test_a_brand_as_a_gateway_refines_it_has_its_networks_limit(brand: str) -> None:
    declines = [NOW - timedelta(days=day) for day in range(1, 16)]
    assert refused(replace(failed(brand=brand), declines=declines)).rule == "visa_limit"


def test_in_brazil_mastercard_wants_a_day_between_two_tries() -> None:
    assert instants(replace(failed(brand="mastercard"), country="BR")).earliest == NOW + timedelta(days=1)


def test_all_tries_of_the_policy_may_be_used_and_no_more() -> None:
    assert isinstance(allowed(replace(failed(), tries=2), NOW), Allowed)
    found = refused(replace(failed(), tries=3))
    assert (found.rule, found.whom) == ("max_tries", None)
    assert found.reason == "Your policy allows 3 tries after the first failure, and none is left."


def test_after_the_window_nothing_is_tried() -> None:
    found = refused(replace(failed(), first_at=NOW - timedelta(days=15), last=None))
    assert found == Forbidden("window", None, "Your policy's window ends on 2 Feb 2026, 09:00 UTC.")


def test_the_last_instant_of_the_window_is_allowed() -> None:
    found = instants(replace(failed(), first_at=NOW - timedelta(days=14), last=None))
    assert found.earliest == found.latest == NOW


@pytest.mark.parametrize(
    ("code", "rule", "whom"),
    [
        ("expired_card", "needs_new_card", WaitingFor.CARD),
        ("fraudulent", "never_retry", WaitingFor.CARD),
        ("authentication_required", "needs_customer_authentication", WaitingFor.CUSTOMER),
    ],
)
def test_a_code_that_forbids_says_who_can_help(code: str, rule: str, whom: WaitingFor) -> None:
    found = refused(failed(code))
    assert (found.rule, found.whom) == (rule, whom)
    assert found.reason.startswith("The gateway says: ")
    assert found.reason.endswith(".")


def test_a_merchants_own_mistake_is_the_merchants_to_mend() -> None:
    found = refused(failed("2", gateway="adyen", brand=None, network_code="03"))
    assert (found.rule, found.whom) == ("fix_by_merchant", WaitingFor.MERCHANT)


def test_visas_first_category_names_its_code() -> None:
    found = refused(failed("card_declined", network_code="43"))
    assert (found.rule, found.whom) == ("visa_category_1", WaitingFor.CARD)
    assert found.reason == (
        "Visa's code 43 forbids any further charge of this card or mandate until the customer pays another way."
    )


def test_what_is_no_decline_is_not_tried_again() -> None:
    found = refused(failed("charge_already_captured"))
    assert (found.rule, found.whom) == ("not_a_decline", None)


# --- schemes -----------------------------------------------------------------------------------------------


def test_bacs_wants_five_working_days_of_notice() -> None:
    found = instants(failed("0", gateway="bacs_arudd", brand=None))
    assert found.earliest == NOW + timedelta(days=7)
    assert found.because == "The customer has to be told of this debit ahead"


def test_notice_that_is_given_at_a_weekend_counts_from_monday() -> None:
    saturday = datetime(2026, 2, 7, 9, tzinfo=UTC)
    found = allowed(failed("0", gateway="bacs_arudd", brand=None), saturday)
    assert isinstance(found, Allowed)
    assert found.earliest == datetime(2026, 2, 16, tzinfo=UTC)


@given(st.integers(0, 14 * 24 * 60), st.integers(0, 3 * 24 * 60))
def test_who_plans_later_gives_notice_for_no_sooner(minute: int, more: int) -> None:
    debit = replace(failed("0", gateway="bacs_arudd", brand=None), last=None)
    early, late = (allowed(debit, NOW + timedelta(minutes=one)) for one in (minute, minute + more))
    if isinstance(early, Allowed) and isinstance(late, Allowed):
        assert early.earliest <= late.earliest
    else:
        assert isinstance(late, Forbidden)


def test_bacs_takes_a_debit_for_thirty_days() -> None:
    debit = failed("0", gateway="bacs_arudd", brand=None)
    found = instants(replace(debit, policy=replace(POLICY, window=timedelta(days=60))))
    assert found.latest == NOW + timedelta(days=30)


def test_past_a_schemes_own_window_the_scheme_is_named() -> None:
    debit = replace(
        failed("0", gateway="bacs_arudd", brand=None),
        first_at=NOW - timedelta(days=29),
        policy=replace(POLICY, window=timedelta(days=60)),
    )
    found = refused(debit)
    assert found.rule == "bacs_notice"
    assert found.reason.endswith("but Bacs takes it until 4 Feb 2026, 09:00 UTC.")


@pytest.mark.parametrize(
    ("payment", "rule"),
    [
        (replace(failed("R01", gateway="ach", brand=None), charges=3), "ach_limit"),
        (failed("R99", gateway="ach", brand=None), "ach_reason"),
        (replace(failed("MS03", gateway="sepa_dd", brand=None), country="FR"), "sepa_country"),
        (replace(failed("6", gateway="becs", brand=None), charges=2), "becs_limit"),
        (replace(failed("901", gateway="pad", brand=None), charges=2), "pad_limit"),
        (replace(failed(gateway="gocardless", brand="bacs"), charges=4), "gocardless_limit"),
    ],
)
def test_a_scheme_refuses_what_it_was_presented_too_often_or_for_another_reason(
    payment: Payment, rule: str
) -> None:
    found = refused(payment)
    assert (found.rule, found.whom) == (rule, WaitingFor.CARD)
    assert found.reason.endswith("; the customer has to pay another way.")


@pytest.mark.parametrize(
    "payment",
    [
        replace(failed("R01", gateway="ach", brand=None), charges=2),
        failed("R09", gateway="ach", brand=None),
        failed("MS03", gateway="sepa_dd", brand=None),
        failed("6", gateway="becs", brand=None),
        replace(failed(gateway="gocardless", brand="pad", network_code="901"), charges=3),
    ],
)
def test_a_scheme_takes_what_it_allows(payment: Payment) -> None:
    assert isinstance(allowed(payment, NOW), Allowed)


def test_a_card_of_india_waits_for_its_customer_but_a_mandate_there_does_not() -> None:
    assert refused(replace(failed(), country="IN")).whom is WaitingFor.CUSTOMER
    assert isinstance(allowed(replace(failed(brand="upi"), country="IN"), NOW), Allowed)


def test_upi_wants_a_day_of_notice() -> None:
    assert instants(replace(failed(brand="upi"), last=None)).earliest == NOW + timedelta(days=1)
