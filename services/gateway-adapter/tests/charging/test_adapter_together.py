"""One transaction for many: what arrives during a batch is the next one, and a culprit fails alone."""

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from recoup_chassis.errors import Retryable
from recoup_gateway_adapter.work.together import AT_ONCE, Together, apart


class Doubling:
    """Doubles numbers, fails at negative ones, and writes down in what batches."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()
        self.goes_on.set()
        self.failure = failure or Retryable("negative")

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        self.begun.set()
        await self.goes_on.wait()
        if min(numbers) < 0:
            raise self.failure
        return [2 * number for number in numbers]


async def test_what_is_asked_in_one_breath_is_done_in_one_batch() -> None:
    double = Doubling()
    together = Together(double)
    assert await asyncio.gather(*(together(n) for n in range(5))) == [0, 2, 4, 6, 8]
    assert double.batches == [[0, 1, 2, 3, 4]]


async def test_what_arrives_meanwhile_is_the_next_batch_and_none_is_too_large() -> None:
    double = Doubling()
    double.goes_on.clear()
    together = Together(double)
    asked = [asyncio.ensure_future(together(n)) for n in range(AT_ONCE + 3)]
    await double.begun.wait()
    asked += [asyncio.ensure_future(together(n)) for n in (7, 8)]
    await asyncio.sleep(0)
    double.goes_on.set()
    assert await asyncio.gather(*asked) == [2 * n for n in (*range(AT_ONCE + 3), 7, 8)]
    assert [len(batch) for batch in double.batches] == [AT_ONCE, 5]


async def test_a_culprit_fails_alone() -> None:
    double = Doubling()
    together = Together(double)
    told = await asyncio.gather(*(together(n) for n in (1, -1, 2)), return_exceptions=True)
    assert told == [2, double.failure, 4]
    assert double.batches == [[1, -1, 2], [1], [-1], [2]]


@pytest.mark.parametrize("failure", [OSError("gone"), asyncpg.InterfaceError("closed")])
async def test_while_the_database_is_away_nobody_is_tried_one_by_one(failure: Exception) -> None:
    double = Doubling(failure)
    together = Together(double)
    assert await asyncio.gather(*(together(n) for n in (1, -1)), return_exceptions=True) == [failure, failure]
    assert double.batches == [[1, -1]]
    assert await together(3) == 6


async def test_after_a_deadlock_each_is_done_by_itself() -> None:
    double = Doubling(asyncpg.DeadlockDetectedError("deadlock"))
    together = Together(double)
    told = await asyncio.gather(*(together(n) for n in (1, -1)), return_exceptions=True)
    assert told == [2, double.failure]


async def test_who_goes_away_disturbs_nobody() -> None:
    together = Together(Doubling())
    gone, stays = (asyncio.ensure_future(together(n)) for n in (1, 2))
    await asyncio.sleep(0)
    gone.cancel()
    assert await stays == 4


def test_two_of_the_same_are_served_one_after_the_other() -> None:
    assert apart(["a1", "b1", "a2", "a3", "b2"], key=lambda name: name[0]) == [
        [(0, "a1"), (1, "b1")],
        [(2, "a2"), (4, "b2")],
        [(3, "a3")],
    ]
