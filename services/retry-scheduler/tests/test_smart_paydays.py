"""Paydays: when cycles pay, what a country's customers are believed to be paid by, and what they say themselves."""

import datetime as dt

import numpy as np
import pytest

from recoup_retry_scheduler.smart import paydays
from recoup_retry_scheduler.smart.paydays import ARRIVED_BY, CYCLES, EPOCH


def day(text: str) -> int:
    return dt.date.fromisoformat(text).toordinal() - EPOCH


def said(before: paydays.Floats, **what: int) -> paydays.Floats:
    """Give the belief after a word said on Monday, 10 March 2025."""
    return paydays.told(
        before,
        today=day("2025-03-10"),
        day_of_month=what.get("day_of_month"),
        weekday=what.get("weekday"),
        day=what.get("day"),
    )


def cycle(name: str, *of: int) -> int:
    return next(n for n, one in enumerate(CYCLES) if (one.name, one.of) == (name, of))


def paid_on(name: str, *of: int, first: str, last: str) -> list[str]:
    days = range(day(first), day(last) + 1)
    row = cycle(name, *of)
    return [str(dt.date.fromordinal(d + EPOCH)) for d in days if paydays.on_day(d)[row]]


@pytest.mark.parametrize(
    ("name", "of", "expected"),
    [
        ("weekly", (4,), ["2025-03-07", "2025-03-14", "2025-03-21", "2025-03-28"]),
        ("monthly", (27,), ["2025-03-27"]),
        ("monthly", (1,), ["2025-02-28"]),  # Saturday the 1st: the business day before
        ("monthly", (32,), ["2025-02-28", "2025-03-31"]),
        ("semi_monthly", (1, 15), ["2025-02-28", "2025-03-14"]),
        ("none", (), []),
    ],
)
def test_a_cycle_pays_on_business_days(name: str, of: tuple[int, ...], expected: list[str]) -> None:
    assert (
        paid_on(
            name, *of, first="2025-02-28" if "2025-02-28" in expected else "2025-03-02", last="2025-03-31"
        )
        == expected
    )


def test_biweekly_pay_has_two_phases_that_take_turns() -> None:
    phases = [set(paid_on("biweekly", 4, phase, first="2025-01-01", last="2025-06-30")) for phase in (0, 1)]
    assert not phases[0] & phases[1]
    assert phases[0] | phases[1] == set(paid_on("weekly", 4, first="2025-01-01", last="2025-06-30"))


def test_wages_arrive_in_the_morning() -> None:
    midnight = day("2025-03-28") * 24
    assert paydays.day_of(midnight + ARRIVED_BY - 0.1) == day("2025-03-27")
    assert paydays.day_of(midnight + ARRIVED_BY) == day("2025-03-28")


def test_a_table_of_days_agrees_with_its_single_days() -> None:
    local = np.array([day("2025-03-20"), day("2025-03-28"), day("2025-04-03")]) * 24.0 + ARRIVED_BY
    ages, counts = paydays.at(local)
    assert (ages[1] == paydays.ages(day("2025-03-28"))).all()
    assert ((counts[2] > counts[0]) == paydays.crossed(day("2025-03-20"), day("2025-04-03"))).all()


@pytest.mark.parametrize("text", ["1900-01-01", "2150-01-01"])
def test_days_beyond_the_tables_are_those_at_their_edge(text: str) -> None:
    ages, counts = paydays.at(np.array([day(text) * 24.0, day(text) * 24.0 + 48]))
    assert ages.shape == counts.shape == (2, len(CYCLES))
    assert (counts[0] == counts[1]).all()


@pytest.mark.parametrize("country", ["US", "DE", "JP", "", None])
def test_a_prior_adds_up_to_one(country: str | None) -> None:
    assert paydays.prior(country).sum() == pytest.approx(1)


def test_where_wages_are_weekly_and_where_monthly() -> None:
    weekly = np.array([one.name in {"weekly", "biweekly"} for one in CYCLES])
    assert paydays.prior("US")[weekly].sum() > 0.6
    assert paydays.prior("DE")[weekly].sum() < 0.1


@pytest.mark.parametrize(
    ("word", "row"),
    [
        ({"day_of_month": 27}, ("monthly", (27,))),
        ({"weekday": 2}, ("weekly", (2,))),
        ({"day": day("2025-03-31")}, ("monthly", (32,))),
    ],
)
def test_a_customers_word_is_believed(word: dict[str, int], row: tuple[str, tuple[int, ...]]) -> None:
    before = paydays.prior("US")
    after = said(before, **word)
    assert after.sum() == pytest.approx(1)
    assert after[cycle(row[0], *row[1])] > 3 * before[cycle(row[0], *row[1])]


def test_who_says_nothing_changes_no_belief() -> None:
    before = paydays.prior("US")
    assert said(before) is before


def test_who_names_their_next_payday_has_none_before_it() -> None:
    after = said(paydays.prior("US"), day=day("2025-03-28"))
    assert after[cycle("weekly", 4)] < 0.02
    assert (
        after[[cycle("biweekly", 4, phase) for phase in (0, 1)]].max() < 0.02
    )  # the 14th would be one of theirs
    assert after[cycle("monthly", 28)] > 0.2


def test_a_payday_that_is_past_fits_whatever_was_paid_on_it() -> None:
    after = said(paydays.prior("US"), day=day("2025-02-14"))
    assert after[cycle("weekly", 4)] > 0.2
