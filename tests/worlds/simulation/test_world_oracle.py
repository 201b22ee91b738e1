"""The oracle finds what is best on average, and in no world does worse than the schedules it is compared with."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from .baselines import Scheduled, even, fixed
from .chart import chart
from .figures import EVEN, FIXED, ORACLE, Figures, Task, figures_of, reference, rendered, summed_up
from .oracle import Oracle
from .play import Policy, play
from .search import choose, gains, worth
from .settings import SETTINGS
from .stream import make_stream
from .wire import InProcess
from .world import draw

POLICY = Policy()
PAID = {"us", "eu_monthly", "inverted_hours", "mislabelled", "hard_times", "fatigue"}


def paths(
    seed: int, rows: int = 200, slots: int = 14
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Paths that pass in stretches, and their weights."""
    chance = np.random.default_rng(seed)
    begins = chance.integers(0, slots, rows)
    passes = (np.arange(slots) >= begins[:, None]) & (
        np.arange(slots) < (begins + chance.integers(0, 5, rows))[:, None]
    )
    return passes.astype(np.float32), chance.random(rows).astype(np.float32)


@pytest.mark.parametrize("lasting", [1.0, 0.8, 0.4])
def test_what_is_gained_is_what_the_larger_set_is_worth(lasting: float) -> None:
    passes, weights = paths(1)
    gained = gains(passes, weights, [3, 8], lasting) / weights.sum()
    for slot in set(range(14)) - {3, 8}:
        assert gained[slot] == pytest.approx(worth(passes, weights, sorted([3, 8, slot]), lasting), abs=1e-5)


def test_a_later_try_is_worth_less_where_failed_tries_block() -> None:
    passes = np.array([[0, 1, 1]], dtype=np.float32)
    one = np.ones(1, dtype=np.float32)
    assert worth(passes, one, [1], 0.8) == pytest.approx(1)
    assert worth(passes, one, [0, 1], 0.8) == pytest.approx(0.8)


@pytest.mark.parametrize("lasting", [1.0, 0.8])
@pytest.mark.parametrize("seed", range(6))
def test_no_other_three_slots_recover_much_more(seed: int, lasting: float) -> None:
    passes, weights = paths(seed)
    found = choose(passes, weights, 3, allowed=np.ones(14, dtype=np.bool_), apart=2, lasting=lasting)
    others = [s for s in itertools.combinations(range(14), 3) if s[1] - s[0] >= 2 and s[2] - s[1] >= 2]
    best = max(worth(passes, weights, other, lasting) for other in others)
    assert worth(passes, weights, found, lasting) >= 0.98 * best


def test_slots_are_allowed_and_apart() -> None:
    passes, weights = paths(3)
    found = choose(passes, weights, 5, allowed=np.arange(14) > 3, apart=3)
    assert min(found) > 3
    assert min(np.diff(found)) >= 3


def test_a_try_that_would_do_harm_is_left_out() -> None:
    passes = np.array([[0, 0, 1]] * 9 + [[1, 0, 0]], dtype=np.float32)
    found = choose(
        passes, np.ones(10, dtype=np.float32), 2, allowed=np.ones(3, dtype=np.bool_), apart=1, lasting=0.1
    )
    assert found == [2]


def shares(name: str, seed: int, failures: int, blocks: int | None) -> dict[str, float]:
    """What is recovered by each schedule."""
    world = draw(name, seed)
    stream = make_stream(world, failures)
    schedules: dict[str, Any] = {
        FIXED: fixed(), EVEN: even(POLICY), ORACLE: Oracle(world, POLICY, blocks=blocks, kept=None),
    }  # fmt: skip
    plays = {who: play(stream, InProcess(Scheduled(one, POLICY)), POLICY) for who, one in schedules.items()}
    assert not plays[ORACLE].refused
    return {who: figures_of(one, world=world, decider=who, training=0).share for who, one in plays.items()}


@pytest.mark.slow
def test_the_oracle_beats_both_schedules_where_there_are_paydays() -> None:
    found = shares("us", 1, 300, 3)
    assert found[ORACLE] > found[FIXED] + 0.07
    assert found[ORACLE] > found[EVEN]


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_the_oracle_is_never_beaten(name: str) -> None:
    found = shares(name, 1, 1500, None)
    assert found[ORACLE] > found[FIXED] + (0.08 if name in PAID else 0.05)
    assert found[ORACLE] > found[EVEN] + (0.01 if name in PAID else -0.01)


def test_plans_are_kept_and_found_again(tmp_path: Path) -> None:
    world = draw("us", 2)
    stream = make_stream(world, 20)
    made = Oracle(world, POLICY, blocks=1, kept=tmp_path)
    first = play(stream, InProcess(Scheduled(made, POLICY)), POLICY)
    made.save()
    again = Oracle(world, POLICY, blocks=1, kept=tmp_path)
    assert again.plans == made.plans != {}
    second = play(stream, InProcess(Scheduled(again, POLICY)), POLICY)
    assert first.charges == second.charges


def figures(who: str, recovered: int, seed: int = 1) -> Figures:
    """Figures of a hundred cases."""
    return Figures("us", seed, who, 100, recovered, 200, recovered * 4.0, 0)


def test_a_share_of_the_headroom_is_of_the_means_over_the_seeds() -> None:
    lines = summed_up(
        [figures(who, n, seed) for seed, step in ((1, 0), (2, 10))
         for who, n in ((FIXED, 40 + step), (ORACLE, 60 + step), ("mine", 55 + step))]
    )  # fmt: skip
    assert {line.decider: line.headroom for line in lines} == pytest.approx(
        {FIXED: 0, ORACLE: 1, "mine": 0.75}
    )
    assert lines[-1].recovered == pytest.approx(0.6)
    assert "75%" in rendered(lines)
    assert "mine" in chart(lines, "Recovered")


def test_cases_in_training_are_played_and_not_counted() -> None:
    world = draw("us", 1)
    played = play(make_stream(world, 50), reference(FIXED)(world, POLICY), POLICY)
    assert figures_of(played, world=world, decider=FIXED, training=Task(training=30).training).cases == 20
