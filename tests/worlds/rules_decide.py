"""The production decider, played in-process against seeded histories: with its own mind, or with a wayward one.

python -m tests.worlds.rules_decide WAYWARD 0 10000 10    WAYWARD or OWN; seeds 0 to 10,000, 10 lines each
"""

import json
import random
import sys

from recoup_retry_scheduler.rehearsal.decide import Decider
from recoup_retry_scheduler.smart import mind as minds
from recoup_retry_scheduler.smart.tables import Failing

from .histories import Decider as Played
from .rules_survey import Survey, survey
from .rules_wire import Given, Line


class Wayward(minds.Mind):
    """Ranks badly on purpose: the first instant that is allowed, the last, or any between, and sometimes none.

    What it may choose is all that the rules leave, so that a rule that leaves too much is found.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(seed)

    def choose(
        self,
        failing: Failing,
        customer: minds.Customer,
        *,
        earliest: float,
        latest: float,
        apart: float,
        tries: int,
    ) -> minds.Choice | None:
        drawn = self._chance.random()
        if drawn < 0.02:
            return None
        share = 0.0 if drawn < 0.4 else 1.0 if drawn < 0.7 else self._chance.random()
        return minds.Choice(earliest + share * (latest - earliest), 0.5, "drawn")

    def learn(self, failing: Failing, customer: minds.Customer, at: float, *, passed: bool) -> None:
        """Learn nothing."""


def in_process(mind: minds.Mind) -> Played:
    """Give a decider that takes lines one by one and numbers them."""
    decider = Decider(mind)
    line = 0

    def decide(given: Given) -> list[Line]:
        nonlocal line
        line += 1
        return list(decider.hear(given if isinstance(given, str) else json.dumps(given), line))

    return decide


def with_its_own_mind() -> Played:
    """Give the decider as it is shipped."""
    return in_process(minds.Mind())


def played(mind: str, first: int, end: int, events: int) -> Survey:
    """Play the seeds from `first` to `end` against a decider of its own each, and check what was answered."""
    seeds = iter(range(first, end))
    make = with_its_own_mind if mind == "OWN" else lambda: in_process(Wayward(next(seeds)))
    return survey(make, range(first, end), events)


if __name__ == "__main__":
    sys.stdout.write(f"{played(sys.argv[1], *map(int, sys.argv[2:5]))}\n")
