"""The mind, asked about cases: instants become hours since 1970 and back, and what is told becomes what is believed.

All that rehearsal knows of `smart` stands here, and how its weights are kept in `stream`.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zlib import crc32
from zoneinfo import ZoneInfo

from recoup_retry_scheduler.rehearsal import wire
from recoup_retry_scheduler.rehearsal.books import Case, Person, Plan
from recoup_retry_scheduler.rules.verdict import Allowed
from recoup_retry_scheduler.smart import mind as minds, odds, paydays
from recoup_retry_scheduler.smart.tables import Failing

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)


@dataclass
class Mindful:
    """Asks one mind. `frozen`: it learns nothing, and explores nothing that could be learnt from."""

    mind: minds.Mind
    frozen: bool

    def person(self, country: str | None) -> Person:
        """Give a customer of whom nothing is known but where their bank is."""
        return Person(minds.Customer(paydays.prior((country or "").strip().upper() or None).copy()))

    def choose(self, case: Case, instants: Allowed) -> Plan | None:
        """Choose an instant, or None where no try is worth what it costs."""
        failing = _failing(case)
        if self.frozen:
            failing = replace(failing, lot=None)
        choice = self.mind.choose(
            failing,
            case.person.mind,
            earliest=hours(instants.earliest),
            latest=hours(instants.latest),
            apart=instants.gap / _HOUR,
            tries=case.wish.policy.max_tries - case.tries,
        )
        if choice is None:
            return None
        return Plan(_instant(choice.at), choice.p, choice.propensity, choice.reason)

    def failed(self, case: Case) -> None:
        """Learn of a customer from a first failure."""
        failing = _failing(case)
        day = paydays.day_of(failing.first_at + failing.offset)
        minds.failed(case.person.mind, failing.kind, day=day)

    def passed(self, person: Person, at: datetime) -> None:
        """Learn of a customer from a charge that passed."""
        minds.passed(person.mind, hours(at), offset(person.zone, _day(at)))
        person.paid_at = at if person.paid_at is None else max(person.paid_at, at)

    def learn(self, case: Case, at: datetime, *, passed: bool) -> None:
        """Learn from the outcome of a planned try; call it before the outcome is noted."""
        if not self.frozen:
            self.mind.learn(_failing(case), case.person.mind, hours(at), passed=passed)
        elif passed:
            self.passed(case.person, at)

    def payday(self, person: Person, told: wire.CustomerPayday) -> None:
        """Learn when a customer says that they are paid."""
        person.mind.belief = paydays.told(
            person.mind.belief,
            today=paydays.day_of(hours(told.at) + offset(person.zone, _day(told.at))),
            day_of_month=told.day_of_month,
            weekday=told.weekday,
            day=None if told.date is None else told.date.toordinal() - paydays.EPOCH,
        )


def _failing(case: Case) -> Failing:
    last = None if case.on is None else case.on.newest
    kind = odds.Kind.OTHER
    if last is not None:  # of a card that was not tried yet nothing is known
        credit = (case.opened.funding or "").strip().casefold() == "credit"
        kind = odds.kind_of(last.said.decline.decline_class, credit=credit)
    last_at = case.last_at if last is None else last.at
    return Failing(
        kind,
        hours(case.opened.at),
        hours(last_at),
        case.tries + 1,
        offset(case.opened.timezone, _day(last_at)),
        crc32(f"{case.name} {case.tries}".encode()),
    )


def hours(at: datetime) -> float:
    """Give an instant in hours since 1970."""
    return (at - _EPOCH) / _HOUR


def _instant(hours: float) -> datetime:
    return _EPOCH + timedelta(seconds=round(hours * 3600))


def _day(at: datetime) -> int:
    return (at - _EPOCH).days


@lru_cache(maxsize=10_000)  # a year's days of some thirty zones
def offset(zone: str | None, day: int) -> float:
    """Give the hours from UTC to local time at a day's noon; none for a zone that nobody knows."""
    try:
        at = (_EPOCH + timedelta(days=day, hours=12)).astimezone(ZoneInfo(zone or "UTC"))
    except (ValueError, OSError, KeyError):
        return 0.0
    return (at.utcoffset() or timedelta(0)) / _HOUR
