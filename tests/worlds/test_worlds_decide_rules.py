"""What `retry-scheduler decide` answers breaks no rule, whatever its mind makes of the instants that are allowed."""

import os
import subprocess
import sys

import pytest

from .rules_decide import played

HISTORIES, CHUNK = 100_000, 10_000
LONG = 60
"""Lines, where ten are usual."""


def played_by_two(mind: str, first: int, end: int, events: int) -> list[str]:
    """Play in two processes, each its half; give what they say."""
    middle = (first + end) // 2
    one_thread = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    halves = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.worlds.rules_decide", mind, str(begin), str(until), str(events)],
            stdout=subprocess.PIPE,
            text=True,
            env=one_thread,
        )
        for begin, until in ((first, middle), (middle, end))
    ]
    return [half.communicate()[0].strip() for half in halves]


def assert_clean(said: list[str]) -> None:
    """Each says in its first line that there was no violation, and the others would tell of them."""
    assert [line for one in said for line in one.splitlines() if " 0 violations" not in line] == []
    assert all(said)


def test_no_rule_is_broken_whatever_instant_is_chosen() -> None:
    found = played("WAYWARD", 0, 500, 10)
    assert found.kept == []
    assert found.tries > 1200


def test_no_rule_is_broken_by_its_own_mind() -> None:
    found = played("OWN", 0, 60, 10)
    assert found.kept == []
    assert found.tries > 150


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, HISTORIES, CHUNK))
def test_no_rule_is_broken_in_a_hundred_thousand_histories(first: int) -> None:
    assert_clean(played_by_two("WAYWARD", first, first + CHUNK, 10))


@pytest.mark.slow
def test_no_rule_is_broken_by_its_own_mind_in_more_histories() -> None:
    assert_clean(played_by_two("OWN", 500, 2500, 10))


@pytest.mark.slow
@pytest.mark.parametrize("mind", ["WAYWARD", "OWN"])
def test_no_rule_is_broken_in_long_histories(mind: str) -> None:
    assert_clean(played_by_two(mind, 0, 300, LONG))
