"""What happened on an account: written once as bytes, listed newest first, kept for 30 days of its clock."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

RETENTION = 30 * 86_400  # docs.stripe.com/api/events: "up to 30 days"


@dataclass(frozen=True, slots=True)
class Event:
    """One event; `body` is exactly what every webhook of it carries."""

    id: str
    type: str
    created: int
    body: bytes


class EventLog:
    """The events of one account. `created` never falls, so that a cursor on it misses nothing."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._position: dict[str, int] = {}
        self._forgotten = 0  # how many positions stand before the first that is kept
        self._latest = 0

    def stamp(self, now: float) -> int:
        """Return the instant for a new event: now, or the latest event's if the clock was set back."""
        self._latest = max(self._latest, int(now))
        return self._latest

    def append(self, event: Event) -> None:
        """Keep an event."""
        self._position[event.id] = self._forgotten + len(self._events)
        self._events.append(event)

    def get(self, identifier: str) -> Event | None:
        """Return an event by id, while it is kept."""
        position = self._position.get(identifier)
        return None if position is None else self._events[position - self._forgotten]

    def newest_first(self, after: str | None = None) -> Iterator[Event]:
        """Return events from the latest on, or from the one before an event."""
        start = len(self._events) if after is None else self._position[after] - self._forgotten
        for index in range(start - 1, -1, -1):
            yield self._events[index]

    def oldest_first(self, after: str) -> Iterator[Event]:
        """Return the events that came after one."""
        for index in range(self._position[after] - self._forgotten + 1, len(self._events)):
            yield self._events[index]

    def prune(self, now: float) -> None:
        """Forget what is older than 30 days."""
        keep = 0
        while keep < len(self._events) and self._events[keep].created < now - RETENTION:
            del self._position[self._events[keep].id]
            keep += 1
        if keep:
            del self._events[:keep]
            self._forgotten += keep

    def __len__(self) -> int:
        return len(self._events)


_encoder = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


def encode(value: Any) -> bytes:
    """Write JSON as it goes over the wire."""
    return _encoder.encode(value).encode()
