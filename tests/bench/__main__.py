"""Measure rows: `make bench`, `make bench ROW=relay RUNS=5`, `make bench QUICK=1` for a look whether all works.

Results are kept under .local/bench and written to docs/benchmarks.md; a quick look is kept nowhere.
"""

import argparse
import sys
import time

import uvloop

from recoup_chassis.process import collect_rarely
from recoup_local.run import Run

from .measure import Result, take
from .place import Place
from .report import asked, keep, machine
from .rows import NAMES, row_of


def main() -> int:
    """Measure as asked; 0 when every goal was held, 1 when one was missed."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--row", choices=NAMES, action="append", help="this row alone; may be repeated")
    parser.add_argument("--runs", type=int, default=3, help="of each side")
    parser.add_argument("--quick", action="store_true", help="the smallest sizes, results are not kept")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sizes, at most 1")
    told = parser.parse_args()
    collect_rarely()  # as every service does; both sides of a row have it
    return uvloop.run(_measure(told.row or NAMES, told.runs, scale=told.scale, quick=told.quick))


async def _measure(names: list[str], runs: int, *, scale: float, quick: bool) -> int:
    held = True
    for name in names:
        async with Run() as run:
            held &= await _one(Place(run, quick=quick, scale=scale, say=say), name, runs)
    return 0 if held else 1


async def _one(place: Place, name: str, runs: int) -> bool:
    on = machine()
    say(f"--- {name}")
    async with row_of(name)(place) as row:
        result = await take(row, runs, say)
    if not place.quick:
        share = "" if place.scale == 1 else f" SCALE={place.scale:g}"
        keep(result, command=f"make bench ROW={name} RUNS={runs}{share}", on=on, more=await place.versions())
    return tell(result)


def tell(result: Result) -> bool:
    """Print the verdicts; True when every goal was held."""
    verdicts = result.verdicts()
    for verdict in verdicts:
        said = "held" if verdict.held else "MISSED"
        say(f"{said}: {asked(verdict.goal)}; measured {verdict.measured.median:.3g}")
    return all(verdict.held for verdict in verdicts)


def say(line: str) -> None:
    """Print a line of progress with the time."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
