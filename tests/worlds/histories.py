"""Seeded histories, as nasty as a gateway and its customers can be, played in lockstep against whoever decides.

Promise: the world makes the tries that were planned when they fall due, and whatever else happens is drawn from the
seed. The same seed, number of events and decider give the same transcript.

    steps = play(decider, seed, events)       decider: one input line in, the answers to it out
    with Process([...command...]) as decider: the same against a program that speaks the wire
"""

import datetime as dt
import itertools
import json
import random
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from . import histories_draws as draws
from .histories_draws import Instrument
from .rules_wire import Given, Line, Step, instant

Decider = Callable[[Given], list[Line]]

EPOCH = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


@dataclass(slots=True)
class Person:
    """A customer of one merchant, and what they pay with, the newest last."""

    name: str
    merchant: str
    wallet: list[Instrument]


@dataclass(slots=True)
class Invoice:
    """What a case is about."""

    case: str
    person: Person
    instrument: Instrument
    paid: bool = False


@dataclass(frozen=True, slots=True)
class Temper:
    """What kind of history it is.

    Attributes:
        pace: Mean hours from one thing that happens by itself to the next.
        mild: Odds of a code that allows a later try.
        success: Odds that a try passes.
        haste: Odds that the next thing is the next planned try, however far away.
        invoices: More of them than this don't fail.
    """

    pace: float
    mild: float
    success: float
    haste: float
    invoices: int
    kinds: Sequence[str]


def _often(**weights: int) -> tuple[str, ...]:
    return tuple(itertools.chain.from_iterable([name] * times for name, times in weights.items()))


ORDINARY = _often(
    fail=8,
    stray=3,
    new_card=3,
    payday=1,
    payment=2,
    policy=2,
    sync=1,
    bad=2,
    repeat=2,
    late=2,
    early=1,
    odd=1,
)
STORM = _often(fail=6, stray=30, payment=1, sync=1, repeat=1, new_card=1)
CARDS = _often(fail=6, stray=2, new_card=8, repeat=2, late=4, payday=1)
TEMPERS = (
    *[Temper(6, 0.7, 0.15, 0.5, 6, ORDINARY)] * 4,
    Temper(30, 0.8, 0.05, 0.7, 5, ORDINARY),
    Temper(1, 0.6, 0.1, 0.3, 12, ORDINARY),
    Temper(12, 0.6, 0.1, 0.4, 5, CARDS),
    Temper(0.5, 1, 0, 0.1, 12, STORM),
    Temper(9, 1, 0.01, 0.2, 4, STORM),
)


def spell(at: dt.datetime) -> str:
    """Spell an instant as the wire does."""
    return f"{at.isoformat()[:19]}Z"


