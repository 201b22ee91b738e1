"""What was measured, as JSON under .local/bench, a page and a chart.

Promise: the page and the chart hold what one invocation measured, and nothing else; a run of a part, or at a smaller
scale, never takes the place of the whole one's in docs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from tests.bench.report import KEPT, ROOT, versions
from tests.worlds.rules_survey import Survey
from tests.worlds.simulation.chart import Bar, Group, drawn

from .games import GAMES
from .goals import Row, Verdict, judged, judged_refit, judged_rules, judged_speed, percent
from .refit import Refit
from .speed import Speed

DOCS = ROOT / "docs"
NAME = "smart"
LEARNING = ("cold", "after-5000", "after-20000")
"""Games that the chart sets side by side."""
HEAD = """# How much it recovers, beside an oracle

Written by `make bench-smart`; every number here was measured by the command at the end.

The production decider (`retry-scheduler decide`) meets simulated worlds (`tests/worlds/simulation`): failed renewals
of a year, whose customers are paid, spend, and have cards that are held and end. The same failures are met by tries
after 1, 3 and 7 days, by tries spread evenly over the window, and by an oracle that knows the world's odds and nothing
of the customer. The headroom is what the oracle recovers above 1/3/7; a decider's share of it may pass 100 %, as it
may learn of a customer what the oracle does not know. It begins each task knowing nothing of the world.
"""
LEGEND = """Recovered: share of the measured failures, mean of the seeds. Headroom: of the means; ± one standard error
by chance of the cases, in brackets the lowest and highest seed. Tries per recovery count those of cases that were lost.
"""


@dataclass(frozen=True)
class Run:
    """All that one invocation measured.

    Args:
        settings: sizes that a reader must know.
        on: the machine, as it was before.
        rows: of each game that was played.
        whole: all tasks in all worlds, at full size.
    """

    command: str
    settings: Mapping[str, str]
    on: Mapping[str, str]
    whole: bool
    at: datetime
    rows: dict[str, list[Row]] = field(default_factory=dict)
    rules: Survey | None = None
    speed: Speed | None = None
    refit: Refit | None = None
    seconds: float = 0.0

    def verdicts(self) -> list[Verdict]:
        """Judge every goal of what was measured."""
        found = [verdict for game, rows in self.rows.items() for verdict in judged(game, rows)]
        if self.rules is not None:
            found.append(judged_rules(self.rules))
        found += judged_speed(self.speed) if self.speed is not None else []
        return found + (judged_refit(self.refit) if self.refit is not None else [])


def keep(run: Run, out: Path | None = None) -> list[Path]:
    """Write JSON, page and chart; give their paths.

    Args:
        out: where all of it goes instead of the usual places.
    """
    kept = out or KEPT
    kept.mkdir(parents=True, exist_ok=True)
    used = {name: value for name, value in versions().items() if name in {"commit", "Python"}}
    used |= {name: version(name) for name in ("numpy", "pydantic")}
    place = DOCS if run.whole and out is None else kept
    charted = all(run.rows.get(game) for game in LEARNING)
    paths = [kept / f"{NAME}-{run.at:%Y%m%dT%H%M%S}.json", place / f"{NAME}.md"]
    told = asdict(run) | {"at": run.at.isoformat(timespec="seconds"), "versions": used}
    told["verdicts"] = [asdict(verdict) for verdict in run.verdicts()]
    paths[0].write_text(json.dumps(told, indent=1) + "\n")
    paths[1].write_text(page(run, used, charted=charted))
    if charted:
        paths.append(place / f"{NAME}.svg")
        paths[2].write_text(plot(run.rows))
    return paths


def page(run: Run, used: Mapping[str, str], *, charted: bool) -> str:
    """Write the page."""
    verdicts = run.verdicts()
    held = sum(verdict.held for verdict in verdicts)
    parts = [HEAD, f"## Goals: {held} of {len(verdicts)} held\n", _goals(verdicts)]
    if not run.whole:
        parts.insert(1, "**A part of the whole, or a smaller scale: see the settings at the end.**\n")
    if charted:
        parts.append(f"![Share of the oracle's headroom, by world and failures learnt from]({NAME}.svg)\n")
    for game, rows in run.rows.items():
        parts += [f"## {GAMES[game].title}\n", f"{_played(game)}\n", _table(rows)]
    if run.rows:
        parts.append(LEGEND)
    if run.rules is not None:
        parts += ["## rules\n", f"{_rules(run.rules)}\n"]
    if run.speed is not None:
        parts += ["## speed\n", f"{_speed(run.speed)}\n"]
    if run.refit is not None:
        parts += ["## refit\n", f"{_refit(run.refit)}\n"]
    settings = "; ".join(f"{name}: {value}" for name, value in run.settings.items())
    about = "; ".join(f"{name} {value}" for name, value in {**run.on, **used}.items())
    ended = f"`{run.command}`, {run.at:%Y-%m-%d %H:%M} UTC, {run.seconds:,.0f} s; {about}.\n"
    return "\n".join([*parts, "## how\n", f"Sizes and settings: {settings}.\n", ended])


def _goals(verdicts: Sequence[Verdict]) -> str:
    lines = ["| task | goal | measured | |", "|---|---|---|---|"]
    for one in verdicts:
        said = "held" if one.held else "**MISSED**"
        lines.append(f"| {one.task} | {one.goal} | {one.measured} | {said} |")
    return "\n".join([*lines, ""])


def _played(game: str) -> str:
    tries = f"{GAMES[game].tries} tries in 14 days"
    learnt = (
        "nothing learnt before" if not GAMES[game].training else "measured after the failures in training"
    )
    told = (
        "; every customer with paydays on a debit card names them after a failure"
        if GAMES[game].talking
        else ""
    )
    return f"{tries}, {learnt}, learning goes on{told}."


def _table(rows: Sequence[Row]) -> str:
    lines = [
        "| world | 1/3/7 | even | recoup | oracle | headroom | tries per recovery | even's | days to recovery |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        shares = " | ".join(percent(line.recovered) for line in (row.fixed, row.even, row.recoup, row.oracle))
        spread = f"({100 * min(row.seeds):.0f} to {100 * max(row.seeds):.0f})" if len(row.seeds) > 1 else ""
        lines.append(
            f"| {row.world} | {shares} | {percent(row.recoup.headroom)} ± {100 * row.error:.1f} {spread} | "
            f"{row.recoup.tries_per_recovery:.2f} | {row.even.tries_per_recovery:.2f} | {row.recoup.days:.1f} |"
        )
    if refused := sum(row.recoup.refused for row in rows):
        lines += ["", f"Plans beyond the window or the tries left, which were not carried out: {refused:,}."]
    return "\n".join([*lines, ""])


def _rules(found: Survey) -> str:
    long = found.lines // max(1, found.histories)
    told = (
        f"{found.histories:,} histories of {long} nasty events each, a fresh decider for each; an independent checker "
        f"of the networks' rules judged {found.tries:,} planned tries and found {found.violations:,} violations."
    )
    return "\n".join([told, *(f"- history {seed}: {one.rule}: {one.sentence}" for seed, one in found.kept)])


def _speed(speed: Speed) -> str:
    rates = ", ".join(f"{rate:,.0f}" for rate in speed.rates)
    return (
        f"{speed.answers:,} answers to failures and failed tries, JSON to objects, in the process: p50 "
        f"{speed.p50_ms:.3g} ms, p99 {speed.p99_ms:.3g} ms. The same lines written ahead through the pipe of "
        f"`retry-scheduler decide`, start not counted: {rates} answers a second."
    )


def _refit(refit: Refit) -> str:
    return (
        f"`retry-scheduler learn` on {refit.attempts:,} attempts ({refit.lines:,} lines): {refit.seconds:.1f} s, of "
        f"which the processor worked {refit.processor_seconds:.1f}, and {refit.peak_mib:.0f} MiB at most. Log loss of "
        f"the newest tenth, which it did not learn: {refit.after:.4f}, with what is believed before any data "
        f"{refit.before:.4f}."
    )


def plot(rows: Mapping[str, Sequence[Row]]) -> str:
    """Draw the share of the headroom, by world and what was learnt before; even tries are those of `cold`."""
    groups = []
    for one in rows["cold"]:
        group = Group(one.world, mark=one.even.headroom)
        for game in LEARNING:
            row = next(row for row in rows[game] if row.world == one.world)
            group.bars[GAMES[game].title] = Bar(row.recoup.headroom, min(row.seeds), max(row.seeds))
        groups.append(group)
    title = "Share of the oracle's headroom above 1/3/7, with the lowest and highest seed"
    return drawn(groups, title, mark="even tries, cold", line=1.0)
