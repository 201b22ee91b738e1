"""Bar charts as SVG, written with the standard library alone: groups of bars, a whisker on each, a mark across a group.

Promise: text is at least 13 pixels high at the width of a page, and the chart is readable on light and on dark.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from .figures import Line

WIDTH, LEFT, RIGHT, TOP = 840, 130, 76, 66
"""Pixels: of all, left of the axis, right of it for the last figure, above it."""
BAR, APART = 18, 18
"""Pixels: from one bar to the next, and between groups."""
LETTER = 7.5
"""Pixels, of a letter in a legend, about."""
STYLE = """<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328 } .small { font-size: 13px } .title { font-size: 16px; font-weight: 600 }
.back { fill: #ffffff } .grid { stroke: #d1d9e0 } .whisker, .mark { stroke: #1f2328 } .mark { stroke-width: 3 }
.line { stroke: #1f2328; stroke-dasharray: 5 4; stroke-width: 1.5 }
.c0 { fill: #8c959f } .c1 { fill: #54a0ff } .c2 { fill: #2da44e } .c3 { fill: #e8883a } .c4 { fill: #a371f7 } .c5 { fill: #d1424b }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .back { fill: #0d1117 } .grid { stroke: #3d444d } .whisker, .mark, .line { stroke: #e6edf3 }
}
</style>"""  # noqa: E501  # a style sheet is read by the rule
COLOURS = 6


@dataclass(frozen=True)
class Bar:
    """One bar, as a share; its whisker shows the lowest and the highest seed."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Group:
    """Bars that belong together, by their series, and what is compared with them."""

    name: str
    bars: dict[str, Bar] = field(default_factory=dict)
    mark: float | None = None


def chart(lines: Sequence[Line], title: str) -> str:
    """Draw what was recovered, by world and decider."""
    groups = {line.world: Group(line.world) for line in lines}
    for line in lines:
        groups[line.world].bars[line.decider] = Bar(line.recovered, line.lowest, line.highest)
    return drawn(list(groups.values()), title)


def drawn(groups: Sequence[Group], title: str, *, mark: str = "", line: float | None = None) -> str:
    """Draw groups of bars.

    Args:
        mark: what the groups' marks are, for the legend.
        line: a share at which a line is drawn through all groups.
    """
    series = list(dict.fromkeys(name for group in groups for name in group.bars))
    ends = [end for group in groups for bar in group.bars.values() for end in (bar.low, bar.high)]
    ends += [group.mark for group in groups if group.mark is not None] + ([] if line is None else [line])
    scale = _Scale(min(0.0, *ends), max(0.1, *ends))
    heights = [len(group.bars) * BAR + APART for group in groups]
    bottom = TOP + sum(heights)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 26}" width="{WIDTH}">',
        STYLE,
        '<rect width="100%" height="100%" class="back"/>',
        _text(8, 22, title, "title"),
        *_legend(series, mark),
        *scale.grid(bottom),
    ]
    y = TOP
    for group, height in zip(groups, heights, strict=True):
        parts += _group(group, y + APART / 2, series, scale)
        y += height
    if line is not None:
        parts.append(_line(scale.at(line), TOP, scale.at(line), bottom, "line"))
    return "\n".join([*parts, "</svg>"]) + "\n"


class _Scale:
    """From shares to pixels, with round steps of which there are at most a dozen."""

    def __init__(self, low: float, high: float) -> None:
        self.step = next(
            step for step in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 1e9) if (high - low) / step <= 12
        )
        self.first, self.last = math.floor(low / self.step), math.ceil(high / self.step - 1e-9)

    def at(self, share: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (share / self.step - self.first) / (self.last - self.first)

    def grid(self, bottom: float) -> list[str]:
        parts = []
        for tick in range(self.first, self.last + 1):
            x = self.at(tick * self.step)
            parts.append(_line(x, TOP, x, bottom, "grid"))
            parts.append(_text(x, bottom + 18, f"{100 * tick * self.step:.0f} %", "small", anchor="middle"))
        return parts


def _legend(series: Sequence[str], mark: str) -> list[str]:
    parts, x = [], float(LEFT)
    for i, name in enumerate(series):
        parts.append(f'<rect x="{x:.1f}" y="38" width="12" height="12" class="c{i % COLOURS}"/>')
        parts.append(_text(x + 17, 49, name))
        x += 17 + LETTER * len(name) + 20
    if mark:
        parts += [_line(x + 2, 36, x + 2, 52, "mark"), _text(x + 10, 49, mark)]
    return parts


def _group(group: Group, y: float, series: Sequence[str], scale: _Scale) -> list[str]:
    height = len(group.bars) * BAR
    parts = [_text(LEFT - 10, y + height / 2 + 5, group.name, anchor="end")]
    for place, (name, bar) in enumerate(group.bars.items()):
        parts += _bar(bar, y + place * BAR, f"c{series.index(name) % COLOURS}", scale)
    if group.mark is not None:
        x = scale.at(group.mark)
        parts.append(_line(x, y - 3, x, y + height + 1, "mark"))
    return parts


def _bar(bar: Bar, y: float, colour: str, scale: _Scale) -> list[str]:
    left, right = sorted((scale.at(0), scale.at(bar.value)))
    low, high = scale.at(bar.low), scale.at(bar.high)
    middle = y + BAR / 2 - 1
    return [
        f'<rect x="{left:.1f}" y="{y}" width="{right - left:.1f}" height="{BAR - 2}" class="{colour}"/>',
        _line(low, middle, high, middle, "whisker"),
        _text(WIDTH - 8, y + BAR - 5, f"{100 * bar.value:.1f} %", "small", anchor="end"),
    ]


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def _text(x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'
