"""The objects of one kind that an account has, in the order they were made, found by id or by owner."""

from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar


class Identified(Protocol):
    """Anything with an id."""

    id: str


T = TypeVar("T", bound=Identified)


class Collection(Generic[T]):
    """Objects by id, with indexes by fields that never change once they are set."""

    def __init__(self, **indexes: Callable[[T], str | None]) -> None:
        self._objects: dict[str, T] = {}
        self._key_of = indexes
        self._index: dict[str, dict[str, list[T]]] = {name: {} for name in indexes}

    def add(self, item: T) -> T:
        """Keep an object."""
        self._objects[item.id] = item
        for name, key_of in self._key_of.items():
            key = key_of(item)
            if key is not None:
                self._index[name].setdefault(key, []).append(item)
        return item

    def get(self, identifier: str | None) -> T | None:
        """Return an object by id."""
        return self._objects.get(identifier) if identifier else None

    def __getitem__(self, identifier: str) -> T:
        return self._objects[identifier]

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[T]:
        return iter(self._objects.values())

    def newest_first(self) -> Iterator[T]:
        """Return all, the latest made first."""
        return reversed(self._objects.values())

    def of(self, index: str, key: str) -> list[T]:
        """Return those of one owner, the oldest first."""
        return self._index[index].get(key, [])

    def remove(self, identifier: str) -> None:
        """Forget an object (a deleted draft)."""
        item = self._objects.pop(identifier)
        for name, key_of in self._key_of.items():
            key = key_of(item)
            if key is not None:
                self._index[name][key].remove(item)