@dataclass(slots=True)
class World:
    """One history while it happens."""

    chance: random.Random
    temper: Temper
    now: dt.datetime
    people: list[Person]
    invoices: list[Invoice] = field(default_factory=list)
    plans: dict[str, dt.datetime] = field(default_factory=dict)
    told: list[Given] = field(default_factory=list)
    names: int = 0

    # --- what happens next ---------------------------------------------------------------------------------

    def next(self) -> Given:
        """Go on to the next thing that happens, and give the line that tells it."""
        chance, temper = self.chance, self.temper
        then = self.now + dt.timedelta(seconds=int(chance.expovariate(1 / (temper.pace * 3600))))
        if self.plans:
            case, at = min(self.plans.items(), key=lambda plan: plan[1])
            if at <= then or chance.random() < temper.haste:
                del self.plans[case]
                if chance.random() < 0.97:
                    return self._executed(case, max(at, self.now))
        self.now = max(then, self.now)
        kind = chance.choice(temper.kinds) if self.invoices else "fail"
        if kind == "fail" and len(self.invoices) >= temper.invoices:
            kind = "stray"
        happened: Given = getattr(self, f"_{kind}")()
        return happened

    def hear(self, answers: list[Line]) -> None:
        """Keep the plans that stand; what is no plan is for the checker to say."""
        for answer in answers:
            case = answer.get("case")
            if not isinstance(case, str):
                continue
            at = instant(answer.get("at")) if answer.get("action") == "retry" else None
            if at is None:
                self.plans.pop(case, None)
            else:
                self.plans[case] = at

    # --- what may happen -----------------------------------------------------------------------------------

    def _executed(self, case: str, at: dt.datetime) -> Line:
        invoice = next((one for one in self.invoices if one.case == case), self.invoices[0])
        if self.chance.random() < 0.08:
            at += dt.timedelta(minutes=self.chance.randint(1, 90))
        self.now = at
        return self._outcome(case, invoice, at, success=self.chance.random() < self.temper.success)

    def _outcome(self, case: str, invoice: Invoice, at: dt.datetime, *, success: bool) -> Line:
        line: Line = {"type": "outcome", "at": spell(at), "case": case, "success": success}
        if success:
            invoice.paid = True
            self.plans.pop(case, None)
            return line
        return line | draws.decline(self.chance, invoice.instrument, self.temper.mild)

    def _failure(self, case: str, at: dt.datetime) -> Line:
        chance = self.chance
        person = chance.choice(self.people)
        paid_with = person.wallet[-1] if chance.random() < 0.85 else chance.choice(person.wallet)
        invoice = Invoice(case, person, paid_with)
        self.invoices.append(invoice)
        return {
            "type": "failure",
            "at": spell(at),
            "case": case,
            "merchant": person.merchant,
            "customer": person.name,
            "amount_minor": chance.randint(1, 99999),
            "currency": chance.choice(["EUR", "USD", "GBP"]),
            **_as_told(paid_with),
            **draws.decline(chance, paid_with, self.temper.mild),
        }

    def _name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def _earlier(self) -> dt.datetime:
        return self.now - dt.timedelta(minutes=self.chance.randint(1, 5000))

    def _fail(self) -> Line:
        return self._failure(self._name("c"), self.now)

    def _stray(self) -> Line:
        """Somebody else charged."""
        invoice = self.chance.choice(self.invoices)
        success = self.chance.random() < self.temper.success / 2
        return self._outcome(invoice.case, invoice, self.now, success=success)

    def _late(self) -> Line:
        """What happened before was not told until now."""
        chance = self.chance
        match chance.randrange(4):
            case 0:
                return self._failure(self._name("c"), self._earlier())
            case 1:
                return self._new_card() | {"at": spell(self._earlier())}
            case 2:  # the same invoice again: somebody else charged and was refused
                invoice = chance.choice(self.invoices)
                failed = self._failure(invoice.case, self._earlier())
                self.invoices.pop()
                said = {"merchant": invoice.person.merchant, "customer": invoice.person.name}
                return failed | said | _as_told(invoice.instrument)
            case _:
                invoice = chance.choice(self.invoices)
                return self._outcome(invoice.case, invoice, self._earlier(), success=chance.random() < 0.2)

    def _early(self) -> Line:
        """The outcome of a case that nobody has heard of; often its failure follows."""
        case = self._name("c")
        at = self.now
        if self.chance.random() < 0.7:
            failed = self._failure(case, self._earlier())
            self.told_later(failed)
        return {"type": "outcome", "at": spell(at), "case": case, "success": self.chance.random() < 0.7}

    def told_later(self, line: Line) -> None:
        """Have a line told again one day, as those are that were told already."""
        self.told.extend([line] * 3)

    def _repeat(self) -> Given:
        return self.chance.choice(self.told)

    def _new_card(self) -> Line:
        chance = self.chance
        person = chance.choice(self.people)
        drawn = chance.random()
        if drawn < 0.3:
            card = chance.choice(person.wallet)
        elif drawn < 0.4 and (
            shared := [
                theirs.wallet[-1]
                for theirs in self.people
                if theirs.merchant == person.merchant and theirs.wallet[-1][1:3] == person.wallet[-1][1:3]
            ]
        ):
            card = chance.choice(shared)
        else:
            card = person.wallet[-1]._replace(name=self._name("k"))
        person.wallet.append(card)
        line = {
            "type": "card_updated",
            "at": spell(self.now),
            "customer": person.name,
            "instrument": card.name,
        }
        for invoice in self.invoices:
            if invoice.person is person:
                invoice.instrument = invoice.instrument._replace(name=card.name)
        return line

    def _payday(self) -> Line:
        chance = self.chance
        days: list[Line] = [
            {"day_of_month": chance.randint(1, 31)},
            {"weekday": chance.randint(0, 6)},
            {"date": (self.now + dt.timedelta(days=chance.randint(-3, 40))).date().isoformat()},
        ]
        line: Line = {
            "type": "customer_payday",
            "at": spell(self.now),
            "customer": chance.choice(self.people).name,
        }
        return line | chance.choice(days)

    def _payment(self) -> Line:
        person = self.chance.choice(self.people)
        card = self.chance.choice(person.wallet).name
        return {"type": "payment", "at": spell(self.now), "customer": person.name, "instrument": card}

    def _policy(self) -> Line:
        merchant = self.chance.choice(self.people).merchant
        return {"type": "policy", "merchant": merchant} | draws.policy(self.chance)

    def _sync(self) -> Line:
        return {"type": "sync"}

    def _bad(self) -> Given:
        if self.chance.random() < 0.6:
            return self.chance.choice(draws.BAD_LINES)
        return self._policy() | self.chance.choice(draws.BAD_POLICIES)

    def _odd(self) -> Line:
        """A line that may be refused or answered."""
        chance = self.chance
        failed = self._failure(self._name("c"), self.now)
        spoilt: list[Line] = [
            {"amount_minor": -5},
            {"currency": None},
            {"instrument": None},
            {"gateway": None},
            {"type": "chargeback"},
            {"case": 17},
            {"code": 51},
            {"unheard_of": {"deep": []}},
        ]
        line = failed | chance.choice(spoilt)
        if line["case"] == 17 or line["type"] == "chargeback":
            self.invoices.pop()
        return line


