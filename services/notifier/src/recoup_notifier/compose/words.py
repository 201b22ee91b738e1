"""The sentences of each language, from `templates/<language>/words.toml`.

Promise: every language has every sentence; one that lacks any does not load.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

ROOT = files("recoup_notifier").joinpath("templates")


@dataclass(frozen=True)
class Words:
    """One language's sentences. Those with `{…}` take the variables of a mail, see `compose.variables`."""

    labels: Mapping[str, str]
    reasons: Mapping[str, str]
    next_steps: Mapping[str, str]
    consequences: Mapping[str, str]
    buttons: Mapping[str, str]


@cache
def languages() -> frozenset[str]:
    """Give the languages in which we have every message."""
    return frozenset(folder.name for folder in ROOT.iterdir() if folder.joinpath("words.toml").is_file())


@cache
def words(language: str) -> Words:
    """Read a language's sentences."""
    return Words(**tomllib.loads(ROOT.joinpath(language, "words.toml").read_text()))


@cache
def template(language: str, kind: str, part: str) -> str:
    """Read one of our templates; `part` is subject, text or html."""
    return ROOT.joinpath(language, f"{kind}.{part}.liquid").read_text()


@cache
def layout() -> str:
    """Read the frame around every HTML mail."""
    return ROOT.joinpath("layout.html.liquid").read_text()


@cache
def partials() -> dict[str, str]:
    """Read what a template may `render`: `facts` and `button`."""
    return {name: ROOT.joinpath(f"{name}.html.liquid").read_text() for name in ("facts", "button")}
