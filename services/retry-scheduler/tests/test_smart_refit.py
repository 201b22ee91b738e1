"""Fitting a whole log at once comes to what learning outcome by outcome comes to."""

import copy
import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from recoup_retry_scheduler.smart import learning, mind as minds, odds, paydays, refit
from recoup_retry_scheduler.smart.attempts import Log, Payday, Writer, waves
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.mind import Customer, Mind
from recoup_retry_scheduler.smart.odds import Kind
from recoup_retry_scheduler.smart.tables import Failing

START = 20_151 * 24 + 12.0
"""Tuesday, 4 March 2025, 12:00 UTC, in hours since 1970."""

BEHIND = -5.0
"""Hours from UTC to local time."""

SHARES = dict(zip(Kind, (0.4, 0.3, 0.08, 0.07, 0.05, 0.1), strict=True))


class Still(Weights):
    """Weights that learn nothing."""

    def hear(self, *_: object) -> None:
        pass


@dataclass
class World:
    """Customers of one pay cycle each, and weights other than the prior's; all that happens is told twice:
    to a mind, one by one, and to a log."""

    seed: int
    mind: Mind
    people: int = 300
    writer: Writer = field(default_factory=Writer)
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = np.random.default_rng(self.seed)
        off = self.chance.normal(0, 0.7, len(odds.NAMES)) * odds.WIDTHS
        self.truth = Mind(Still(odds.MEANS + off, np.diag(1 / odds.WIDTHS**2)))
        countries = ["US" if number % 2 else "DE" for number in range(self.people)]
        self.believed = [Customer(paydays.prior(country).copy()) for country in countries]
        self.numbers = [self.writer.person(country) for country in countries]
        self.cycles = [
            self.chance.choice(len(paydays.CYCLES), p=paydays.prior(country)) for country in countries
        ]

    def play(self, cases: int) -> Log:
        """Let so many cases happen; give the log."""
        for number in range(cases):
            who, at = int(self.chance.integers(self.people)), START + 7.3 * number
            if self.chance.random() < 0.3:
                minds.passed(self.believed[who], at, BEHIND)
                self.writer.payment(self.numbers[who], at, BEHIND)
            if self.chance.random() < 0.03:
                self._say_payday(who, at)
            self._case(who, Kind(self.chance.choice(list(SHARES), p=list(SHARES.values()))), at)
        self.mind.weights.learn()
        return self.writer.log()

    def _say_payday(self, who: int, at: float) -> None:
        said = Payday(paydays.day_of(at + BEHIND), 15, None, None)
        believed = self.believed[who]
        believed.belief = paydays.told(
            believed.belief, today=said.today, day_of_month=15, weekday=None, day=None
        )
        self.writer.payday(self.numbers[who], said)

    def _case(self, who: int, kind: Kind, at: float) -> None:
        case = Failing(kind, at, at, 1, BEHIND)
        minds.failed(self.believed[who], kind, day=paydays.day_of(at + BEHIND))
        self.writer.failure(self.numbers[who], case)
        for number in (2, 3, 4):
            at += float(self.chance.uniform(10, 100))
            real = copy.copy(self.believed[who])
            real.belief = np.eye(len(paydays.CYCLES))[self.cycles[who]]
            passed = bool(self.chance.random() < odds_of(self.truth, case, real, at))
            p = odds_of(self.mind, case, self.believed[who], at)
            self.losses.append(-math.log(p if passed else 1 - p))
            self.mind.learn(case, self.believed[who], at, passed=passed)
            self.writer.attempt(self.numbers[who], case, at, passed=passed)
            if passed:
                return
            case = Failing(kind, case.first_at, at, number, BEHIND)


def odds_of(mind: Mind, case: Failing, who: Customer, at: float) -> float:
    """Give the odds of a try, as the mind's own learning sees them."""
    asked = copy.copy(who)
    Mind(Still(mind.weights.mean, mind.weights.precision)).learn(case, asked, at, passed=True)
    return 1 - (asked.surprise - who.surprise)


def test_it_expects_of_each_attempt_what_the_mind_expects() -> None:
    prior = Weights.prior()
    world = World(1, Mind(Still(prior.mean, prior.precision)))
    log = world.play(400)
    assert refit.losses(log, prior) == pytest.approx(world.losses, abs=1e-6)


@pytest.mark.parametrize("seed", [1, 2])
def test_it_comes_to_the_weights_that_learning_one_by_one_comes_to(seed: int) -> None:
    """Within a tenth of a posterior's standard deviation: ten times less than what the same world, met anew, would
    teach. Parts are explained with the weights before them; one by one those are of forty outcomes ago, too."""
    world = World(seed, Mind())
    log = world.play(1500)
    one_by_one, at_once = world.mind.weights, refit.refit(log, Weights.prior(), len(log.attempts))
    wide = np.sqrt(np.diag(np.linalg.inv(one_by_one.precision)))
    apart = np.abs(at_once.mean - one_by_one.mean) / wide
    assert apart.max() < 0.1
    assert math.sqrt((apart**2).mean()) < 0.03
    assert np.sqrt(np.diag(np.linalg.inv(at_once.precision))) == pytest.approx(wide, rel=0.02)
    assert at_once.seen == len(log.attempts)
    foretold = [refit.losses(log, weights).mean() for weights in (Weights.prior(), one_by_one, at_once)]
    assert foretold[2] == pytest.approx(foretold[1], abs=2e-4)
    assert foretold[2] < foretold[0] - 0.005


def test_it_foretells_what_it_has_not_seen_better_than_the_prior_does() -> None:
    log = World(3, Mind()).play(1500)
    taught = len(log.attempts) * 9 // 10
    weights, prior = refit.refit(log, Weights.prior(), taught), Weights.prior()
    assert refit.losses(log, weights)[taught:].mean() < refit.losses(log, prior)[taught:].mean()
    assert np.array_equal(prior.mean, odds.MEANS)


def test_what_is_old_counts_less_as_it_does_one_by_one() -> None:
    assert learning._OLD_DATA == refit.OLD_DATA


def test_an_empty_log_teaches_nothing() -> None:
    log, prior = Writer().log(), Weights.prior()
    assert len(refit.losses(log, prior)) == 0
    assert np.array_equal(refit.refit(log, prior, 0).mean, prior.mean)


def test_a_try_long_after_all_windows_is_taken() -> None:
    writer = Writer()
    who = writer.person(None)
    for year in range(60):
        writer.attempt(
            who,
            Failing(Kind.FUNDS, START, START + 8760 * year, 1 + year, 0.0),
            START + 8760 * (year + 1),
            passed=year == 59,
        )
    log = writer.log()
    weights = refit.refit(log, Weights.prior(), 60)
    assert np.isfinite(weights.mean).all()
    assert np.isfinite(refit.losses(log, weights)).all()


def test_parts_grow_with_what_was_learnt() -> None:
    parts = list(refit._parts(1_000_000))
    assert sum(parts) == 1_000_000
    assert (parts[0], max(parts), len(parts) < 200) == (refit.FEWEST, refit.MOST, True)
    assert list(refit._parts(70)) == [50, 20]


def test_waves_keep_each_customers_order() -> None:
    events = World(4, Mind(Still(odds.MEANS, np.eye(len(odds.MEANS)))), people=7).play(60).events
    found = list(waves(events))
    assert sorted(np.concatenate(found).tolist()) == list(range(len(events)))
    assert all(len(set(events["person"][wave])) == len(wave) for wave in found)
    for person in range(7):
        mine = [place for wave in found for place in wave if events["person"][place] == person]
        assert mine == sorted(mine)
