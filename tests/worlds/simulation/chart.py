"""A bar chart of the recovered share, by world and decider, as SVG, written with the standard library alone."""

from collections.abc import Sequence
from html import escape

from .figures import Line

COLOURS = ("#9aa5b1", "#5b8def", "#2f9e63", "#e8883a", "#a259c4", "#c94f4f")
BAR, APART, LEFT, TOP, PLOT = 14, 16, 120, 48, 560
"""Pixels: height of a bar, between worlds, left of the axis, above it, and its length."""


def chart(lines: Sequence[Line], title: str) -> str:
    """Draw the lines; a whisker shows the lowest and the highest seed."""
    worlds = list(dict.fromkeys(line.world for line in lines))
    deciders = list(dict.fromkeys(line.decider for line in lines))
    colours = {who: COLOURS[i % len(COLOURS)] for i, who in enumerate(deciders)}
    top = max(line.highest for line in lines) * 1.1
    group = len(deciders) * BAR + APART
    height = TOP + len(worlds) * group + 30
    size = f'width="{LEFT + PLOT + 60}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        _text(LEFT, 16, title, size=13),
    ]
    for i, who in enumerate(deciders):
        x = LEFT + i * 110
        parts += [
            f'<rect x="{x}" y="26" width="10" height="10" fill="{colours[who]}"/>',
            _text(x + 14, 35, who),
        ]
    for tenth in range(int(top * 10) + 1):
        tick = LEFT + PLOT * tenth / 10 / top
        parts += [
            f'<line x1="{tick:.1f}" y1="{TOP - 4}" x2="{tick:.1f}" y2="{height - 26}" stroke="#ddd"/>',
            _text(tick - 8, height - 12, f"{tenth * 10} %"),
        ]
    for row, world in enumerate(worlds):
        y = TOP + row * group
        parts.append(_text(8, y + (group - APART) / 2 + 4, world))
        parts += [
            part for i, line in enumerate(line for line in lines if line.world == world)
            for part in _bar(line, y + i * BAR, PLOT / top, colours[line.decider])
        ]  # fmt: skip
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(line: Line, y: float, scale: float, colour: str) -> list[str]:
    end, low, high = (LEFT + share * scale for share in (line.recovered, line.lowest, line.highest))
    middle = y + BAR / 2 - 1
    return [
        f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR - 2}" fill="{colour}"/>',
        f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" stroke="#333"/>',
        _text(max(end, high) + 4, y + BAR - 4, f"{line.recovered:.1%}"),
    ]


def _text(x: float, y: float, text: str, *, size: int = 11) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}">{escape(text)}</text>'
