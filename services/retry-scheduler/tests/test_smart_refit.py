"""Fitting a whole log at once comes to what learning outcome by outcome comes to."""

import math

import numpy as np
import pytest

from recoup_retry_scheduler.smart import learning, odds, refit
from recoup_retry_scheduler.smart.attempts import Writer, waves
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.mind import Mind
from recoup_retry_scheduler.smart.odds import Kind
from recoup_retry_scheduler.smart.tables import Failing

from .smart_world import START, Still, World


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
    log = World(3, Mind(), far=1.5).play(1000)
    taught = len(log.attempts) * 9 // 10
    weights, prior = refit.refit(log, Weights.prior(), taught), Weights.prior()
    assert refit.losses(log, weights)[taught:].mean() < refit.losses(log, prior)[taught:].mean()
    assert np.array_equal(prior.mean, odds.MEANS)


def test_what_is_old_counts_less_as_it_does_one_by_one() -> None:
    assert vars(refit)["OLD_DATA"] == learning.OLD_DATA


def test_every_weight_is_learnt() -> None:
    assert set(np.concatenate(refit._COLUMNS).tolist()) == set(range(len(odds.NAMES)))


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
