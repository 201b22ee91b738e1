"""Services die wherever they touch the world: before and after each commit, publish, request, answer and mail."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import OpenSandbox

from recoup_local.house import ADAPTER, NOTIFIER, PORTAL, SCHEDULER, House

from .load import RATE, load
from .rows import SCALE
from .supervised import supervised
from .tally import Tally

PART = "kills at each failpoint"
PATIENCE = 120.0
"""Seconds in which at least one more of the wanted points must be passed; a limit against hanging."""

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

HEARD = ("payment.succeeded", "card.updated", "final_action.done", "invoice.updated", "subscription.updated")
SHOWN = (*HEARD, "payment.failed", "retry.due", "final_action.due", "notification.sent", "customer.updated")

WANTED = {
    ADAPTER: {
        "answer": {"ingest.routes.__call__"},
        "commit": {
            "ingest.store.store", "facts.loop._batch", "facts.join.once", "outbox._forget", "work.loop._claim",
            "batches._in_one_transaction[retry.due]", "charging.loop._judge", "charging.loop.sending.mark",
            "charging.loop.sending.save", "card_sessions.routes.open_session", "card_sessions.loop._entered",
            "final_actions.loop._begin", "final_actions.loop._end",
        },
        "request": {"gateways.stripe.client.send"},
        "publish": {"payment.failed"},
        "offsets": {"batches._commit[retry.due]"},
    },
    SCHEDULER: {
        "commit": {
            "batches._in_one_transaction[payment.failed]", "timers._in_one_transaction", "outbox._forget",
        },
        "publish": {"retry.due", "recovery.changed", "final_action.due"},
        "offsets": {"batches._commit[payment.failed]"},
    },
    NOTIFIER: {
        "commit": {
            "batches._in_one_transaction[recovery.changed]", "correspondence.loop._prepare",
            "correspondence.loop._settle", "outbox._forget",
        },
        "publish": {"notification.sent"},
        "mail": {"channels.smtp._transaction"},
        "offsets": {"batches._commit[recovery.changed]"},
    },
    PORTAL: {
        "answer": {"POST /pay/{token}/card"},
        "commit": {"batches._in_one_transaction[recovery.changed]", "customer.handlers.come_back"},
        "request": {"clients.internal.ask"},
        "offsets": {"batches._commit[recovery.changed]"},
    },
}  # fmt: skip
"""Points that must kill, by service and edge, each before and after."""

MORE = {
    ADAPTER: {
        "answer": {"POST /internal/merchants/{merchant_id}/card-sessions"},
        "commit": {
            "batches._in_one_transaction[final_action.due]", "charging.loop.collection._save",
            "card_sessions.routes._open_page", "card_sessions.loop._opened", "final_actions.loop._act",
        },
        "publish": {"payment.succeeded", "card.updated", "final_action.done", "customer.updated", "invoice.updated"},
        "offsets": {"batches._commit[final_action.due]"},
    },
    SCHEDULER: {
        "commit": {f"batches._in_one_transaction[{topic}]" for topic in HEARD},
        "offsets": {f"batches._commit[{topic}]" for topic in HEARD},
    },
    NOTIFIER: {
        "commit": {"batches._in_one_transaction[customer.updated]"},
        "offsets": {"batches._commit[customer.updated]"},
    },
    PORTAL: {
        "answer": {"GET /pay/{token}", "POST /pay/{token}/return", "GET /pay/{token}/return/{action_id}"},
        "commit": {"customer.handlers._note", *(f"batches._in_one_transaction[{topic}]" for topic in SHOWN)},
        "offsets": {f"batches._commit[{topic}]" for topic in SHOWN},
    },
}  # fmt: skip
"""A full run waits for these too; the rest of what it passes kills as well, where it is passed."""


def wanted() -> Iterator[str]:
    """Give the wanted points, each with its service."""
    for service, edges in (*WANTED.items(), *(MORE.items() if SCALE else ())):
        for edge, names in edges.items():
            for name in sorted(names):
                yield from (f"{service}: {edge}.before {name}", f"{service}: {edge}.after {name}")


def still_wanted(directory: Path, times: int) -> dict[str, int]:
    """Give how often points must kill yet."""
    killed = Counter(
        f"{service}: {point}"
        for service in WANTED
        for point in (directory / service).read_text().splitlines()
    )
    return {point: times - killed[point] for point in wanted() if killed[point] < times}


async def all_have_killed(directory: Path, times: int) -> None:
    """Wait until every wanted point has killed so often, as long as it becomes less.

    Raises:
        AssertionError: some are not passed.
    """
    least, deadline = sum(still_wanted(directory, times).values()), time.monotonic() + PATIENCE
    while still := still_wanted(directory, times):
        if sum(still.values()) < least:
            least, deadline = sum(still.values()), time.monotonic() + PATIENCE
        assert time.monotonic() < deadline, f"not passed: {sorted(still)}"
        await asyncio.sleep(0.1)


@pytest.mark.part(PART)
@pytest.mark.timeout(7200)
async def test_killed_at_every_point_where_they_touch_the_world_they_lose_nothing(
    house: House, merchant: OpenSandbox, tally: Tally, tmp_path: Path
) -> None:
    times, began = tally.size(PART), time.monotonic()
    # What a dying adapter misses the gateway brings for three days of the merchant's and lists for thirty, no longer.
    slowly = RATE / (2 * times)
    for service in WANTED:
        (tmp_path / service).touch()
    among = [] if SCALE else wanted()  # a full run kills wherever anything is passed
    told = {
        "FAILPOINTS": str(tmp_path),
        "FAILPOINTS_EACH": str(times),
        "FAILPOINTS_AMONG": "\n".join(among),
    }
    async with load(await merchant(), tally.seed, 200 * times, rate=slowly) as going:
        async with supervised(house, environment=told):
            await all_have_killed(tmp_path, times)
            sys.stdout.write(f"all killed after {time.monotonic() - began:.0f} s\n")
        for service in WANTED:
            killed = (tmp_path / service).read_text().splitlines()
            sys.stdout.write(f"{service}: {len(killed)} kills at {len(set(killed))} points\n")
        await going.judge()
    tally.did(PART, times)
