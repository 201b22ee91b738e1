"""What the demo shows: a live view while it runs, and the table at its end."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from recoup_local.demo.verdict import Verdict

STATES = (
    ("scheduled", "cyan", "a retry is planned"),
    ("trying", "blue", "being charged now"),
    ("waiting", "yellow", "for a card, the customer or the merchant"),
    ("ending", "magenta", "the deadline has come"),
    ("recovered", "green", "paid"),
    ("ended", "red", "final action done"),
    ("reversed", "red", "paid, and taken back"),
)

WAYS = {
    "scheduled_retry": "retry on schedule",
    "new_card": "retry with a new card",
    "customer_payment": "by the customer, on the page",
    "gateway_retry": "the gateway's own retry",
    "merchant": "by the merchant",
    "out_of_band": "settled outside the gateway",
    "unknown": "nobody can tell how",
}


@dataclass
class Scene:
    """What is seen at one moment."""

    day: float = 0.0
    days: float = 15.0
    wanted: int = 0
    states: Counter[str] = field(default_factory=Counter)
    mails: int = 0
    mended: int = 0
    captured: Mapping[str, int] = field(default_factory=dict)


def live(scene: Scene) -> RenderableType:
    """Draw a moment."""
    table = Table.grid(padding=(0, 2))
    table.add_column(width=10)
    table.add_column(width=4, justify="right")
    table.add_column(width=32)
    table.add_column()
    for state, colour, about in STATES:
        count = scene.states.get(state, 0)
        bar = ProgressBar(
            total=max(scene.wanted, 1), completed=count, width=30, complete_style=colour, style="grey23"
        )
        table.add_row(Text(state, style=colour), str(count), bar, Text(about, style="dim"))
    money = ", ".join(
        f"{minor / 100:,.2f} {currency.upper()}" for currency, minor in sorted(scene.captured.items())
    )
    foot = f"{scene.mails} mails sent · {scene.mended} customers mended their card · captured {money or 'nothing yet'}"
    return Panel(
        Group(table, Text(), Text(foot)),
        title=f"day {min(scene.day, scene.days):4.1f} of the merchant's clock",
        title_align="left",
        border_style="grey42",
    )


def closing(
    cases: Sequence[Mapping[str, Any]], verdict: Verdict, mended: int, mails: Mapping[str, int]
) -> Table:
    """Draw the table at the end."""
    recovered = [case for case in cases if case["state"] == "recovered"]
    ended = [case for case in cases if case["state"] == "ended"]
    tries = sum(case["tries_made"] for case in cases)
    table = Table(title="What became of them", title_justify="left", show_header=False, padding=(0, 2))
    table.add_row("renewals that failed", str(verdict.failures), _money(cases, "owed"))
    table.add_section()
    table.add_row(
        "recovered", f"{len(recovered)} ({_share(recovered, cases)})", _money(recovered, "recovered")
    )
    for way, text in WAYS.items():
        by_way = [case for case in recovered if case["recovered_by"] == way]
        if by_way:
            table.add_row(f"  {text}", str(len(by_way)), _money(by_way, "recovered"))
    table.add_row("lost, final action done", f"{len(ended)} ({_share(ended, cases)})", _money(ended, "owed"))
    table.add_section()
    table.add_row(
        "tries on schedule, all cases", str(tries), f"{tries / max(len(recovered), 1):.2f} a recovery"
    )
    table.add_row("customers who mended their card", str(mended), f"{sum(mails.values())} mails sent")
    table.add_row("cases open past their deadline", str(len(verdict.late)), "")
    return table


def _share(some: Sequence[Any], every: Sequence[Any]) -> str:
    return f"{100 * len(some) / max(len(every), 1):.0f} %"


def _money(cases: Sequence[Mapping[str, Any]], what: str) -> str:
    sums: Counter[str] = Counter()
    for case in cases:
        if case[what]:
            sums[case[what]["currency"]] += case[what]["minor"]
    return ", ".join(f"{minor / 100:,.2f} {currency}" for currency, minor in sorted(sums.items()))
