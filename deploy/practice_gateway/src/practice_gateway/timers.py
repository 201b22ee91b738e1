"""What is due when on an account's clock.

A timer is never cancelled: one that is no longer wanted finds its object changed and does nothing.
"""

import heapq
import itertools
from collections.abc import Awaitable, Callable

Action = Callable[[], Awaitable[None]]


class Timers:
    """Actions by due time, merchant's Unix seconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Action]] = []
        self._order = itertools.count()

    def at(self, due: float, action: Action) -> None:
        """Run an action once its time has come."""
        heapq.heappush(self._heap, (due, next(self._order), action))

    def next_due(self) -> float | None:
        """Return when the next one is due."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now: float, limit: int) -> list[Action]:
        """Take what is due, the earliest first."""
        due: list[Action] = []
        while self._heap and self._heap[0][0] <= now and len(due) < limit:
            due.append(heapq.heappop(self._heap)[2])
        return due

    def __len__(self) -> int:
        return len(self._heap)
