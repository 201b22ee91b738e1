"""The README's state diagram is the state machine."""

import re
from pathlib import Path

from recoup_gateway_adapter.charging.domain import MOVES

README = Path(__file__).parents[2] / "README.md"


def test_the_diagram_shows_the_moves_that_there_are() -> None:
    diagram = README.read_text().partition("stateDiagram-v2")[2].partition("```")[0]
    drawn = {
        (was, becomes)
        for was, becomes in re.findall(r"^ {4}(\w+) --> (\w+)", diagram, re.MULTILINE)
        if was != becomes
    }
    assert drawn == {(was.value, becomes.value) for was, following in MOVES.items() for becomes in following}
