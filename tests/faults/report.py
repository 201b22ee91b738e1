"""The sums of all runs, by version of libs and services: docs/faults.csv, and docs/faults.md for a reader."""

import csv
import json
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from .rows import ROWS
from .tally import ROOT, Entry

SUMS = ROOT / "docs" / "faults.csv"
PAGE = ROOT / "docs" / "faults.md"
HEAD = """# What was tried against the house

Written by `make faults`; every line is a sum over the runs of one version (the hashes of `libs` and `services`).
A failure is a test that did not hold. Zero failures in n tries bounds their rate at 3/n (95 %, the rule of three);
the last column says that bound, and nothing better is claimed. `make faults ROW=n SEED=s SCALE=x` tries a row again.
"""


@dataclass(frozen=True)
class Sum:
    """What all runs of one version did to one part."""

    version: str
    row: int
    part: str
    tries: int
    failures: int
    seconds: float
    last: str


def read() -> dict[tuple[str, int, str], Sum]:
    """Read the sums."""
    if not SUMS.exists():
        return {}
    with SUMS.open(newline="") as file:
        sums = [
            Sum(
                line["version"], int(line["row"]), line["part"], int(line["tries"]), int(line["failures"]),
                float(line["seconds"]), line["last"],
            )
            for line in csv.DictReader(file)
        ]  # fmt: skip
    return {(one.version, one.row, one.part): one for one in sums}


def add(results: Path) -> None:
    """Add a run's results to the sums."""
    sums = read()
    for line in results.read_text().splitlines():
        new = Entry(**json.loads(line))
        key = new.version, new.row, new.part
        old = sums.get(key, Sum(*key, 0, 0, 0.0, ""))
        seconds = round(old.seconds + new.seconds, 1)
        sums[key] = Sum(*key, old.tries + new.tries, old.failures + new.failures, seconds, new.at[:10])
    with SUMS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in fields(Sum))
        writer.writerows(astuple(one) for _, one in sorted(sums.items()))


def write() -> None:
    """Write the page."""
    sums = sorted(read().values(), key=lambda one: (one.last, one.version), reverse=True)
    lines = [HEAD]
    for version in dict.fromkeys(one.version for one in sums):
        mine = sorted((one for one in sums if one.version == version), key=lambda one: one.row)
        lines.append(f"## {version}, last tried {max(one.last for one in mine)}\n")
        lines.append("| # | row | tried | failures | rate below |\n|---|---|---|---|---|")
        lines += [
            f"| {one.row} | {ROWS[one.row].what} | {one.tries:,} {one.part} | {one.failures} | {_bound(one)} |"
            for one in mine
        ]
        lines.append("")
    PAGE.write_text("\n".join(lines))


def _bound(one: Sum) -> str:
    return "" if one.failures or not one.tries else f"{min(3 / one.tries, 1):.2g}"
