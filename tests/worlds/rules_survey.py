"""Plays and checks many histories, and says what was found and how long either took.

survey(make_decider, range(100_000), events=10)             a fresh decider for each history
python -m tests.worlds.rules_survey [histories] [events]    the same for the careful decider, printed
"""

import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .deciders import Careful
from .histories import Decider, play
from .rules_books import Readings
from .rules_checker import Violation, check

KEPT = 20
"""Violations that are kept whole."""


@dataclass(slots=True)
class Survey:
    """What came of many histories; seconds are of this process' CPU."""

    histories: int = 0
    lines: int = 0
    tries: int = 0
    violations: int = 0
    playing: float = 0.0
    checking: float = 0.0
    kept: list[tuple[int, Violation]] = field(default_factory=list)

    def __str__(self) -> str:
        told = (
            f"{self.histories:,} histories of {self.lines:,} lines, {self.tries:,} tries planned: "
            f"{self.violations:,} violations; played in {self.playing:.1f} s, checked in {self.checking:.1f} s"
        )
        return "\n".join([told, *(f"  seed {seed}: {violation}" for seed, violation in self.kept)])


def survey(
    make_decider: Callable[[], Decider], seeds: Iterable[int], events: int, readings: Readings | None = None
) -> Survey:
    """Play one history for each seed against a decider of its own, and check it.

    Args:
        events: Input lines of a history.
    """
    found = Survey()
    for seed in seeds:
        begun = time.process_time()
        steps = play(make_decider(), seed, events)
        played = time.process_time()
        violations = check(steps, readings)
        found.checking += time.process_time() - played
        found.playing += played - begun
        found.histories += 1
        found.lines += len(steps)
        found.tries += sum(answer.get("action") == "retry" for step in steps for answer in step.answers)
        found.violations += len(violations)
        found.kept += [(seed, violation) for violation in violations][: KEPT - len(found.kept)]
    return found


if __name__ == "__main__":
    given = [int(size) for size in sys.argv[1:3]]
    many, long = given + [10_000, 10][len(given) :]
    sys.stdout.write(f"{survey(Careful, range(many), long)}\n")