def _as_told(instrument: Instrument) -> Line:
    name, gateway, brand, funding, country, issuer, timezone = instrument
    return {
        "instrument": name,
        "gateway": gateway,
        "funding": funding,
        "brand": brand,
        "issuer": issuer,
        "country": country,
        "timezone": timezone,
    }


def _begin(chance: random.Random) -> tuple[World, list[Line]]:
    temper = chance.choice(TEMPERS)
    storm = temper.kinds is STORM
    merchants = ["m1"] if storm or chance.random() < 0.7 else ["m1", "m2"]
    people: list[Person] = []
    for number in range(1, chance.randint(1, 4) + 1):
        merchant = chance.choice(merchants)
        theirs = [one for person in people if person.merchant == merchant for one in person.wallet]
        if theirs and (storm or chance.random() < 0.4):
            card = chance.choice(theirs)
        else:
            card = draws.instrument(chance, f"k{chance.randint(1, 3)}{'' if len(merchants) == 2 else number}")
            if any(one.name == card.name for one in theirs):
                card = card._replace(name=f"{card.name}-{number}")
        people.append(Person(f"u{number}", merchant, [card]))
    now = EPOCH + dt.timedelta(seconds=chance.randrange(2 * 365 * 86400))
    world = World(chance, temper, now, people, names=100)
    first = [
        {"type": "policy", "merchant": merchant} | (draws.lavish_policy if storm else draws.policy)(chance)
        for merchant in merchants
        if storm or chance.random() < 0.7
    ]
    return world, first


def play(decider: Decider, seed: int, events: int) -> list[Step]:
    """Play one history of so many input lines, and give its transcript."""
    world, first = _begin(random.Random(seed))
    steps: list[Step] = []
    while len(steps) < events:
        given = first.pop() if first else world.next()
        answers = decider(given)
        world.told.append(given)
        world.hear(answers)
        steps.append(Step(given, answers))
    return steps


class Process:
    """A program that speaks the wire, as a decider.

    Each line is followed by a sync of its own, by whose answer the line's answers are known to be complete; numbers
    are given as if there were no such syncs.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def __call__(self, given: Given) -> list[Line]:
        """Write a line and read what is answered to it.

        Raises:
            EOFError: the program ended.
        """
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        text = given if isinstance(given, str) else json.dumps(given)
        process.stdin.write(f'{text}\n{{"type":"sync"}}\n')
        process.stdin.flush()
        sync = isinstance(given, dict) and given.get("type") == "sync"
        answers: list[Line] = []
        while True:
            said = process.stdout.readline()
            if not said:
                raise EOFError("the program ended before it answered")
            answer = json.loads(said)
            number = answer.get("line")
            if answer.get("synced") and (not sync or (isinstance(number, int) and number % 2 == 0)):
                return answers
            sync = sync and not answer.get("synced")
            if isinstance(number, int):
                answer["line"] = (number + 1) // 2 if number % 2 else -number
            answers.append(answer)
