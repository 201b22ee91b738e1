"""A prior across merchants: from many customers, or from none."""

from dataclasses import replace

import numpy as np
import pytest

from recoup_retry_scheduler.smart import odds
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.mind import Mind
from recoup_retry_scheduler.smart.odds import Kind
from recoup_retry_scheduler.smart.pooled import ENOUGH, Sums, pooled
from recoup_retry_scheduler.smart.refit import losses, refit

from .smart_world import World


def given(merchant: str, customers: int = ENOUGH, kind: Kind = Kind.FUNDS, *, base: float = 0.5) -> Sums:
    """Give sums of a merchant that move one weight."""
    posterior = Weights.prior()
    place = odds.OF_KIND[kind]
    posterior.precision[place, place] += 100
    posterior.mean[place] += base
    return Sums.of(merchant, kind, customers, Weights.prior(), posterior)


def same(one: Weights, other: Weights) -> bool:
    return np.array_equal(one.mean, other.mean) and np.array_equal(one.precision, other.precision)


def test_what_too_few_customers_stand_behind_leaves_no_trace() -> None:
    enough, few = given("m1"), given("m2", ENOUGH - 1)
    assert same(pooled(Weights.prior(), [enough, few]), pooled(Weights.prior(), [enough]))
    assert not same(
        pooled(Weights.prior(), [enough, replace(few, customers=ENOUGH)]), pooled(Weights.prior(), [enough])
    )


def test_each_kind_of_decline_is_counted_by_itself() -> None:
    kinds = [given("m1"), given("m1", 3, Kind.OTHER)]
    assert same(pooled(Weights.prior(), kinds), pooled(Weights.prior(), kinds[:1]))


def test_who_has_opted_out_leaves_no_trace() -> None:
    those = [given("m1"), given("m2", 5000)]
    assert same(pooled(Weights.prior(), those, {"m2"}), pooled(Weights.prior(), those[:1]))


def test_no_order_of_merchants_matters_and_none_is_counted_twice() -> None:
    those = [given(f"m{number}", base=number / 10) for number in range(5)]
    there, back = (pooled(Weights.prior(), some) for some in (those, those[::-1]))
    assert there.mean == pytest.approx(back.mean, abs=1e-12)
    with pytest.raises(ValueError, match="two sums of m1"):
        pooled(Weights.prior(), [given("m1"), given("m1")])


def test_a_merchant_who_begins_with_what_others_learnt_foretells_better() -> None:
    """Three merchants of one world; what the first two learnt stands in for what the third has not seen yet."""
    prior, sums = Weights.prior(), []
    for number in (1, 2):
        log = World(5, Mind(), chance_seed=number, far=1.5).play(500)
        fitted = refit(log, prior, len(log.attempts))
        sums.append(Sums.of(f"m{number}", Kind.FUNDS, 300, prior, fitted))
    new = World(5, Mind(), chance_seed=3, far=1.5).play(500)
    alone, together = (losses(new, weights).mean() for weights in (prior, pooled(prior, sums)))
    assert together < losses(new, pooled(prior, sums[:1])).mean() < alone - 0.01
