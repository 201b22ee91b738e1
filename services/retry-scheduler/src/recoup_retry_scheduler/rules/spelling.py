"""Instants, spans and declines as a merchant reads them."""

from datetime import datetime, timedelta
from functools import lru_cache

from recoup_declines import Decline


def on(instant: datetime) -> str:
    """Write a UTC instant as `5 Mar 2026, 09:00 UTC`, the next minute where it has seconds: no one is told too soon."""
    if instant.second or instant.microsecond:
        instant = instant.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return to_the_minute(instant)


def to_the_minute(instant: datetime) -> str:
    """Write a UTC instant as `5 Mar 2026, 09:00 UTC`, whatever its seconds."""
    return f"{instant.day} {instant:%b %Y, %H:%M} UTC"


@lru_cache(maxsize=1024)
def span(length: timedelta) -> str:
    """Write a length of time in hours, or in days from two on."""
    hours = length / timedelta(hours=1)
    number, unit = (hours, "hour") if hours < 48 else (hours / 24, "day")
    return f"{number:.3g} {unit}" if number == 1 else f"{number:.3g} {unit}s"


def times(number: int) -> str:
    """Write how many tries."""
    match number:
        case 0:
            return "no try"
        case 1:
            return "1 try"
        case _:
            return f"{number} tries"


def declined(decline: Decline) -> str:
    """Write why a charge was declined, without the category that Visa's table begins with."""
    head, _, tail = decline.meaning.partition(" ")
    meaning = tail if head in _CATEGORIES else decline.meaning
    return f"The gateway says: {meaning}" if meaning else "The charge was declined"


_CATEGORIES = frozenset({"cat1", "cat2", "cat3", "cat4"})
