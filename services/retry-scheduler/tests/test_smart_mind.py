"""The mind: it chooses within what it is given, says why, learns what a world is like, and believes what it sees."""

import math

import numpy as np
import pytest

from recoup_retry_scheduler.smart import mind as minds, odds, paydays
from recoup_retry_scheduler.smart.learning import AT_ONCE, Weights
from recoup_retry_scheduler.smart.mind import Customer, Mind
from recoup_retry_scheduler.smart.odds import Kind
from recoup_retry_scheduler.smart.tables import Failing

NOON = 20_151 * 24 + 12.0
"""Tuesday, 4 March 2025, 12:00 UTC, in hours since 1970."""


def customer(country: str = "US") -> Customer:
    return Customer(paydays.prior(country).copy())


def failing(kind: Kind = Kind.FUNDS, at: float = NOON, number: int = 1, offset: float = 0.0) -> Failing:
    return Failing(kind, at, at, number, offset)


def choose(mind: Mind, case: Failing, who: Customer, days: float = 14, tries: int = 3) -> minds.Choice:
    found = mind.choose(
        case, who, earliest=case.last_at + 10, latest=case.first_at + 24 * days, apart=10, tries=tries
    )
    assert found is not None
    return found


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("days", [0.5, 1, 14, 60])
@pytest.mark.parametrize("tries", [1, 3, 15])
def test_it_tries_within_what_it_is_given(kind: Kind, days: float, tries: int) -> None:
    found = choose(Mind(), failing(kind), customer(), days, tries)
    assert NOON + 10 <= found.at <= NOON + 24 * days
    assert 0 < found.p < 1
    assert found.propensity == 1


def test_no_try_and_no_time_are_no_choice() -> None:
    mind, case = Mind(), failing()
    assert mind.choose(case, customer(), earliest=NOON + 10, latest=NOON + 9, apart=10, tries=3) is None
    assert mind.choose(case, customer(), earliest=NOON + 10, latest=NOON + 99, apart=10, tries=0) is None


def test_a_try_is_given_up_that_is_not_worth_its_cost() -> None:
    mind = Mind()
    mind.weights.mean[odds.OF_KIND[Kind.FUNDS]] = -9
    assert mind.choose(failing(), customer(), earliest=NOON + 10, latest=NOON + 99, apart=10, tries=1) is None


def test_a_payday_that_the_customer_named_is_waited_for() -> None:
    who = customer("DE")
    who.belief = paydays.told(who.belief, today=0, day_of_month=13, weekday=None, day=None)
    found = choose(Mind(), failing(), who, tries=1)
    assert 8.7 < (found.at - NOON) / 24 < 9.7  # 13 March, from 7:00 on
    assert "payday on the 13th +" in found.reason


def test_a_reason_tells_the_local_time_the_odds_and_what_they_owe_to_what() -> None:
    found = choose(Mind(), failing(offset=-5.0), customer(), tries=1)
    local = (found.at - 5) % 24
    assert f" {local:02.0f}:00, {100 * found.p:.0f} %: " in found.reason
    assert "Friday payday +" in found.reason
    assert "days since the last try +" in found.reason


def test_a_later_try_says_so() -> None:
    assert "3rd try -" in choose(Mind(), failing(Kind.REFUSED, number=3), customer(), days=1, tries=1).reason


class Truth:
    """A world that follows the model, with weights of its own and customers of one pay cycle each."""

    def __init__(self, seed: int, **changed: float) -> None:
        self.random = np.random.default_rng(seed)
        self.mind = Mind()
        for name, value in changed.items():
            self.mind.weights.mean[odds.NAMES.index(name.replace("_", " "))] = value

    def customer(self) -> Customer:
        """Draw a customer whose cycle is known for sure."""
        sure = np.zeros(len(paydays.CYCLES))
        sure[self.random.choice(len(sure), p=paydays.prior("US"))] = 1
        return Customer(sure)

    def passes(self, case: Failing, who: Customer, at: float) -> bool:
        return bool(self.random.random() < p_of(self.mind, case, who, at))


def p_of(mind: Mind, case: Failing, who: Customer, at: float) -> float:
    """Give the odds of a try, as the mind's own learning sees them."""
    told, copied = Mind(Weights(mind.weights.mean, mind.weights.precision)), Customer(who.belief.copy())
    told.learn(case, copied, at, passed=True)
    return 1 - copied.surprise


