"""Attempts and what was known at each, from the lines of a log: as `decide` would have come to know it.

Promise: what a line says is taken as `decide` takes it, but that every outcome is learnt from, whoever planned the try.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from recoup_retry_scheduler.mindful.asked import hours, kind_of, offset, payday_of
from recoup_retry_scheduler.rehearsal import wire
from recoup_retry_scheduler.rehearsal.memory import FORGOTTEN_AFTER
from recoup_retry_scheduler.rehearsal.rows import Bad, Row
from recoup_retry_scheduler.rules import codes
from recoup_retry_scheduler.smart import paydays
from recoup_retry_scheduler.smart.attempts import NEVER, Log, Payday, Writer
from recoup_retry_scheduler.smart.odds import Kind
from recoup_retry_scheduler.smart.tables import Failing

_FORGOTTEN_AFTER = FORGOTTEN_AFTER.total_seconds() / 3600


@dataclass(slots=True)
class _Person:
    """A customer. `latest`: the newest instant told of them; this and others in hours since 1970."""

    number: int
    country: str | None = None
    zone: str | None = None
    latest: float = NEVER
    paid_at: float = NEVER
    card_at: float = NEVER
    cases: list["_Case"] = field(default_factory=list)


@dataclass(slots=True)
class _Case:
    """An open case. `failing`: as the next try will find it."""

    name: str
    person: _Person
    gateway: str
    brand: str | None
    zone: str | None
    funding: str | None
    instrument: str
    failing: Failing


class _Refused(Exception):
    """A line that can be read, but not taken; its message says why."""


@dataclass
class Logbook:
    """Takes lines, each customer's in the order of time."""

    attempts: int = 0
    _writer: Writer = field(default_factory=Writer)
    _people: dict[str, _Person] = field(default_factory=dict)
    _cases: dict[str, _Case | None] = field(default_factory=dict)  # None: it is over

    def take(self, rows: Iterable[Row | Bad]) -> Iterator[Bad]:
        """Take all rows, and give those that cannot be taken."""
        for row in rows:
            if isinstance(row, Bad):
                yield row
                continue
            try:
                self._take(row.told)
            except _Refused as why:
                yield Bad(row.line, str(why))

    def log(self) -> Log:
        """Give what was taken."""
        return self._writer.log()

    def _take(self, told: wire.Line) -> None:
        match told:
            case wire.Payment():  # most of a log
                self._payment(told)
            case wire.Outcome():
                self._outcome(told)
            case wire.Failure():
                self._failure(told)
            case wire.CardUpdated():
                self._card(told)
            case wire.CustomerPayday():
                self._payday(told)
            case wire.Policy() | wire.Sync():
                pass  # who tried when is in the outcomes

    def _failure(self, told: wire.Failure) -> None:
        if told.case in self._cases:
            raise _Refused("case: it was opened before")
        person, at = self._person(told.customer, told.country), hours(told.at)
        _in_order(person, at)
        person.zone = told.timezone or person.zone
        said = codes.read(told.gateway or "", told.brand, told)
        ahead = offset(told.timezone, told.at)
        failing = Failing(kind_of(said.decline.decline_class, told.funding), at, at, 1, ahead)
        case = _Case(
            told.case,
            person,
            told.gateway or "",
            told.brand,
            told.timezone,
            told.funding,
            told.instrument,
            failing,
        )
        self._cases[told.case] = case
        person.cases = [one for one in person.cases if at - one.failing.last_at < _FORGOTTEN_AFTER]
        person.cases.append(case)
        self._writer.failure(person.number, failing)

    def _outcome(self, told: wire.Outcome) -> None:
        case, at = self._cases.get(told.case), hours(told.at)
        if case is None:
            raise _Refused(
                "case: it is over" if told.case in self._cases else "case: no failure of it is told"
            )
        before = case.failing
        if at <= before.last_at:
            raise _Refused("at: an outcome of this instant or a later one was told")
        if at - before.last_at > _FORGOTTEN_AFTER:
            raise _Refused("case: it was not heard of for too long")
        _in_order(case.person, at)
        if told.success:
            self._writer.attempt(case.person.number, before, at, passed=True)
            self.attempts += 1
            self._cases[case.name] = None
            case.person.cases.remove(case)
            return
        said = codes.read(case.gateway, case.brand, told)
        if said.charged:
            self._writer.attempt(case.person.number, before, at, passed=False)
            self.attempts += 1
        case.failing = Failing(
            kind_of(said.decline.decline_class, case.funding),
            before.first_at,
            at,
            before.number + said.charged,
            offset(case.zone, told.at),
        )

    def _payment(self, told: wire.Payment) -> None:
        person = self._people.get(told.customer) or self._person(told.customer, None)
        at = hours(told.at)
        if at <= person.paid_at:
            return  # it is told twice
        _in_order(person, at)
        person.paid_at = at
        self._writer.payment(person.number, at, offset(person.zone, told.at))

    def _card(self, told: wire.CardUpdated) -> None:
        person, at = self._person(told.customer, None), hours(told.at)
        if at < person.card_at:
            raise _Refused("at: a newer card of this customer is known")
        person.card_at = at
        for case in person.cases:
            if case.instrument != told.instrument and at >= case.failing.last_at:
                case.instrument = told.instrument  # of which nothing is known
                case.failing = replace(case.failing, kind=Kind.OTHER)

    def _payday(self, told: wire.CustomerPayday) -> None:
        person, at = self._person(told.customer, None), hours(told.at)
        _in_order(person, at)
        said = Payday(
            today=payday_of(told.at, person.zone),
            day_of_month=told.day_of_month,
            weekday=told.weekday,
            day=None if told.date is None else told.date.toordinal() - paydays.EPOCH,
        )
        self._writer.payday(person.number, said)

    def _person(self, name: str, country: str | None) -> _Person:
        country = (country or "").strip().upper() or None
        person = self._people.get(name)
        if person is None:
            person = self._people[name] = _Person(self._writer.person(country), country)
        elif country and person.country is None:
            person.country = country
            self._writer.locate(person.number, country)
        return person


def _in_order(person: _Person, at: float) -> None:
    """Refuse what comes before something that was told: beliefs cannot be taken back."""
    if at < person.latest:
        raise _Refused("at: later things of this customer were told before; a log is in the order of time")
    person.latest = at
