"""Try the fault rows: `make faults`, `make faults ROW=5`, `make faults SCALE=0.1`, `make faults BUDGET=2h`.

Each row runs in a process of its own. What was tried is added to docs/faults.csv, and docs/faults.md says it.
"""

import argparse
import os
import random
import re
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from .report import add, write
from .rows import ROWS
from .tally import ROOT

FOLDER = Path(__file__).parent
SECONDS = {"s": 1, "m": 60, "h": 3600}


def budget(text: str) -> float:
    """Read `90s`, `30m`, `2h` as seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90s, 30m or 2h")
    return float(found[1]) * SECONDS[found[2]]


def scale(text: str) -> str:
    """Read a share of the full size, or `test` for the size of make test."""
    if text == "test":
        return ""
    if not 0 < float(text) <= 1:
        raise argparse.ArgumentTypeError("the scale is above 0 and at most 1, or: test")
    return text


def files(number: int) -> list[Path]:
    """Give the files of a row."""
    return sorted(FOLDER.glob(f"test_fault_{number:02}_*.py"))


def run(number: int, share: str, seed: int) -> bool:
    """Try one row and add what it did to the sums; True when it held."""
    kept = ROOT / ".local" / f"faults-{os.getpid()}-{number}.jsonl"
    kept.unlink(missing_ok=True)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-s",
        "--durations=0",
        "--durations-min=60",
        *files(number),
    ]
    environment = os.environ | {"FAULTS_SCALE": share, "SEED": str(seed), "FAULTS_KEPT": str(kept)}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if kept.exists():
        add(kept)
        kept.unlink()
    return done.returncode == 0


def sample(numbers: list[int], seconds: float, seed: int) -> bool:
    """Try all rows in turn at a growing share of their size, with a new seed each round, until the time is up."""
    ends, share, held = time.monotonic() + seconds, 0.005, True
    while True:
        for number in numbers:
            if time.monotonic() >= ends:
                return held
            print(
                f"--- row {number} at {share:g} of its size, seed {seed}, {(ends - time.monotonic()) / 60:.0f} min left"
            )
            held &= run(number, f"{share:g}", seed)
        share, seed = min(share * 2, 1.0), seed + 1


def main() -> int:
    """Run as asked; 0 when everything held."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--row", type=int, choices=sorted(ROWS), help="this row alone")
    parser.add_argument("--scale", type=scale, default="1", help="share of the full size, or: test")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1_000_000))
    parser.add_argument("--budget", type=budget, help="sample all rows for this long")
    asked = parser.parse_args()
    numbers = [number for number in ([asked.row] if asked.row else ROWS) if files(number)]
    started = time.monotonic()
    if asked.budget:
        held = sample(numbers, asked.budget, asked.seed)
    else:
        held = all(list(map(partial(run, share=asked.scale, seed=asked.seed), numbers)))
    write()
    said = "all held" if held else "NOT ALL HELD"
    print(f"{said}, seed {asked.seed}, {time.monotonic() - started:.0f} s; sums in docs/faults.md")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
