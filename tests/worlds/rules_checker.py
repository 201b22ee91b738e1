"""Reads what `retry-scheduler decide` was told and answered, and says every rule that was broken.

Promise: it knows the rules' table and the wire, and nothing of the code that decides. It judges a try at the instant
at which it would be made, on what had been told by then, and keeps its own books for each case and each credential.

    violations = check(steps)                      a whole transcript
    checker = Checker(); checker.hear(1, given, answers); checker.violations      in lockstep
"""

import datetime as dt
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from .rules_books import Books, Case, Readings
from .rules_limits import Problem, forbid_plan, forbid_try
from .rules_wire import Given, Line, Reading, Step, instant, number, policy_of, read

WAIT_FOR = frozenset({"card_updated", "customer_authentication", "merchant"})


class Violation(NamedTuple):
    """A broken rule (its row of `rules.csv`), the input line (from 1) it was broken at, the case, and a sentence."""

    rule: str
    line: int
    case: str | None
    sentence: str


class Checker:
    """One stream, from its first line on."""

    def __init__(self, readings: Readings | None = None) -> None:
        self.violations: list[Violation] = []
        self.books = Books(readings or Readings())
        self._line = 0
        self._kind = ""
        self._vague: set[str | int] = set()  # cases of lines that nobody knows the meaning of

    def hear(self, line: int, given: Given, answers: list[Line]) -> None:
        """Take the next input line and all that was answered to it.

        Args:
            line: Its number, from 1.
        """
        self._line = line
        reading = read(given)
        told = reading.line
        if answers and any("error" in answer for answer in answers):
            self._refused(reading, answers)
            return
        if reading.state == "bad":
            self._say("error", None, "a line that can't be read was not refused")
            return
        if told is None:
            case = (given if isinstance(given, dict) else json.loads(given)).get("case")
            if isinstance(case, str | int):
                self._vague |= {case, str(case)}
            self._answers(answers, None, self.books.now)
            return
        self._kind = kind = told["type"]
        if kind == "policy":
            self._policy(told)
        elif kind == "sync":
            self._sync(answers)
        own, now = self._facts(kind, told, reading.at)
        if answers:
            self._answers(answers, own, now)
            if own is not None and answers[-1].get("case") != own:
                said = any(answer.get("case") == own for answer in answers)
                self._say(*(("answer_order", own, "is not the last") if said else _missing(own)))
        elif own is not None:
            self._say(*_missing(own))

    def _say(self, rule: str, case: str | None, sentence: str) -> None:
        self.violations.append(Violation(rule, self._line, case, sentence))

    # --- inputs --------------------------------------------------------------------------------------------

    def _refused(self, reading: Reading, answers: list[Line]) -> None:
        """An error stands alone, has its number, and is for lines that deserve it; what it refuses is not heard."""
        for answer in answers:
            if answer.get("line") != self._line:
                self._say("line_number", None, f"says line {answer.get('line')}")
        if len(answers) != 1:
            self._say("error", None, "an error is not the line's only answer")
        told = reading.line
        if reading.state != "fine" or told is None:
            return
        if told["type"] == "policy":  # may be refused for reasons of its own, such as a network's limit
            return
        if not self._excused(told, reading.at):
            self._say("error", told.get("case"), "a line that is fine was refused")

    def _excused(self, told: Line, at: dt.datetime | None) -> bool:
        books = self.books
        if at is not None and books.now is not None and at < books.now:
            return True
        case = books.cases.get(told.get("case", ""))
        match told["type"]:
            case "failure":
                return case is not None or told["case"] in books.early
            case "outcome":
                return case is None or case.settled or at in case.outcomes
            case _:
                return False

    def _policy(self, told: Line) -> None:
        policy = policy_of(told)
        if policy is None:
            self._say("policy_refused", None, "a policy that contradicts itself or has no numbers was taken")
        else:
            self.books.set_policy(told.get("merchant"), policy)

    def _sync(self, answers: list[Line]) -> None:
        if not answers or sum("synced" in answer for answer in answers) != 1 or not answers[-1].get("synced"):
            self._say("sync", None, "is not answered once, last")

    def _facts(self, kind: str, told: Line, at: dt.datetime | None) -> tuple[str | None, dt.datetime | None]:
        """Write down what happened; give the case that an answer is owed to, and the instant that it is now."""
        books = self.books
        if at is None:
            return None, books.now
        if books.now is None or at > books.now:
            books.now = at
        owed = None
        if kind == "failure":
            owed = told["case"]
            books.fail(told, at)
        elif kind == "outcome":
            if due := books.due(told, at):
                for problem in forbid_try(books, *due):
                    self._say(problem.rule, told["case"], problem.sentence)
            books.settle(told, at)
            owed = None if told["success"] else told["case"]
        elif kind == "card_updated":
            books.update_card(told, at)
        return owed, at

    # --- answers -------------------------------------------------------------------------------------------

    def _answers(self, answers: list[Line], own: str | None, now: dt.datetime | None) -> None:
        seen = set()
        for answer in answers:
            if answer.get("line") != self._line:
                self._say("line_number", answer.get("case"), f"says line {answer.get('line')}")
            if "synced" in answer:
                continue
            name = answer.get("case")
            if name in seen:
                self._say("one_answer", name, "is answered twice")
            seen.add(name)
            self._answer(answer, name, own, now)

    def _answer(self, answer: Line, name: Any, own: str | None, now: dt.datetime | None) -> None:
        if name in self._vague:
            return
        case = self.books.cases.get(name)
        action = answer.get("action")
        if case is None and (name != own or own is None or action == "retry"):
            self._say("known_case", name, "has not failed")
        if not answer.get("reason") or not isinstance(answer["reason"], str):
            self._say("shape", name, "gives no reason")
        if action == "retry":
            self._retry(answer, name, case, now)
            return
        if action == "wait":
            if answer.get("for") not in WAIT_FOR:
                self._say("wait_for", name, f"waits for {answer.get('for')}")
        elif action != "stop":
            self._say("shape", name, f"has the action {action}")
        if case is not None:
            case.plan = None

    def _retry(self, answer: Line, name: Any, case: Case | None, now: dt.datetime | None) -> None:
        p, propensity = number(answer.get("p")), number(answer.get("propensity"))
        if p is None or not 0 <= p <= 1:
            self._say("p", name, f"p is {answer.get('p')}")
        if propensity is None or not 0 < propensity <= 1:
            self._say("propensity", name, f"propensity is {answer.get('propensity')}")
        at = instant(answer.get("at"))
        if at is None:
            self._say("shape", name, f"the instant is {answer.get('at')}")
        elif case is not None:
            for problem in self._plan(case, at, now):
                self._say(problem.rule, name, problem.sentence)

    def _plan(self, case: Case, at: dt.datetime, now: dt.datetime | None) -> Iterator[Problem]:
        if now is not None and at < now:
            yield Problem("in_the_past", f"{at} is before {now}, when it was planned")
        if at != case.plan:
            case.plan, case.planned, case.by_new_card = at, now or at, self._kind == "card_updated"
        yield from forbid_plan(self.books, case, at)


def _missing(own: str) -> tuple[str, str, str]:
    return "one_answer", own, "has no answer"


def check(steps: Iterable[Step], readings: Readings | None = None) -> list[Violation]:
    """Say every violation in a transcript, from its first line on."""
    checker = Checker(readings)
    for line, step in enumerate(steps, 1):
        checker.hear(line, step.given, step.answers)
    return checker.violations


__all__ = ["Checker", "Readings", "Step", "Violation", "check"]
