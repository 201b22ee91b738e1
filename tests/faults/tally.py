"""What a run of fault rows did: counted as it is done, printed at the end, kept in a file.

Promise: a try is counted only after it was made; a part that was made less often than asked for fails.
"""

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from .rows import ROWS, SCALE, SEED, Row

ROOT = Path(__file__).parents[2]
KEPT = Path(os.environ.get("FAULTS_KEPT", ROOT / ".local" / "faults.jsonl"))


@dataclass(frozen=True)
class Entry:
    """One part of one run. `failures`: tests that did not hold. `seconds`: of the row's tests."""

    row: int
    part: str
    tries: int
    failures: int
    seed: int
    scale: str
    seconds: float
    version: str
    commit: str
    at: str


class Tally:
    """Counts what one test tries."""

    def __init__(self, row: Row) -> None:
        self.row, self.seed = row, SEED
        self.done: dict[str, int] = {}

    def size(self, part: str) -> int:
        """Say how often to try this part in this run."""
        return next(known.size for known in self.row.parts if known.name == part)

    def did(self, part: str, tries: int = 1) -> None:
        """Count tries that were made and judged."""
        assert part in {known.name for known in self.row.parts}, part
        self.done[part] = self.done.get(part, 0) + tries


def row_of(file: Path) -> Row | None:
    """Give the row that a file `test_fault_05_….py` is of."""
    number = file.stem.removeprefix("test_fault_").partition("_")[0]
    return ROWS[int(number)] if file.stem.startswith("test_fault_") else None


def replay(row: Row) -> str:
    """Give the command that tries a row again as it was tried now."""
    scale = f" SCALE={SCALE}" if SCALE else " SCALE=test"
    return f"make faults ROW={row.number}{scale} SEED={SEED}"


def version() -> tuple[str, str]:
    """Give the version of what is judged, the hash of libs and services, and the commit."""
    trees = [tree[:8] for tree in _git("rev-parse", "HEAD:libs", "HEAD:services").split()]
    changed = _git("status", "--porcelain", "libs", "services")
    return "+".join(trees) + ("+changes" if changed else ""), _git("rev-parse", "--short", "HEAD")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def keep(row: Row, done: dict[str, int], failures: int, seconds: float) -> None:
    """Add what was done to the file of results."""
    judged, commit = version()
    at = datetime.now(UTC).isoformat(timespec="seconds")
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    with KEPT.open("a") as file:
        for part, tries in done.items():
            entry = Entry(
                row.number,
                part,
                tries,
                failures,
                SEED,
                SCALE or "test",
                round(seconds, 1),
                judged,
                commit,
                at,
            )
            file.write(json.dumps(asdict(entry)) + "\n")