def played(mind: Mind, truth: Truth, cases: int) -> list[tuple[float, bool]]:
    """Let the mind decide so many cases of a world and learn from them; give odds told and what came of them."""
    told = []
    for number in range(cases):
        at = NOON + 7.3 * number
        who, real = customer(), truth.customer()
        case = failing(Kind.FUNDS, at)
        for tries in (3, 2, 1):
            found = mind.choose(case, who, earliest=case.last_at + 10, latest=at + 336, apart=10, tries=tries)
            if found is None:
                break
            passed = truth.passes(case, real, found.at)
            told.append((found.p, passed))
            mind.learn(case, who, found.at, passed=passed)
            if passed:
                break
            case = Failing(case.kind, case.first_at, found.at, case.number + 1, 0.0)
    return told


def test_what_it_learns_of_a_try_is_what_it_plans_with() -> None:
    """The odds that a plan tells and those that an outcome is held against are the same."""
    mind, who = Mind(), customer()
    for number in (1, 2, 4):
        case = failing(Kind.REFUSED, number=number)
        found = choose(mind, case, who, tries=1)
        assert p_of(mind, case, who, found.at) == pytest.approx(found.p, abs=0.01)


def test_it_learns_the_odds_of_a_world_that_it_did_not_expect() -> None:
    truth, mind = Truth(3, funds=-0.4, funds_try=-0.6), Mind()
    last = played(mind, truth, 1500)[-1500:]
    assert np.mean([p for p, _ in last]) == pytest.approx(np.mean([passed for _, passed in last]), abs=0.035)
    for name in ("funds", "funds payday crossed", "funds paid within 1.5 d", "funds try"):
        place = odds.NAMES.index(name)
        assert mind.weights.mean[place] == pytest.approx(truth.mind.weights.mean[place], abs=0.8), name


def test_a_customers_charges_that_pass_sharpen_what_is_believed_of_their_paydays() -> None:
    who, mind = customer(), Mind()
    fridays = [
        n for n, one in enumerate(paydays.CYCLES) if one.name in {"weekly", "biweekly"} and one.of[0] == 4
    ]
    before = who.belief[fridays].sum()
    for week in range(6):
        friday = NOON + 3 * 24 + week * 168
        mind.learn(failing(at=friday - 30), who, friday - 12, passed=False)
        mind.learn(failing(at=friday - 12), who, friday, passed=True)
    assert who.belief[fridays].sum() > before + 0.1
    assert who.belief.sum() == pytest.approx(1)


def test_a_failure_speaks_for_a_payday_that_is_long_ago() -> None:
    who = customer()
    day = paydays.day_of(NOON)
    minds.failed(who, Kind.FUNDS, day=day)
    recent = paydays.ages(day) < 1
    assert who.belief[recent].sum() < paydays.prior("US")[recent].sum()
    alike = customer()
    minds.failed(alike, Kind.TECHNICAL, day=day)
    assert (alike.belief == paydays.prior("US")).all()


def test_outcomes_are_learnt_in_batches_and_change_the_version() -> None:
    weights = Weights.prior()
    x = np.zeros(len(odds.NAMES))
    x[0] = 1
    for _ in range(AT_ONCE - 1):
        weights.hear(x, 1.0, True)
    assert weights.version == 0
    weights.hear(x, 1.0, True)
    assert (weights.version, weights.seen) == (1, AT_ONCE)
    assert weights.mean[0] > odds.MEANS[0]
    weights.learn()
    assert weights.version == 1


def test_the_posterior_is_that_of_a_logistic_regression() -> None:
    random, true = np.random.default_rng(0), odds.MEANS.copy()
    true[0] += 0.8
    weights = Weights.prior()
    rows = random.normal(size=(4000, 3))
    for row in rows:
        x = np.zeros(len(true))
        x[:3] = 1, *row[:2]
        weights.hear(x, 1.0, bool(random.random() < 1 / (1 + math.exp(-(x @ true)))))
    weights.learn()
    assert weights.mean[:3] == pytest.approx(true[:3], abs=0.15)
    drawn = np.array([weights.drawn(random, 1.0, 400)[:, 0]])
    assert drawn.std() == pytest.approx(math.sqrt(np.linalg.inv(weights.precision)[0, 0]), rel=0.15)
