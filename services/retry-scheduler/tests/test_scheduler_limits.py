"""The networks' limits, counted."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from recoup_retry_scheduler.rules.limits import allowed_from

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


@pytest.mark.parametrize("brand", ["visa", "Visa", "mastercard", "mc", "amex", None])
def test_a_card_without_declines_may_be_tried_at_once(brand: str | None) -> None:
    assert allowed_from(brand, [], NOW) == NOW


def test_fourteen_declines_in_thirty_days_leave_visa_one_try() -> None:
    assert allowed_from("visa", [ago(days=day) for day in range(1, 15)], NOW) == NOW


def test_the_fifteenth_decline_stops_visa_until_the_first_is_thirty_days_old() -> None:
    declines = [ago(days=day) for day in range(1, 16)]
    assert allowed_from("visa", declines, NOW) == NOW + timedelta(days=15)


def test_ten_declines_in_a_day_stop_mastercard_until_the_first_is_a_day_old() -> None:
    declines = [ago(hours=hour) for hour in range(1, 11)]
    assert allowed_from("mastercard", declines, NOW) == NOW + timedelta(hours=14)


def test_thirty_five_declines_in_thirty_days_stop_mastercard() -> None:
    declines = [ago(hours=20 * number) for number in range(1, 36)]
    assert allowed_from("mastercard", declines, NOW) == NOW + timedelta(days=30) - timedelta(hours=700)


def test_networks_that_publish_no_limit_have_none() -> None:
    assert allowed_from("amex", [NOW] * 100, NOW) == NOW


@given(
    st.sampled_from(["visa", "mastercard"]),
    st.lists(st.timedeltas(timedelta(0), timedelta(days=40)), max_size=60),
)
def test_a_try_at_the_instant_given_never_exceeds_a_limit(brand: str, spans: list[timedelta]) -> None:
    declines = [NOW - span for span in spans]
    at = allowed_from(brand, declines, NOW)
    limits = {"visa": [(15, 30)], "mastercard": [(10, 1), (35, 30)]}[brand]
    for declined, days in limits:
        assert sum(decline > at - timedelta(days=days) for decline in declines) < declined
