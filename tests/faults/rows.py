"""What is tried against the house, and how often: the table of fault rows.

A row is a file `test_fault_<number>_<name>.py`; a part of it is one thing counted. `make test` tries each part
`in_test` times, `make faults` `full` times or a share of that.
"""

import math
import os
from dataclasses import dataclass

SCALE = os.environ.get("FAULTS_SCALE", "")
"""Share of the full size, for instance `0.1`; empty in `make test`."""

SEED = int(os.environ.get("SEED", "1"))


@dataclass(frozen=True)
class Part:
    """One thing that is tried and counted. `in_test` 0: only `make faults` tries it."""

    name: str
    in_test: int
    full: int

    @property
    def size(self) -> int:
        """How often to try it in this run."""
        return math.ceil(self.full * float(SCALE)) if SCALE else self.in_test


@dataclass(frozen=True)
class Row:
    """A kind of fault."""

    number: int
    what: str
    parts: tuple[Part, ...]


ROWS = {
    row.number: row
    for row in (
        Row(1, "kill -9 of each service under load", (Part("kills of each service", 5, 250),)),
        Row(2, "kill at each named failpoint", (Part("kills at each failpoint", 1, 20),)),
        Row(3, "seeded simulation of all four services", (Part("seeds", 200, 10_000),)),
        Row(4, "state machines of attempts and cases", (Part("examples", 200, 5_000),)),
        Row(
            5,
            "broker and database killed",
            (
                Part("kills of the one broker", 2, 100),
                Part("kills of the leader of three", 0, 50),
                Part("immediate stops of Postgres", 4, 200),
            ),
        ),
        Row(6, "connection faults on each edge", (Part("faults", 5, 300),)),
        Row(7, "webhooks doubled, shuffled and late", (Part("webhooks", 5_000, 1_000_000),)),
        Row(8, "poison in topics", (Part("records", 200, 10_000), Part("stops by refusals", 1, 1))),
        Row(9, "disk full", (Part("fillings", 0, 20),)),
        Row(10, "clocks that are wrong or change", (Part("clock faults", 4, 200), Part("transitions", 1, 1))),
        Row(11, "rebalances and rolling restarts", (Part("rebalances", 5, 300), Part("restarts", 5, 200))),
        Row(12, "database restored to an earlier point", (Part("restores", 2, 100),)),
        Row(13, "forged webhooks", (Part("forgeries", 2_000, 100_000),)),
        Row(14, "HTTP drawn from the OpenAPI description", (Part("requests", 1_000, 50_000),)),
        Row(
            15,
            "guessed and raced sign-ins and pay links",
            (
                Part("guesses in process", 1_000, 1_000_000),
                Part("guesses over HTTP", 20, 1_000),
                Part("races of a hundred", 20, 1_000),
                Part("scanner requests", 20, 1_000),
            ),
        ),
        Row(16, "every endpoint as a foreign merchant", (Part("passes", 1, 1),)),
        Row(17, "card numbers and secrets planted in every input", (Part("plantings", 200, 10_000),)),
        Row(18, "sabotage: each guard removed in turn", (Part("mutants", 0, 20),)),
        Row(19, "soak with random faults", (Part("minutes", 0, 120),)),
    )
}
