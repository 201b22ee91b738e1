"""What a stream has told by a key, forgotten when it was not heard of for long."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

FORGOTTEN_AFTER = timedelta(days=180)
NAMES_FORGOTTEN_AFTER = timedelta(days=730)
"""A name is small, and a case that is over must not be opened again."""

AT_ONCE = 2
"""Entries that are forgotten for one that is kept: no line waits for many, and there are never more than are due."""

K = TypeVar("K")
V = TypeVar("V")


def _nothing(_: object) -> None:
    """Do nothing about what is forgotten."""


class Kept(Generic[K, V]):
    """A dictionary whose entries are forgotten in the order in which they were last heard of."""

    def __init__(self, forgotten: Callable[[V], None] = _nothing, after: timedelta = FORGOTTEN_AFTER) -> None:
        self._entries: OrderedDict[K, tuple[datetime, V]] = OrderedDict()
        self._forgotten = forgotten
        self._after = after
        self._look_at = datetime.min.replace(tzinfo=UTC)  # nothing is due before

    def __len__(self) -> int:
        return len(self._entries)

    def items(self) -> Iterator[tuple[K, V]]:
        """Give all that is kept, what was heard of last at the end."""
        return ((key, value) for key, (_, value) in self._entries.items())

    def get(self, key: K) -> V | None:
        """Give what is kept, if anything."""
        found = self._entries.get(key)
        return None if found is None else found[1]

    def keep(self, key: K, value: V, now: datetime) -> V:
        """Keep a value, or keep it for longer, and forget what is due; `now` never goes back."""
        self._entries[key] = now, value
        self._entries.move_to_end(key)
        if now >= self._look_at:
            self._forget(now)
        return value

    def _forget(self, now: datetime) -> None:
        for _ in range(AT_ONCE):
            heard_at, oldest = next(iter(self._entries.values()))
            self._look_at = heard_at + self._after
            if now < self._look_at:
                return
            self._entries.popitem(last=False)
            self._forgotten(oldest)

    def drop(self, key: K) -> None:
        """Forget one now."""
        del self._entries[key]
