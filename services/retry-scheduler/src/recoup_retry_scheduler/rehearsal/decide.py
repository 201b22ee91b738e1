"""The production code as a filter: events in, in time order; answers out. Its wire is `docs/decide.md`.

Promise: no try is answered that the rules forbid, and one that is forbidden by what is told later is withdrawn.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from functools import reduce

from recoup_retry_scheduler.rehearsal import ladders, wire
from recoup_retry_scheduler.rehearsal.answers import (
    NEW_CARD_P,
    another_card,
    both,
    in_whole_seconds,
    kept_within,
    new_card,
    planning,
    refusing,
)
from recoup_retry_scheduler.rehearsal.books import (
    Answer,
    Case,
    Credential,
    Due,
    Key,
    Person,
    Plan,
    Tried,
    Wish,
)
from recoup_retry_scheduler.rehearsal.customers import Customers
from recoup_retry_scheduler.rehearsal.memory import NAMES_FORGOTTEN_AFTER, Kept
from recoup_retry_scheduler.rehearsal.mindful import Mindful
from recoup_retry_scheduler.rules import codes, limits, never, schemes
from recoup_retry_scheduler.rules.codes import Said
from recoup_retry_scheduler.rules.never import Ban
from recoup_retry_scheduler.rules.verdict import Allowed, Forbidden, allowed
from recoup_retry_scheduler.smart.mind import Mind

LONGEST_SILENCE = timedelta(days=1000)
"""An instant later than this after all others is taken for a mistake: it would make every line after it late."""

_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


class Ended(Enum):
    """How a case ended that is remembered by its name alone. `PAID_EARLY`: its failure was not told yet."""

    PAID = auto()
    PAID_EARLY = auto()
    FORGOTTEN = auto()


class Refused(Exception):
    """A line that can be read, but not taken; its message is for whoever sent it."""


@dataclass
class Decider:
    """All that a stream has told, and the mind it asks. `customers`: what earlier streams have told of them."""

    mind: Mind = field(default_factory=Mind)
    customers: Customers = field(default_factory=Customers)
    _now: datetime = _LONG_AGO
    _wishes: dict[str, Wish] = field(default_factory=dict)
    _ended: Kept[str, Ended] = field(default_factory=lambda: Kept(after=NAMES_FORGOTTEN_AFTER))
    _credentials: Kept[Key, Credential] = field(default_factory=Kept)
    _people: Kept[str, Person] = field(default_factory=Kept)
    _banned: dict[Key, Ban] = field(default_factory=dict)  # for ever: networks forget no ban

    def __post_init__(self) -> None:
        self._mindful = Mindful(self.mind)
        self._cases: Kept[str, Case] = Kept(self._forgotten)

    def hear(self, raw: bytes | str, line: int) -> Iterator[Answer]:
        """Give the answers to one line; they must be taken before the next line is given."""
        try:
            yield from self._heard(wire.read(raw), line)
        except (wire.Unreadable, Refused) as why:
            yield {"error": str(why), "line": line}

    def learnt(self) -> Customers:
        """Give what is believed of all customers, those whom this stream told nothing of before the others."""
        return self.customers.with_all(self._people.items())

    def verdict(self, case: str) -> Allowed | Forbidden | None:
        """Say what the rules make of an open case as things stand; None of one that is not open."""
        known = self._cases.get(case)
        return None if known is None else self._verdict(known)

    def _heard(self, told: wire.Line, line: int) -> Iterator[Answer]:
        match told:
            case wire.Policy():
                self._wishes[told.merchant] = Wish.of(told)
            case wire.Sync():
                yield {"line": line, "synced": True}
            case _:
                if self._now != _LONG_AGO and told.at > self._now + LONGEST_SILENCE:
                    raise Refused(f"at: at most {LONGEST_SILENCE.days} days after the latest instant heard")
                self._now = max(self._now, told.at)
                yield from self._event(told, line)

    def _event(self, told: wire.Event, line: int) -> Iterator[Answer]:
        match told:
            case wire.Failure():
                yield from self._failure(told, line)
            case wire.Outcome():
                yield from self._outcome(told, line)
            case wire.Payment():
                yield from self._payment(told, line)
            case wire.CardUpdated():
                yield from self._card(told, line)
            case wire.CustomerPayday():
                person = self._person(told.customer, None)
                self._mindful.payday(person, told)
                yield from self._anew(person, line)

    # --- what is told --------------------------------------------------------------------------------------

    def _failure(self, told: wire.Failure, line: int) -> Iterator[Answer]:
        known = self._cases.get(told.case)
        if known is not None:
            if told.at != known.opened.at:
                raise Refused("case: it was opened before")
            yield {**known.standing, "line": line}
            return
        ended = self._ended.get(told.case)
        if ended in {Ended.PAID, Ended.FORGOTTEN}:
            raise Refused("case: it is over")
        wish = self._wishes.get(told.merchant)
        if wish is None:
            wish = self._wishes[told.merchant] = Wish.of(wire.Policy(type="policy", merchant=told.merchant))
        person = self._person(told.customer, told.country)
        person.zone = told.timezone or person.zone
        credential = self._credential((told.merchant, told.instrument))
        case = Case(
            opened=told,
            gateway=told.gateway or "",
            wish=wish,
            person=person,
            credential=credential,
            tried={told.instrument: Tried()},
            last_at=told.at,
            perhaps={person.card[1]} if person.card is not None and told.at <= person.card[0] else set(),
        )
        self._open(case)
        said = codes.read(case.gateway, told.brand, told)
        another = credential.told is None or not _alike(credential.told, told)
        credential.told = told
        yield from self._note(case, told.instrument, said, told.at, line, another=another)
        if ended is Ended.PAID_EARLY:
            self._paid(case)
            yield {"line": line, "case": told.case, "action": "stop", "reason": "This case has been paid."}
            return
        self._mindful.failed(case)
        yield self._answer(case, line)

    def _outcome(self, told: wire.Outcome, line: int) -> Iterator[Answer]:
        case = self._cases.get(told.case)
        if case is None:
            yield from self._of_no_open_case(told, line)
            return
        self._touch(case)
        if told.success:
            yield from self._passed(case, told, line)
        elif told.at in case.outcomes:
            yield {**case.standing, "line": line}
        else:
            case.outcomes.add(told.at)
            yield from self._failed(case, told, line)

    def _of_no_open_case(self, told: wire.Outcome, line: int) -> Iterator[Answer]:
        ended = self._ended.get(told.case)
        if told.success:
            self._ended.keep(told.case, ended or Ended.PAID_EARLY, self._now)
        elif ended in {Ended.PAID, Ended.PAID_EARLY}:
            raise Refused("case: it has been paid")
        else:
            yield {
                "line": line,
                "case": told.case,
                "action": "stop",
                "reason": "This case is not known, or no longer.",
            }

    def _passed(self, case: Case, told: wire.Outcome, line: int) -> Iterator[Answer]:
        if _is_planned(case, told):
            self._mindful.learn(case, told.at, passed=True)
        else:
            self._mindful.passed(case.person, told.at)
        self._paid(case)
        yield from self._anew(case.person, line)

    def _failed(self, case: Case, told: wire.Outcome, line: int) -> Iterator[Answer]:
        said = codes.read(case.gateway, case.opened.brand, told)
        instrument = case.credential.key[1]
        if not _is_planned(case, told):
            instrument = instrument if case.overtaken is None else case.overtaken.instrument
        else:
            case.in_doubt = False
            if said.charged:
                self._mindful.learn(case, told.at, passed=False)
                case.tries += 1
        case.overtaken = None
        case.last_at = max(case.last_at, told.at)
        yield from self._note(case, instrument, said, told.at, line)
        yield self._answer(case, line)

    def _payment(self, told: wire.Payment, line: int) -> Iterator[Answer]:
        person = self._person(told.customer, None)
        if person.paid_at is None or told.at > person.paid_at:  # else it is told twice, or late
            self._mindful.passed(person, told.at)
            yield from self._anew(person, line)

    def _card(self, told: wire.CardUpdated, line: int) -> Iterator[Answer]:
        person = self._person(told.customer, None)
        if person.card is not None and told.at < person.card[0]:
            raise Refused("at: a newer card of this customer is known")
        person.card = told.at, told.instrument
        for case in list(person.cases.values()):
            before = case.credential
            if before.key[1] == told.instrument:
                continue
            if told.at < case.last_at:
                case.perhaps.add(told.instrument)  # and the case goes on: its last charge knew that card
                continue
            if case.plan is not None and case.plan.at <= self._now:
                case.overtaken = Due(before.key[1], case.plan.at)
            del before.cases[case.name]
            case.in_doubt = True
            case.credential = self._credential((before.key[0], told.instrument))
            case.credential.cases[case.name] = case
            yield from self._again(case, line)

    def _note(
        self, case: Case, instrument: str, said: Said, at: datetime, line: int, *, another: bool = False
    ) -> Iterator[Answer]:
        """Note a decline, and plan anew what others planned with the same instrument, where that is forbidden now.

        Args:
            another: it was found to be of another network than was thought.
        """
        in_doubt = case.in_doubt or bool(case.perhaps)
        for name in {instrument, *case.perhaps}:
            case.tried.setdefault(name, Tried()).note(said, at, in_doubt=in_doubt)
        credential = case.credential
        if credential.key[1] != instrument:
            credential = self._credential((case.opened.merchant, instrument))
        if said.charged:
            credential.note(at)
        if said.ban is not None and said.ban.reach is never.Reach.CREDENTIAL:
            self._banned.setdefault(credential.key, said.ban)
        for other in list(credential.cases.values()):
            if other is not case and (another or self._is_forbidden_now(other, credential)):
                yield from self._again(other, line)

    def _is_forbidden_now(self, case: Case, credential: Credential) -> bool:
        if case.plan is None:
            return False
        if credential.key in self._banned:
            return True
        declines = [one for one in credential.declines if one <= case.plan.at]
        return limits.reached(case.brand, declines, case.plan.at, case.country) is not None

    def _anew(self, person: Person, line: int) -> Iterator[Answer]:
        """Plan a customer's cases anew, but for tries that are under way, and tell of those whose plan changed."""
        for case in list(person.cases.values()):
            if case.wish.told.mode == "smart" and case.plan is not None and case.plan.at > self._now:
                yield from self._again(case, line)

    # --- what is answered ----------------------------------------------------------------------------------

    def _again(self, case: Case, line: int) -> Iterator[Answer]:
        """Plan a case anew, and tell of it if its plan changed; nothing more is told of one that was stopped."""
        before = case.standing
        if before.get("action") == "stop":
            return
        answer = self._answer(case, line)
        if any(answer.get(name) != before.get(name) for name in ("action", "at", "for")):
            yield answer

    def _answer(self, case: Case, line: int) -> Answer:
        answer: Answer = {"line": line, "case": case.name}
        verdict = self._verdict(case)
        case.plan = None
        if isinstance(verdict, Forbidden):
            answer |= refusing(verdict)
        else:
            case.plan = self._plan(case, verdict)
            answer |= another_card(verdict.latest) if case.plan is None else planning(case.plan)
        case.standing = answer
        return answer

    def _verdict(self, case: Case) -> Allowed | Forbidden:
        payments = case.payments(self._banned.get(case.credential.key))
        return reduce(both, (allowed(payment, self._now) for payment in payments))

    def _plan(self, case: Case, instants: Allowed) -> Plan | None:
        """Choose among the instants that are allowed; a new card is tried at once."""
        instants = in_whole_seconds(instants)
        if case.on is None:
            at = instants.earliest
            if case.overtaken is not None:
                at = max(at, case.overtaken.at + case.wish.policy.min_gap)
            return kept_within(Plan(at, NEW_CARD_P, 1.0, new_card(instants)), instants)
        if case.wish.told.mode == "smart":
            plan = self._mindful.choose(case, instants)
            return None if plan is None else kept_within(plan, instants)
        step = ladders.step(case.wish.told, case.tries, case.opened.at, instants)
        return None if step is None else kept_within(step, instants)

    # --- what is kept --------------------------------------------------------------------------------------

    def _person(self, name: str, country: str | None) -> Person:
        person = self._people.get(name) or self.customers.find(name) or self._mindful.person(country)
        if country:
            self._mindful.located(person, country)
        return self._people.keep(name, person, self._now)

    def _credential(self, key: Key) -> Credential:
        return self._credentials.keep(key, self._credentials.get(key) or Credential(key), self._now)

    def _open(self, case: Case) -> None:
        case.person.cases[case.name] = case
        case.credential.cases[case.name] = case
        self._cases.keep(case.name, case, self._now)

    def _touch(self, case: Case) -> None:
        self._cases.keep(case.name, case, self._now)
        self._people.keep(case.opened.customer, case.person, self._now)
        self._credentials.keep(case.credential.key, case.credential, self._now)

    def _paid(self, case: Case) -> None:
        self._cases.drop(case.name)
        self._leave(case, Ended.PAID)

    def _forgotten(self, case: Case) -> None:
        self._leave(case, Ended.FORGOTTEN)

    def _leave(self, case: Case, ended: Ended) -> None:
        self._ended.keep(case.name, ended, self._now)
        del case.person.cases[case.name]
        del case.credential.cases[case.name]


def _is_planned(case: Case, told: wire.Outcome) -> bool:
    """Tell whether an outcome is of the planned try; what was charged before its instant was charged by others."""
    return case.plan is not None and told.at >= case.plan.at


def _alike(one: wire.Failure, other: wire.Failure) -> bool:
    """Tell whether the same rules follow from what two failures say of one instrument."""
    return _network(one) == _network(other)


def _network(told: wire.Failure) -> tuple[str | None, str | None, str | None]:
    return schemes.scheme_of(told.gateway or "", told.brand), schemes.network_of(told.brand), told.country
