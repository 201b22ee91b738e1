"""What the service does by the clock besides timers: gauges, and forgetting what can't matter any more."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice

from recoup_chassis.postgres import Database
from recoup_retry_scheduler.cases import store
from recoup_retry_scheduler.cases.metrics import CASES_OPEN, CASES_WITHOUT_TIMER

MERCHANTS_AT_ONCE = 500
OPEN_STATES = ("scheduled", "trying", "waiting", "ending")

KEPT = timedelta(days=97)
"""How long the facts of invoices without an open case are kept: a week longer than the topics keep theirs."""


async def measure(database: Database) -> None:
    """Set the gauges from all merchants' open cases."""
    cases: Counter[str] = Counter()
    timerless = 0
    for merchants in _in_parts(await _merchants(database)):
        async with database.transaction(merchants) as tx:
            for state, (many, without) in (await store.open_cases(tx)).items():
                cases[state] += many
                timerless += without
    for state in OPEN_STATES:
        CASES_OPEN.labels(state).set(cases[state])
    CASES_WITHOUT_TIMER.set(timerless)


async def forget(database: Database) -> None:
    """Drop old facts, at most 5,000 a table and list of merchants at a time."""
    for merchants in _in_parts(await _merchants(database)):
        async with database.transaction(merchants) as tx:
            await store.forget(tx, KEPT)


async def _merchants(database: Database) -> list[str]:
    async with database.transaction(()) as tx:
        return await store.merchants(tx)


def _in_parts(merchants: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(merchants)
    while part := list(islice(rest, MERCHANTS_AT_ONCE)):
        yield part
