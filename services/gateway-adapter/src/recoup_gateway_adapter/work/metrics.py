"""What the operator sees of the work on gateways: every metric of it, with its kind and meaning."""

from datetime import timedelta

from prometheus_client import Counter, Gauge, Histogram

from recoup_chassis.postgres import Database
from recoup_chassis.process import Loop
from recoup_gateway_adapter.work import store

WORK_SECONDS = Histogram(
    "recoup_gateway_work_seconds",
    "From a claim to its end, requests included.",
    ["kind"],
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
WORK_FAILED = Counter(
    "recoup_gateway_work_failed", "Works that ended in a surprise; they are tried again.", ["kind"]
)
WORK_DUE = Gauge("recoup_gateway_work_due", "Works that are due and wait.", ["kind"])
WORK_LATE = Gauge("recoup_gateway_work_late_seconds", "How long the oldest due work has waited.", ["kind"])
ACCOUNTS_CLOSED = Gauge(
    "recoup_accounts_closed", "Accounts that are not asked just now (circuit breaker), by reason.", ["reason"]
)


def watch(database: Database) -> Loop:
    """Give the part that keeps the gauges."""

    async def look() -> None:
        async with database.transaction(()) as tx:
            due = await tx.fetch(store.sql.backlog, tx.real_now)
            closed = await tx.fetch(store.sql.closed_accounts)
        for gauge, column in ((WORK_DUE, "n"), (WORK_LATE, "oldest")):
            gauge.clear()
            for row in due:
                gauge.labels(row["kind"]).set(row[column])
        ACCOUNTS_CLOSED.clear()
        for row in closed:
            ACCOUNTS_CLOSED.labels(row["closed_because"]).set(row["n"])

    return Loop("work-metrics", look, every=timedelta(seconds=5))
