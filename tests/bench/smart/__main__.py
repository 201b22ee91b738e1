"""Measure what the decider recovers in simulated worlds: `make bench-smart`, or a part of it, for instance
`make bench-smart WORLDS="us gig" TASKS="cold rules" SEEDS=1 SCALE=0.1`.

Seeds 1, 2, 3 are for tuning; others are for reporting. Results are kept under .local/bench; the whole at full size
is also written to docs/smart.md and docs/smart.svg. It ends with 1 when a goal was missed, with 2 when it broke.
"""

import argparse
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from tests.bench.report import machine
from tests.worlds.simulation.settings import SETTINGS

from .goals import HISTORIES
from .page import Run, keep
from .work import TASKS, Asked, measured, say

T = TypeVar("T", int, float)
TUNED = {1, 2, 3}
"""Seeds that the decider's priors were chosen with: what they show is no evidence."""
USUAL = {"failures": 4000, "histories": HISTORIES, "scale": 1.0}


def main() -> int:
    """Measure as asked; 0 when every goal was held, 1 when one was missed, 2 when something broke."""
    told = _arguments()
    # numpy's threads only get in each other's way when processes fill the cores; workers read this when they start
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    asked = Asked(**{name: value for name, value in vars(told).items() if name != "out"})
    if not asked.something():
        say("there is nothing to measure: no task asked for is played in these worlds")
        return 2
    began = time.monotonic()
    run = _begun(told)
    try:
        run = measured(run, asked)
    except Exception:  # noqa: BLE001  # whatever a decider raises is told whole, and is no goal missed
        traceback.print_exc()
        say("broken: nothing is kept but the oracle's plans")
        return 2
    run = replace(run, seconds=time.monotonic() - began)
    for path in keep(run, told.out):
        say(f"written: {os.path.relpath(path)}")
    verdicts = run.verdicts()
    for one in verdicts:
        print(f"{'held' if one.held else 'MISSED':<7} {one.task:<13} {one.goal}; measured {one.measured}")
    return 0 if all(one.held for one in verdicts) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-smart", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", nargs="+", choices=list(SETTINGS), default=list(SETTINGS), metavar="WORLD",
                        help=f"of {', '.join(SETTINGS)}")  # fmt: skip
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK",
                        help=f"of {', '.join(TASKS)}")  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=int, default=[11, 12, 13])
    parser.add_argument(
        "--failures", type=positive(int), default=4000, help="that are measured, each world and seed"
    )
    parser.add_argument(
        "--histories", type=positive(int), default=HISTORIES, help="for the checker of the rules"
    )
    parser.add_argument(
        "--scale", type=positive(float), default=1.0, help="of failures, training and histories"
    )
    parser.add_argument("--jobs", type=positive(int), default=2, help="processes")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write all results there, and nothing to docs"
    )
    told = parser.parse_args()
    for name in ("worlds", "tasks", "seeds"):
        setattr(told, name, list(dict.fromkeys(getattr(told, name))))
    return told


def positive(kind: Callable[[str], T]) -> Callable[[str], T]:
    """Give what reads a number above 0."""

    def read(text: str) -> T:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} is not above 0")
        return value

    return read


def _begun(told: argparse.Namespace) -> Run:
    asked = {"seeds": " ".join(map(str, told.seeds))}
    tuned = " ".join(str(seed) for seed in told.seeds if seed in TUNED)
    asked |= {name: f"{getattr(told, name):g}" for name in USUAL if getattr(told, name) != USUAL[name]}
    if len(told.worlds) < len(SETTINGS):
        asked["worlds"] = " ".join(told.worlds)
    if len(told.tasks) < len(TASKS):
        asked["tasks"] = " ".join(told.tasks)
    variables = (f'{name.upper()}="{value}"' if " " in value else f"{name.upper()}={value}"
                 for name, value in asked.items())  # fmt: skip
    return Run(
        command=" ".join(["make bench-smart", *variables]),
        settings={
            "failures measured": f"{round(told.failures * told.scale):,} in each world with each seed",
            "training": f"{told.scale:g} times what a task is named for",
            "histories": f"{round(told.histories * told.scale):,}",
            "seeds": asked["seeds"] + (f" (tuned on: {tuned})" if tuned else ""),
            "window": "14 days",
            "processes": str(told.jobs),
        },
        on=machine(),
        whole=set(told.worlds) == set(SETTINGS) and set(told.tasks) == set(TASKS)
        and told.scale == 1 and told.failures >= USUAL["failures"],
        at=datetime.now(UTC),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
