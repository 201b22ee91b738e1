"""Every change of local time from 2024 to 2030, in every zone that IANA names, from the zone data itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
LOOK = timedelta(days=7)
"""No zone changes twice within a week, but Morocco's Ramadan, which lasts a month."""


@dataclass(frozen=True)
class Transition:
    """A zone's clocks change at `at` (UTC): to the instant before it `before` is added, to what follows `after`."""

    zone: str
    at: datetime
    before: timedelta
    after: timedelta


def transitions() -> Iterator[Transition]:
    """Give them all, zone by zone; zones that never change in these years give none."""
    for name in sorted(available_timezones()):
        yield from _of(name, ZoneInfo(name))


def _of(name: str, zone: ZoneInfo) -> Iterator[Transition]:
    at, before = FIRST, _offset(zone, FIRST)
    while at < LAST:
        following = at + LOOK
        after = _offset(zone, following)
        if after != before:
            yield Transition(name, _between(zone, at, following), before, after)
        at, before = following, after


def _between(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """Find the first second of the new offset."""
    before = _offset(zone, low)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return high


def _offset(zone: ZoneInfo, at: datetime) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset
