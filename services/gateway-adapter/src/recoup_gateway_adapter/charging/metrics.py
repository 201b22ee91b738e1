"""What the operator sees of charging: every metric of it, with its kind and meaning."""

from datetime import timedelta

from prometheus_client import Counter, Gauge

from recoup_chassis.postgres import Database
from recoup_chassis.process import Loop
from recoup_gateway_adapter.charging import store

REQUESTS = Counter(
    "recoup_charge_requests",
    "Charge requests sent, by what came back (a kind of answer).",
    ["gateway", "answer"],
)
LOOK_UPS = Counter(
    "recoup_charge_look_ups", "Look-ups of awaited attempts, by what was found.", ["gateway", "found"]
)
ATTEMPTS = Gauge("recoup_attempts", "Attempts that are not settled, by state.", ["state"])
UNKNOWN_AGE = Gauge(
    "recoup_unknown_attempt_age_seconds",
    "Age of the oldest attempt whose outcome nobody knows; 0 without one.",
)
NEED_PERSON = Gauge(
    "recoup_attempts_need_person", "Attempts whose outcome no look-up could tell: a person must decide."
)


def watch(database: Database) -> Loop:
    """Give the part that keeps the gauges."""

    async def look() -> None:
        async with database.transaction(()) as tx:
            rows = await tx.fetch(store.sql.by_state, tx.real_now)
        ATTEMPTS.clear()
        for row in rows:
            ATTEMPTS.labels(row["state"]).set(row["n"])
        unknown = next((row for row in rows if row["state"] == "unknown"), None)
        UNKNOWN_AGE.set(unknown["oldest"] if unknown else 0)
        NEED_PERSON.set(unknown["for_a_person"] if unknown else 0)

    return Loop("charging-metrics", look, every=timedelta(seconds=5))
