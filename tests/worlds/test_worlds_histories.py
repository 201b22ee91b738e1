"""Histories and the checker together: who is careful passes them all, and no fault goes unseen."""

import collections
import sys

import pytest

from .deciders import FAULTS, Careful
from .histories import Process, play
from .rules_checker import Violation, check
from .rules_survey import survey
from .rules_table import RULES
from .rules_wire import Line, Step

LONG, SEEDS, PURE = 60, 700, 8
SELDOM = {
    "ach_never": 105,
    "adyen_blocked": 90,
    "bacs_month": 210,
    "becs_fix_first": 145,
    "becs_limit": 95,
    "braintree_mastercard": 210,
    "braintree_recurring": 145,
    "checkout_visa": 330,
    "deaf to advice": 105,
    "gocardless_limit": 235,
    "sepa_country": 80,
}
"""Seeds to begin at, for time alone."""
SPEAKS_THE_WIRE = """
import json, sys
from tests.worlds.deciders import Careful
decide = Careful()
for line in sys.stdin:
    for answer in decide(line.rstrip()):
        print(json.dumps(answer), flush=True)
"""


def faulty(fault: str, seed: int) -> list[Violation]:
    return check(play(Careful(fault), seed, LONG))


def kinds(steps: list[Step]) -> collections.Counter[str]:
    told = [step.given if isinstance(step.given, dict) else {} for step in steps]
    return collections.Counter(str(line.get("type")) for line in told)


def test_who_is_careful_breaks_no_rule() -> None:
    found = survey(Careful, range(500), events=10)
    assert str(found).endswith("s")  # and no violation after it
    assert found.violations == 0
    assert found.tries > 1250


@pytest.mark.slow
def test_who_is_careful_breaks_no_rule_in_a_long_history_either() -> None:
    assert survey(Careful, range(5000, 5100), events=LONG).kept == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_no_other(fault: str) -> None:
    rule, others = FAULTS[fault]
    found: set[str] = set()
    first = SELDOM.get(fault, 0)
    for seed in range(first, first + SEEDS):
        found |= {violation.rule for violation in faulty(fault, seed)}
        if rule in found and seed >= first + PURE:
            break
    assert rule in found
    assert found <= {rule} | others


def test_every_rule_has_its_fault() -> None:
    waits = {rule for rule in RULES if rule.startswith("mastercard_wait")}
    assert {fault.rule for fault in FAULTS.values()} | waits == set(RULES)


def test_a_seed_gives_the_same_history_again() -> None:
    assert play(Careful(), 7, LONG) == play(Careful(), 7, LONG)
    assert play(Careful(), 7, LONG) != play(Careful(), 8, LONG)


def test_a_history_has_whatever_may_happen() -> None:
    told = sum((kinds(play(Careful(), seed, 20)) for seed in range(50)), collections.Counter())
    usual = {"policy", "failure", "outcome", "payment", "card_updated", "customer_payday", "sync"}
    assert usual | {"None", "chargeback"} <= set(told)
    assert told["failure"] + told["outcome"] > sum(told.values()) / 2


def test_the_world_makes_the_tries_that_were_planned() -> None:
    planned: dict[str, str] = {}
    made = 0
    for seed in range(200):
        planned.clear()
        for given, answers in play(Careful(), seed, 12):
            line: Line = given if isinstance(given, dict) else {}
            made += line.get("type") == "outcome" and planned.get(line["case"]) == line.get("at")
            planned |= {answer["case"]: answer["at"] for answer in answers if answer.get("action") == "retry"}
    assert made > 200


def test_a_program_is_played_like_a_decider() -> None:
    with Process([sys.executable, "-c", SPEAKS_THE_WIRE]) as program:
        played = play(program, 11, 30)
    assert [step.given for step in played] == [step.given for step in play(Careful(), 11, 30)]
    assert check(played) == []


def test_a_program_that_ends_is_told() -> None:
    with pytest.raises((EOFError, BrokenPipeError)), Process([sys.executable, "-c", ""]) as program:
        play(program, 11, 30)
