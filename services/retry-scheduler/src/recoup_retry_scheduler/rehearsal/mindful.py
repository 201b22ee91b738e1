"""The mind, asked about a stream's cases: what is told becomes what is believed.

All that rehearsal knows of `smart` stands here, and how its weights are kept in `stream`.
"""

from dataclasses import dataclass
from datetime import datetime
from zlib import crc32

from recoup_retry_scheduler.mindful import asked
from recoup_retry_scheduler.rehearsal import wire
from recoup_retry_scheduler.rehearsal.books import Case, Person, Plan
from recoup_retry_scheduler.rules.verdict import Allowed
from recoup_retry_scheduler.smart import mind as minds, paydays
from recoup_retry_scheduler.smart.tables import Failing


@dataclass
class Mindful:
    """Asks one mind."""

    mind: minds.Mind

    def person(self, country: str | None) -> Person:
        """Give a customer of whom nothing is known but where their bank is."""
        return Person(asked.newcomer(country), located=bool(country))

    def located(self, person: Person, country: str) -> None:
        """Learn where a customer's bank is, if that was not known."""
        if not person.located:
            asked.located(person.mind, country)
            person.located = True

    def choose(self, case: Case, instants: Allowed) -> Plan | None:
        """Choose an instant, or None where no try is worth what it costs."""
        tries = case.wish.policy.max_tries - case.tries
        chosen = asked.choose(self.mind, _failing(case), case.person.mind, instants, tries)
        return None if chosen is None else Plan(chosen.at, chosen.p, chosen.propensity, chosen.reason)

    def failed(self, case: Case) -> None:
        """Learn of a customer from a first failure."""
        day = asked.payday_of(case.opened.at, case.opened.timezone)
        minds.failed(case.person.mind, _failing(case).kind, day=day)

    def passed(self, person: Person, at: datetime) -> None:
        """Learn of a customer from a charge that passed."""
        minds.passed(person.mind, asked.hours(at), asked.offset(person.zone, at))
        person.paid_at = at if person.paid_at is None else max(person.paid_at, at)

    def learn(self, case: Case, at: datetime, *, passed: bool) -> None:
        """Learn from the outcome of a planned try; call it before the outcome is noted."""
        self.mind.learn(_failing(case), case.person.mind, asked.hours(at), passed=passed)

    def payday(self, person: Person, told: wire.CustomerPayday) -> None:
        """Learn when a customer says that they are paid."""
        person.mind.belief = paydays.told(
            person.mind.belief,
            today=asked.payday_of(told.at, person.zone),
            day_of_month=told.day_of_month,
            weekday=told.weekday,
            day=None if told.date is None else told.date.toordinal() - paydays.EPOCH,
        )


def _failing(case: Case) -> Failing:
    last = None if case.on is None else case.on.newest
    return asked.failing(
        asked.kind_of(None if last is None else last.said.decline.decline_class, case.opened.funding),
        first_at=case.opened.at,
        last_at=case.last_at if last is None else last.at,
        number=case.tries + 1,
        zone=case.opened.timezone,
        lot=crc32(f"{case.name} {case.tries}".encode()),
    )
