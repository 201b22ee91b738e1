"""A sandbox clock: what it shows, how it is set, and in what steps it is moved on.

Promise: a clock with cases never goes back, and never makes more than a day in a real second. It is moved on
in steps of at most a day, a real second apart, by its origin and not by its rate: a rate raised for a moment
would have to be lowered again, and services that hear of that a little late would see their clock go back.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

STEP_EVERY = timedelta(seconds=1)
"""Real time between two steps."""

A_DAY = 86_400.0
"""Merchant seconds that a clock may make in a real second, its own rate included."""


@dataclass(frozen=True)
class Clock:
    """At real instant `origin_real` it shows `origin_merchant`; then it runs `rate` merchant seconds a second."""

    origin_real: datetime
    origin_merchant: datetime
    rate: float

    def at(self, real: datetime) -> datetime:
        """Give the merchant's instant at a real one; both UTC."""
        return self.origin_merchant + (real - self.origin_real) * self.rate

    def running(self, rate: float, real: datetime) -> "Clock":
        """Give the clock that goes on from where this one is, at another rate."""
        return Clock(real, self.at(real), rate)

    def showing(self, instant: datetime, real: datetime) -> "Clock":
        """Give the clock that shows an instant now and runs as fast as this one."""
        return Clock(real, instant, self.rate)

    def moved(self, step: timedelta, real: datetime) -> "Clock":
        """Give the clock moved on by a step."""
        return Clock(real, self.at(real) + step, self.rate)


def longest_step(clock: Clock) -> timedelta:
    """Give how far one step may go beyond the clock's own run; zero where it already makes a day a second."""
    return timedelta(seconds=max(0.0, A_DAY - clock.rate)) * STEP_EVERY.total_seconds()


@dataclass(frozen=True)
class Changed:
    """The setting has a new version."""

    version: int


@dataclass(frozen=True)
class Unchanged:
    """It already was so."""

    version: int


@dataclass(frozen=True)
class Refused:
    """A rule forbids it. `code` is a word, `message` a sentence that names the field."""

    code: str
    message: str
    field: str | None = None
