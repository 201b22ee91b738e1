"""Measure Recoup's timers beside its peers': `make bench-peers`, `make bench-peers ROW=peers-steady RUNS=3`.

Peers are installed into .local/peers from their own published packages. Results are kept as those of `make bench`.
"""

import argparse
import sys
from dataclasses import replace

import uvloop

from recoup_local.run import Run

from ..__main__ import say, tell
from ..measure import Row, take
from ..place import Place
from ..report import keep, machine
from .contestants import Contestant, recoup
from .install import LeftOut, install
from .rows import NAMES, rows, where_peers_are_better
from .scenes import Sizes
from .stage import Stages

PEERS = ("River", "db-scheduler", "pg-boss", "Procrastinate")


def main() -> int:
    """Measure as asked; 0 when every goal was held, 1 when one was missed."""
    parser = argparse.ArgumentParser(prog="make bench-peers", description=__doc__)
    parser.add_argument("--row", choices=NAMES, action="append", help="this row alone; may be repeated")
    parser.add_argument(
        "--peer", choices=[*PEERS, "none"], action="append", help="this peer alone; may be repeated"
    )
    parser.add_argument("--runs", type=int, default=3, help="of each side, but for what takes too long")
    parser.add_argument("--pending", type=int, default=1_000_000, help="timers that are not due")
    parser.add_argument("--no-defaults", action="store_true", help="leave out the peers' default settings")
    told = parser.parse_args()
    peers = install(say, told.peer or [])
    wanted = told.row or list(NAMES)
    return uvloop.run(_measure(peers, wanted, told))


async def _measure(peers: list[Contestant | LeftOut], wanted: list[str], told: argparse.Namespace) -> int:
    held = True
    on = machine()
    async with Run() as run:
        place = Place(run, say=say)
        for row in rows(peers, recoup(), Stages(place), told.pending, Sizes()):
            sides = [side for side in row.sides if not (told.no_defaults and side.once)]
            if row.name in wanted:
                held &= await _one(replace(row, sides=sides), place, peers, on, told)
    return 0 if held else 1


async def _one(
    row: Row, place: Place, peers: list[Contestant | LeftOut], on: dict[str, str], told: argparse.Namespace
) -> bool:
    say(f"--- {row.name}")
    result = await take(row, told.runs, say)
    result = replace(result, row=replace(row, remarks=[*row.remarks, *where_peers_are_better(result)]))
    versions = {
        name: version
        for one in peers
        if isinstance(one, Contestant)
        for name, version in one.versions.items()
    }
    command = f"make bench-peers ROW={row.name} RUNS={told.runs}"
    if told.pending == 1_000_000 and not told.peer and not told.no_defaults:
        keep(result, command=command, on=on, more=versions | await place.versions())
    return tell(result)


if __name__ == "__main__":
    sys.exit(main())
