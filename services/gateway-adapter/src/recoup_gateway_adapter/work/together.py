"""What arrives while one batch is being done is the next batch: one transaction for many works.

Promise: a caller goes on once its batch is committed; a batch that fails is done again one by one, so that the
culprit alone fails.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from recoup_chassis.errors import Retryable, is_retryable

AT_ONCE = 100
ROLLED_BACK = "40"
"""SQLSTATE class of deadlocks: run it again."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Together(Generic[Item, Result]):
    """Does in batches what many ask for one by one.

    Args:
        do: does a batch, in one transaction, and gives a result for each item, in their order.
    """

    def __init__(self, do: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]) -> None:
        self._do = do
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._working: asyncio.Task[None] | None = None

    async def __call__(self, item: Item) -> Result:
        """Do one item together with those of others."""
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:AT_ONCE], self._waiting[AT_ONCE:]
                failure = await self._attempt(batch)
                if failure is not None:
                    await self._one_by_one(batch, failure)
        finally:
            self._working = None

    async def _one_by_one(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]], why: Exception) -> None:
        failure: Exception | None = why if len(batch) == 1 or _is_away(why) else None
        for one in batch:
            failed = failure or await self._attempt([one])
            if failed is not None and not one[1].done():
                one[1].set_exception(failed)
            if failed is not None and _is_away(failed):
                failure = failed

    async def _attempt(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> Exception | None:
        try:
            results = await self._do([item for item, _ in batch])
        except Exception as failure:  # noqa: BLE001  # whoever asked is told
            return failure
        for (_, done), result in zip(batch, results, strict=True):
            if not done.done():  # whoever asked may have gone away
                done.set_result(result)
        return None


def apart(items: Sequence[Item], key: Callable[[Item], object]) -> list[list[tuple[int, Item]]]:
    """Deal items, with their places, into groups in which no two have the same key; who came first is served first."""
    groups: list[list[tuple[int, Item]]] = []
    met: dict[object, int] = {}
    for n, item in enumerate(items):
        turn = met.get(key(item), 0)
        met[key(item)] = turn + 1
        groups += [[]] if turn == len(groups) else []
        groups[turn].append((n, item))
    return groups


def _is_away(error: Exception) -> bool:
    """Tell whether the database can't be reached: what we ask of it next will fail too."""
    again = isinstance(error, Retryable) or str(getattr(error, "sqlstate", "")).startswith(ROLLED_BACK)
    return is_retryable(error) and not again
