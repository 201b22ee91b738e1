"""Results as JSON under .local/bench, and as sections of docs/benchmarks.md, one a row.

Promise: the page holds measured numbers only, each section with the machine, versions and command that made it.
A row measured anew replaces its section and leaves the others alone.
"""

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

from .measure import Goal, Result, Spread, Verdict, number_of

ROOT = Path(__file__).parents[2]
KEPT = ROOT / ".local" / "bench"
PAGE = ROOT / "docs" / "benchmarks.md"
LIBRARIES = ("aiokafka", "asyncpg", "pydantic", "uvloop")
HEAD = """# What was measured

Written by `make bench` and `make bench-peers`; every number here was measured by the command in its section.
The sides of a row were run in turn in one invocation, so what counts is the ratio of a side to its reference, taken
pair by pair: the median, and in brackets the lowest and highest. Absolute numbers are of one machine that does other
things too. Unless a section says otherwise broker, Postgres (`fsync=on`, `synchronous_commit=on`), what is measured
and what loads it share the machine's cores.
"""


def machine() -> dict[str, str]:
    """Say what it was measured on."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return {
        "processor": f"{os.cpu_count()} x {model[1] if model else platform.processor()}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": f"{os.getloadavg()[0]:.1f}",
    }


def versions() -> dict[str, str]:
    """Say what was measured."""
    changed = _git("status", "--porcelain", "--", "libs", "services", "tests/bench", "tests/worlds")
    commit = _git("rev-parse", "--short", "HEAD") + (" with changes" if changed else "")
    return {"commit": commit, "Python": platform.python_version()} | {
        name: version(name) for name in LIBRARIES
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def keep(
    result: Result, *, command: str, on: Mapping[str, str], more: Mapping[str, str] | None = None
) -> Path:
    """Keep a result as JSON and set its section in the page.

    Args:
        command: that measures it again.
        on: the machine, as it was before the run.
        more: versions beside those of Recoup's own libraries, for instance of the broker and Postgres.
    """
    at = datetime.now(UTC)
    used = versions() | dict(more or {})
    told = {
        "row": result.row.name,
        "what": result.row.what,
        "unit": result.row.unit,
        "at": at.isoformat(timespec="seconds"),
        "command": command,
        "machine": dict(on),
        "versions": used,
        "settings": dict(result.row.settings),
        "readings": {side: [asdict(one) for one in taken] for side, taken in result.readings.items()},
        "goals": [
            {"goal": asdict(v.goal), "measured": asdict(v.measured), "held": v.held}
            for v in result.verdicts()
        ],
        "seconds": round(result.seconds, 1),
    }
    KEPT.mkdir(parents=True, exist_ok=True)
    path = KEPT / f"{result.row.name}-{at:%Y%m%dT%H%M%S}.json"
    path.write_text(json.dumps(told, indent=1) + "\n")
    section = render(result, at=at, command=command, on=on, used=used)
    old = PAGE.read_text() if PAGE.exists() else HEAD
    PAGE.write_text(placed(old, result.row.name, section))
    return path


def placed(page: str, name: str, section: str) -> str:
    """Give the page with a row's section replaced, or added at its place in the alphabet."""
    head, *rest = re.split(r"(?m)^(?=## )", page)
    sections = {part.partition("\n")[0].removeprefix("## "): part.rstrip() + "\n\n" for part in rest}
    sections[name] = section.rstrip() + "\n\n"
    return (head.rstrip() + "\n\n" + "".join(sections[key] for key in sorted(sections))).rstrip() + "\n"


def render(
    result: Result, *, at: datetime, command: str, on: Mapping[str, str], used: Mapping[str, str]
) -> str:
    """Write a row's section."""
    row = result.row
    lines = [f"## {row.name}", "", row.what, ""]
    lines += [f"| side | {row.unit} | runs |", "|---|---|---|"]
    for side, readings in result.readings.items():
        lines.append(f"| {side} | {_spread(result.spread(side))} | {len(readings)} |")
    lines += ["", *_figures(result), *map(_verdict, result.verdicts())]
    lines += [f"- {remark}" for remark in row.remarks]
    settings = "; ".join(f"{name}: {value}" for name, value in row.settings.items())
    about = "; ".join(f"{name} {value}" for name, value in {**on, **used}.items())
    lines += ["", *([f"Sizes and settings: {settings}.", ""] if settings else [])]
    lines += [f"`{command}`, {at:%Y-%m-%d %H:%M} UTC, {result.seconds:.0f} s; {about}.", ""]
    return "\n".join(lines)


def _figures(result: Result) -> list[str]:
    names = list(
        dict.fromkeys(name for taken in result.readings.values() for one in taken for name in one.figures)
    )
    if not names:
        return []
    sides = [side for side, taken in result.readings.items() if taken[0].figures]
    lines = [f"| | {' | '.join(sides)} |", "|---|" + "---|" * len(sides)]
    for name in names:
        cells = [
            _spread(result.spread(side, name)) if name in result.readings[side][0].figures else ""
            for side in sides
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return [*lines, ""]


def _spread(spread: Spread) -> str:
    if spread.low == spread.high:
        return number_of(spread.median)
    return f"{number_of(spread.median)} ({number_of(spread.low)} to {number_of(spread.high)})"


def asked(goal: Goal) -> str:
    """Say a goal in words."""
    what = f"{goal.side}, {goal.figure}" if goal.figure else goal.side
    of = "" if goal.against is None else f" ÷ {goal.against}"
    times = "" if goal.against is None else " times"
    if goal.at_least is not None:
        return f"{what}{of} ≥ {number_of(goal.at_least)}{times}"
    assert goal.at_most is not None
    return f"{what}{of} ≤ {number_of(goal.at_most)}{times}"


def _verdict(verdict: Verdict) -> str:
    said = "held" if verdict.held else "**missed**"
    return f"- goal: {asked(verdict.goal)}; measured {_spread(verdict.measured)}: {said}"
