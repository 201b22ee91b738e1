"""The population oracle: knows the odds of the world, and of a case what the wire shows.

Promise: it plans from code, issuer, funding, country and instant alone, by what a large population of other people
would have met; it never sees a path of the stream, and nothing of a customer's past. Its plans are kept under .local.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .labels import TECHNICAL
from .paths import Cause, Causes
from .people import Funding
from .play import DAY, Policy
from .population import A_DAY, GRID, Likely, Population, told_by, with_new_card
from .search import choose
from .stream import EPOCH
from .world import World

ROOT = Path(__file__).parents[3]
KEPT = ROOT / ".local" / "worlds"
FEW = 60.0
"""Weight of paths below which other weeks' are taken as well."""
POOLED_WEEKS = 26
TECHNICAL_GAP = 1.0
"""Hours before the first try after a technical failure."""
SOURCES = (
    "settings", "paydays", "world", "people", "balances", "troubles", "paths", "labels", "population", "search",
    "oracle",
)  # fmt: skip
"""Modules that the plans follow from."""

Failure = Mapping[str, Any]


@dataclass(frozen=True)
class Span:
    """When something became known, when it may be tried at the earliest, and when the window ends; seconds."""

    at: float
    first: float
    until: float


class Oracle:
    """A schedule that recovers most under the world's own odds."""

    def __init__(
        self, world: World, policy: Policy, *, blocks: int | None = None, kept: Path | None = KEPT
    ) -> None:
        self.world, self.policy = world, policy
        self.population = Population(world, blocks)
        self.countries = {country.code: i for i, (country, _) in enumerate(world.setting.countries)}
        self.issuers = {issuer.name: i for i, issuer in enumerate(world.issuers)}
        self.zones = {name: i for i, name in enumerate(world.zones)}
        self.ahead = policy.window_days * A_DAY + 1
        self.apart = -(-policy.min_gap_hours // GRID.step)
        self.plans: dict[str, list[int]] = {}
        self.path = kept and kept / f"oracle-{self._digest()}.json"
        if self.path and self.path.exists():
            self.plans = json.loads(self.path.read_text())

    def _digest(self) -> str:
        made_of = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in SOURCES]
        asked = f"{self.world.name} {self.world.seed} {self.policy} {self.population.blocks}".encode()
        return f"{self.world.name}-{self.world.seed}-{hashlib.sha256(b''.join([*made_of, asked])).hexdigest()[:12]}"

    def save(self) -> None:
        """Keep the plans for the next run."""
        if self.path:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.write_text(json.dumps(self.plans))

    def after_failure(self, failure: Failure, at: float) -> Sequence[float]:
        """Give the instants that recover most."""
        gap = TECHNICAL_GAP if failure["code"] in TECHNICAL else self.policy.min_gap_hours
        until = at + self.policy.window_days * DAY
        return self._instants(
            failure, failure["code"], Span(at, at + gap * 3600, until), self.policy.max_tries
        )

    def after_new_card(self, failure: Failure, at: float, until: float, tries: int) -> Sequence[float]:
        """Give the instants that recover most with a card about which nothing is known."""
        return self._instants(failure, None, Span(at, at, until), tries)

    def _instants(self, failure: Failure, code: str | None, span: Span, tries: int) -> list[float]:
        offsets = self.world.offsets[self.zones[failure["timezone"]]]
        utc = int(span.at - EPOCH) // 3600
        slot = int(GRID.places(np.array([utc + int(offsets[utc])]))[0])
        hours = GRID.phase + GRID.step * (slot + np.arange(self.ahead))
        ahead = offsets[(hours - offsets[utc]).clip(0, len(offsets) - 1)]
        instants = EPOCH + (hours - ahead) * 3600
        usable = (instants >= span.first) & (instants <= span.until)
        if not usable.any():
            return []
        asked = (failure["country"], failure["funding"], failure["issuer"], code, slot, tries)
        key = " ".join(map(str, (*asked, *np.flatnonzero(usable)[[0, -1]])))
        if key not in self.plans:
            self.plans[key] = self._choose(failure, code, slot, usable, tries)
        return [float(at) for at in instants[self.plans[key]]]

    def _choose(
        self, failure: Failure, code: str | None, slot: int, allowed: npt.NDArray[np.bool_], tries: int
    ) -> list[int]:
        cell = (self.countries[failure["country"]], int(Funding[failure["funding"].upper()]))
        issuer = self.issuers[failure["issuer"]]
        odds = told_by(self.world, issuer, code) if code else with_new_card()
        paths, weights = self._paths(*cell, slot, odds)
        usable = allowed[: paths.shape[1]]
        passes = (paths == Cause.NONE) & usable
        some = np.flatnonzero(passes.any(axis=1))
        if not len(some):
            spread = np.linspace(0, usable.sum() - 1, tries + 1)[1:].round()
            return sorted({int(place) for place in np.flatnonzero(usable)[spread.astype(np.int64)]})
        return choose(
            passes[some].astype(np.float32), weights[some], tries,
            allowed=usable, apart=self.apart, lasting=1 - self.world.odds["fatigue"],
        )  # fmt: skip

    def _paths(self, country: int, funding: int, slot: int, odds: Likely) -> tuple[Causes, Likely]:
        """Give paths from a slot on; where they are few, also those of other weeks at the same hour."""
        found = [self.population.paths(country, funding, slot, self.ahead, odds)]
        last = len(GRID) - self.ahead
        for weeks in range(1, POOLED_WEEKS):
            if sum(float(weights.sum()) for _, weights in found) >= FEW:
                break
            found += [
                self.population.paths(country, funding, other, self.ahead, odds)
                for other in (slot - 7 * weeks * A_DAY, slot + 7 * weeks * A_DAY)
                if 0 <= other <= last
            ]
        return np.concatenate([paths for paths, _ in found]), np.concatenate(
            [weights for _, weights in found]
        )
