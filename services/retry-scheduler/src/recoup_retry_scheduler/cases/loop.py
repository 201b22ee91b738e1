"""What the service does by the clock besides timers: gauges, forgetting what can't matter any more, new policies."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import islice

from recoup_chassis.postgres import Database
from recoup_retry_scheduler.cases import handlers, store
from recoup_retry_scheduler.cases.metrics import CASES_OPEN, CASES_WITHOUT_TIMER

MERCHANTS_AT_ONCE = 500
OPEN_STATES = ("scheduled", "trying", "waiting", "ending")

KEPT = timedelta(days=97)
"""How long the facts of invoices without an open case are kept: a week longer than the topics keep theirs."""


PAST_KEPT = timedelta(days=400)
"""How long the mind learns from a charge: whoever is paid once a month shows it in a year."""

CUSTOMERS_AT_ONCE = 50
"""Customers whose open cases follow a new policy in one transaction: others get their turn between."""


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
            await store.forget(tx, KEPT, PAST_KEPT)


async def spread_policies(database: Database) -> bool:
    """Let open cases follow the policies that are for them too, some customers of each merchant; tell if more may."""
    async with database.transaction(()) as tx:
        merchants = await store.policy_spreads(tx)
    more = False
    for merchant_id in merchants:
        async with database.transaction([merchant_id]) as tx:
            more |= await handlers.spread_policy(tx, merchant_id, CUSTOMERS_AT_ONCE)
    return more


async def _merchants(database: Database) -> list[str]:
    async with database.transaction(()) as tx:
        return await store.merchants(tx)


def _in_parts(merchants: Sequence[str]) -> Iterator[list[str]]:
    rest = iter(merchants)
    while part := list(islice(rest, MERCHANTS_AT_ONCE)):
        yield part
