"""Hypothesis draws what happens to attempts and to recovery cases; the promises hold after every step."""

import sys

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from .attempts_machine import AttemptsMachine
from .cases_machine import CasesMachine
from .tally import Tally

PART = "examples"
STEPS = 30


@pytest.mark.slow
@pytest.mark.part(PART)
@pytest.mark.parametrize("machine", [AttemptsMachine, CasesMachine])
@pytest.mark.timeout(3600)
def test_whatever_is_drawn_the_promises_hold(
    machine: type[AttemptsMachine | CasesMachine], tally: Tally
) -> None:
    machine.examples = 0
    _run(machine, tally.size(PART), tally.seed)
    sys.stdout.write(f"{machine.examples} examples of {machine.__name__}, seed {tally.seed}\n")
    tally.did(PART, machine.examples)


def _run(machine: type[RuleBasedStateMachine], examples: int, number: int) -> None:
    run_state_machine_as_test(
        seed(number)(machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            print_blob=True,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
