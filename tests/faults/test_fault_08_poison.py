"""Poison between good records: set aside with its reason, the good ones go through, the partition goes on."""

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.conftest import OpenSandbox

from recoup_events import models as m
from recoup_events.parts import DeclineFacts, Invoice, Money
from recoup_events.values import FailureNature, fact_id
from recoup_local.house import ADAPTER, NOTIFIER, PORTAL, SCHEDULER, House
from recoup_local.pytest_plugin import eventually
from recoup_local.sandbox import Sandbox
from recoup_local.services import Service

from .poison import LARGE, kinds_for
from .rows import ROWS
from .tally import Tally
from .teller import Raw, Teller, lag, letting_large_records_in, raw_of, teller

RECORDS, STOPS = (part.name for part in ROWS[8].parts)
READERS = {
    "payment.failed": (SCHEDULER, PORTAL),
    "customer.updated": (NOTIFIER, PORTAL),
    "settings.changed": (ADAPTER, SCHEDULER, NOTIFIER, PORTAL),
}
"""The topics that are poisoned, and who reads each."""

MOST_LARGE = 6
WHEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

Place = tuple[str, int, int]
"""Topic, partition, offset."""


@pytest.mark.part(RECORDS)
@pytest.mark.timeout(300 + ROWS[8].parts[0].size // 10)
async def test_poison_is_set_aside_with_its_reason_and_every_good_record_goes_through(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    records, draw = tally.size(RECORDS), random.Random(tally.seed)
    sandbox = await merchant()
    good = _Good(sandbox)
    poison: dict[Place, str] = {}
    kinds: Counter[str] = Counter()
    async with teller(house) as tells, letting_large_records_in(house, *READERS):
        for number in range(records):
            await _good_ones(tells, good, draw)
            topic = draw.choice(list(READERS))
            known = kinds_for(topic)
            name = sorted(known)[number % len(known)]
            kind = known[name]
            if number % max(len(known), records // MOST_LARGE) == 0:
                name, kind = "ten megabytes", LARGE["ten megabytes"]
            raw = kind.spoil(draw, good.template(topic))
            poison[topic, raw.partition, await tells.put(raw)] = kind.reason
            kinds[name] += 1
        await _good_ones(tells, good, draw)
        sys.stdout.write(f"{dict(kinds)}, {good.failures} failures between them\n")
        for topic, readers in READERS.items():
            for reader in readers:
                await eventually(partial(_read, house, reader, topic), within=120 + records / 5)
    for service in {reader for readers in READERS.values() for reader in readers}:
        expected = {place: reason for place, reason in poison.items() if service in READERS[place[0]]}
        async with _owner(house, service) as database:
            assert await _set_aside(database, sandbox, poison) == expected
            await _release(database, expected)
    await eventually(lambda: _cases(sandbox, good.failures), within=120)
    assert await _ready(house, *READERS["settings.changed"])
    tally.did(RECORDS, records)


class _Good:
    """Good records of one merchant: failures that open cases, customers, settings."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._merchant, self._account = sandbox.merchant_id, sandbox.account_id
        self.failures = self.versions = 0

    def failure(self) -> m.PaymentFailed:
        """Give the next customer's failed renewal."""
        self.failures += 1
        name = f"{self._account}_{self.failures}"
        owed = Money(minor=1999, currency="EUR")
        return m.PaymentFailed(
            id=fact_id(self._account, "payment.failed", f"ch_{name}"),
            time=WHEN,
            merchant_id=self._merchant,
            customer_id=f"cus_{name}",
            account_id=self._account,
            gateway="stripe",
            nature=FailureNature.RENEWAL,
            invoice=Invoice(invoice_id=f"in_{name}", subscription_id=f"sub_{name}", owed=owed),
            charge_id=f"ch_{name}",
            amount=owed,
            decline=DeclineFacts(code="insufficient_funds"),
        )

    def customer(self) -> m.CustomerUpdated:
        """Give a customer's next version."""
        self.versions += 1
        return m.CustomerUpdated(
            id=fact_id(self._account, "customer.updated", "cus_poison", str(self.versions)),
            time=WHEN,
            merchant_id=self._merchant,
            customer_id=f"cus_{self._account}_poison",
            account_id=self._account,
            version=self.versions,
            email="ada@example.org",
        )

    def setting(self, **value: Any) -> m.SettingsChanged:
        """Give the next version of the recovery settings."""
        self.versions += 1
        return m.SettingsChanged(
            id=fact_id(self._merchant, "settings.changed", "recovery", str(1_000 + self.versions)),
            time=WHEN,
            merchant_id=self._merchant,
            version=1_000 + self.versions,
            setting="recovery",
            value=value or {"schedule_days": [1, 3, 7]},
        )

    def template(self, topic: str) -> Raw:
        """Give a good record to be spoilt; no failure is counted, for it is never told."""
        match topic:
            case "payment.failed":
                self.failures -= 1
                return raw_of(_of_another(self.failure(), self._account))
            case "customer.updated":
                return raw_of(self.customer())
            case _:
                return raw_of(self.setting())


def _of_another(event: m.PaymentFailed, account: str) -> m.PaymentFailed:
    """Give the same failure as another fact of another customer, so that a good one may come after it."""
    return event.model_copy(
        update={"customer_id": f"cus_{account}_spoilt", "id": fact_id(account, "spoilt", str(event.id))}
    )


async def _good_ones(tells: Teller, good: _Good, draw: random.Random) -> None:
    """Tell a few good records, so that poison never stands alone in its batch."""
    await tells.tell(good.failure())
    if draw.random() < 0.5:
        await tells.tell(good.customer())
    if draw.random() < 0.2:
        await tells.tell(good.setting())


async def _read(house: House, service: str, topic: str) -> bool:
    waiting = await lag(house, service, topic)
    assert waiting == 0, f"{waiting} records of {topic} wait for {service}"
    return True


@asynccontextmanager
async def _owner(house: House, service: str) -> AsyncIterator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(house.databases[service].owner_dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def _set_aside(
    database: "asyncpg.Connection[Any]", sandbox: Sandbox, poison: dict[Place, str]
) -> dict[Place, str]:
    """Give what is held of ours: by its place, or because it names our merchant."""
    rows = await database.fetch(
        "SELECT topic, partition, record_offset, reason, merchant_id FROM quarantine WHERE released_at IS NULL"
    )
    held = {(row["topic"], row["partition"], row["record_offset"]): row for row in rows}
    return {
        place: row["reason"]
        for place, row in held.items()
        if place in poison or row["merchant_id"] == sandbox.merchant_id
    }


async def _release(database: "asyncpg.Connection[Any]", places: Iterable[Place]) -> None:
    """Let go of ours, as an operator would; the house is others' too."""
    await database.executemany(
        "UPDATE quarantine SET released_at = now() WHERE topic = $1 AND partition = $2 AND record_offset = $3",
        list(places),
    )


async def _cases(sandbox: Sandbox, wanted: int) -> bool:
    cases = await sandbox.api.cases()
    assert len(cases) == wanted, f"{len(cases)} cases of {wanted}"
    return True


async def _ready(house: House, *services: str) -> bool:
    async with aiohttp.ClientSession() as http:
        for service in services:
            async with http.get(f"{house.services[service].ops_url}/readyz") as answer:
                assert answer.status == 200, f"{service}: {await answer.text()}"
    return True


@pytest.mark.part(STOPS)
@pytest.mark.timeout(600)
async def test_21_refusals_in_a_minute_stop_a_topic_until_the_runbook_is_followed(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    sandbox = await merchant()
    good = _Good(sandbox)
    raws = [raw_of(good.setting(schedule_days=["never"])) for _ in range(21)]
    async with teller(house) as tells:
        places = [
            (raw.topic, raw.partition, offset)
            for raw, offset in zip(raws, await asyncio.gather(*map(tells.put, raws)), strict=True)
        ]
        await eventually(lambda: _says(house, "settings.changed stopped"), within=120)
        async with _owner(house, SCHEDULER) as database:
            assert len(await _set_aside(database, sandbox, dict.fromkeys(places, ""))) < 21

            told = house.services[SCHEDULER]
            bearing = {**told.environment, "REFUSALS_A_MINUTE": "1000"}
            for environment in (bearing, told.environment):
                await house.services[SCHEDULER].stop()
                house.services[SCHEDULER] = Service(house.run, SCHEDULER, environment)
                await house.services[SCHEDULER].start()
                await eventually(lambda: _all_set_aside(database, sandbox, places), within=120)
            await tells.tell(good.setting(schedule_days=[2, 4, 6]))
            await eventually(lambda: _policy_is(house, sandbox, "P2D"), within=120)
            for service in READERS["settings.changed"]:
                async with _owner(house, service) as other:
                    await _release(other, places)
    assert await _ready(house, SCHEDULER)
    tally.did(STOPS)


async def _says(house: House, words: str) -> bool:
    url = f"{house.services[SCHEDULER].ops_url}/readyz"
    async with aiohttp.ClientSession() as http:
        try:
            async with http.get(url) as answer:
                return answer.status == 503 and words in await answer.text()
        except aiohttp.ClientError:
            return False


async def _all_set_aside(
    database: "asyncpg.Connection[Any]", sandbox: Sandbox, places: Iterable[Place]
) -> bool:
    held = await _set_aside(database, sandbox, dict.fromkeys(places, ""))
    assert held == dict.fromkeys(places, "schema"), f"set aside: {held}, wanted: {sorted(places)}"
    return True


async def _policy_is(house: House, sandbox: Sandbox, text: str) -> bool:
    """Tell whether the scheduler keeps a policy of the merchant's that says so."""
    async with _owner(house, SCHEDULER) as database:
        await database.execute(
            "SELECT set_config('recoup.merchants', $1, false)", f"{{{sandbox.merchant_id}}}"
        )
        policy = await database.fetchval(
            "SELECT policy::text FROM policies WHERE merchant_id = $1", sandbox.merchant_id
        )
        return text in (policy or "")
