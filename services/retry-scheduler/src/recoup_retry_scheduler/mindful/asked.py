"""The mind, asked in our words: instants become hours since 1970 and back, declines become kinds of failure.

Instants are UTC; zones are IANA names, and one that nobody knows is UTC.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from recoup_declines import DeclineClass
from recoup_retry_scheduler.rules.verdict import Allowed
from recoup_retry_scheduler.smart import mind as minds, odds, paydays
from recoup_retry_scheduler.smart.tables import Failing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


USUAL_P = 0.3
"""Of a retry of which nothing more is known: first ones pass for 22 to 35 % (published by several processors)."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """When to try, with what odds, and why then; of the reason all but its full stop."""

    at: datetime
    p: float
    propensity: float
    reason: str


def choose(
    mind: minds.Mind, failing: Failing, customer: minds.Customer, instants: Allowed, tries: int
) -> Chosen | None:
    """Choose among the instants that are allowed, or None where no try is worth what it costs.

    Args:
        tries: that are left.
    """
    choice = mind.choose(
        failing,
        customer,
        earliest=hours(instants.earliest),
        latest=hours(instants.latest),
        apart=instants.gap / _HOUR,
        tries=tries,
    )
    if choice is None:
        return None
    return Chosen(_instant(choice.at), choice.p, choice.propensity, choice.reason)


def newcomer(country: str | None) -> minds.Customer:
    """Give a customer of whom nothing is known but where their bank is."""
    return minds.Customer(_prior(country).copy())


def located(customer: minds.Customer, country: str) -> None:
    """Learn where the bank is of a customer who came without a country."""
    minds.located(customer, _prior(None), _prior(country))


def _prior(country: str | None) -> minds.Floats:
    return paydays.prior((country or "").strip().upper() or None)


def kind_of(declined: DeclineClass | None, funding: str | None) -> odds.Kind:
    """Say what kind of failure a decline is; None is of a card that was not tried yet: nothing is known of it."""
    if declined is None:
        return odds.Kind.OTHER
    return odds.kind_of(declined, credit=(funding or "").strip().casefold() == "credit")


def failing(  # all that is known of a case
    kind: odds.Kind,
    *,
    first_at: datetime,
    last_at: datetime,
    number: int,
    zone: str | None,
    lot: int | None = None,
) -> Failing:
    """Give a case as the mind sees it. Arguments as for `Failing`."""
    return Failing(kind, hours(first_at), hours(last_at), number, offset(zone, last_at), lot)


def payday_of(at: datetime, zone: str | None) -> int:
    """Give the day of an instant, as paydays are counted."""
    return paydays.day_of(hours(at) + offset(zone, at))


def hours(at: datetime) -> float:
    """Give an instant in hours since 1970."""
    return (at - _EPOCH) / _HOUR


def _instant(hours: float) -> datetime:
    return _EPOCH + timedelta(seconds=round(hours * 3600))


def offset(zone: str | None, at: datetime) -> float:
    """Give the hours from UTC to local time at the noon of an instant's day."""
    return _offset(zone, (at - _EPOCH).days)


@lru_cache(maxsize=10_000)  # a year's days of some thirty zones
def _offset(zone: str | None, day: int) -> float:
    try:
        at = (_EPOCH + timedelta(days=day, hours=12)).astimezone(ZoneInfo(zone or "UTC"))
    except (ValueError, OSError, KeyError):
        return 0.0
    return (at.utcoffset() or timedelta(0)) / _HOUR
