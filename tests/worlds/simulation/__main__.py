"""Play worlds: `python -m tests.worlds.simulation --world us --decider "retry-scheduler decide"`.

Each world is played against 1/3/7, even tries, the population oracle and the deciders asked for; what follows is a
table, and on request JSON, a chart, and every charge for whoever checks the networks' rules.
"""

import argparse
import json
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from .chart import chart
from .figures import Figures, MakeDecider, Task, Watch, measure, rendered, summed_up
from .play import Played, Policy
from .settings import SETTINGS
from .stream import iso
from .wire import Decider, Process, WireError
from .world import World

WORLDS = "worlds: " + "; ".join(f"{setting.name} ({setting.what})" for setting in SETTINGS.values())


def main() -> int:
    """Play as asked; 1 when a decider broke the wire."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.worlds.simulation", description=__doc__, epilog=WORLDS
    )
    parser.add_argument(
        "--world", choices=list(SETTINGS), action="append", help="may be repeated; default all"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--failures", type=int, default=4000, help="that are measured")
    parser.add_argument("--training", type=int, default=0, help="failures before them that are not measured")
    parser.add_argument("--tries", type=int, default=3, help="retries of a case, at most")
    parser.add_argument("--window", type=int, default=14, help="days, 1 to 60")
    parser.add_argument("--gap", type=int, default=10, help="hours between two tries, at least")
    parser.add_argument("--talking", type=float, default=0.0, help="share of customers who say their payday")
    parser.add_argument(
        "--decider", action="append", default=[], metavar="[NAME=]COMMAND",
        help="a command that speaks the wire; {world} and {seed} are filled in; may be repeated",
    )  # fmt: skip
    parser.add_argument("--charges", type=Path, metavar="DIR", help="write every charge there, as JSON lines")
    parser.add_argument("--json", type=Path, help="write all figures there")
    parser.add_argument("--plot", type=Path, help="draw them there, as SVG")
    told = parser.parse_args()
    policy = Policy(told.tries, told.window, told.gap)
    task = Task(told.failures, told.training, policy, told.talking)
    deciders = dict(named(text) for text in told.decider)
    figures: list[Figures] = []
    for world in told.world or list(SETTINGS):
        for seed in told.seeds:
            try:
                figures += measure(world, seed, task, deciders, say, keeper(told.charges))
            except WireError as error:
                say(f"{world} {seed}: the wire was broken: {error}")
                return 1
    lines = summed_up(figures)
    print(rendered(lines))
    if told.json:
        _keep(told.json, {"task": asdict(task), "figures": [asdict(one) for one in figures],
                          "lines": [asdict(line) for line in lines]})  # fmt: skip
    if told.plot:
        told.plot.write_text(
            chart(lines, f"Recovered, {policy.max_tries} tries in {policy.window_days} days")
        )
    return 0


def named(text: str) -> tuple[str, MakeDecider]:
    """Give a decider's name and what starts it; without a name it is called `decider`."""
    name, found, command = text.partition("=")
    if not found or not name.isidentifier():
        name, command = "decider", text

    def make(world: World, policy: Policy) -> Decider:
        filled = command.replace("{world}", world.name).replace("{seed}", str(world.seed))
        return Process(shlex.split(filled))

    return name, make


def keeper(folder: Path | None) -> Watch:
    """Give what writes a play's charges to a file of their own, if a folder is given."""

    def keep(figures: Figures, played: Played) -> None:
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{figures.world}-{figures.seed}-{figures.decider.replace('/', '')}.jsonl"
        with (folder / name).open("w") as file:
            for charge in played.charges:
                told = charge._asdict() | {
                    "at": iso(charge.at),
                    "codes": charge.codes and asdict(charge.codes),
                }
                file.write(json.dumps(told) + "\n")

    return keep


def _keep(path: Path, told: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told, indent=1) + "\n")


def say(line: str) -> None:
    """Print a line of progress with the time."""
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
