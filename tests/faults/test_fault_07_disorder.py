"""Webhooks five times, shuffled, up to 72 hours late: the same facts and cases as from one clean run, each once."""

import json
import secrets
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.conftest import OpenSandbox

from recoup_events.envelope import headers_of
from recoup_events.topics import TOPICS
from recoup_events.values import fact_id
from recoup_local.house import House
from recoup_local.pytest_plugin import eventually
from recoup_local.sandbox import Sandbox

from . import topic_reader
from .adapter_door import Account, behind
from .ingest_wire import Line, over
from .messenger import COPIES, Delivery, Messenger, messenger
from .rows import ROWS
from .tally import Tally

PART = "webhooks"
ROUND = 20_000
"""Deliveries between two judgements; nothing of a round is kept, so that memory is flat."""

CONNECTIONS = 32
LATE = timedelta(hours=72)
MOMENT = {"owed", "next_gateway_try_at"}
"""Of an invoice in a fact: as its messenger saw it, so a later messenger sees it later."""

DAY = 86_400.0
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.part(PART)
@pytest.mark.timeout(600 + ROWS[7].parts[0].size // 50)
async def test_five_times_in_any_order_and_three_days_late_it_is_told_once_as_from_a_clean_run(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    wanted, seed, done = tally.size(PART), tally.seed, 0
    while done < wanted:
        done += await _round(house, merchant, min(ROUND, wanted - done), seed)
        seed += 1_000_003
        sys.stdout.write(f"{done} of {wanted} delivered and judged\n")
    tally.did(PART, done)


async def _round(house: House, merchant: OpenSandbox, deliveries: int, seed: int) -> int:
    """Let renewals fail for three days, then bring what was held back, to one account neatly and to another not."""
    async with messenger() as held, behind(house) as adapter:
        source = await merchant(name="Source")
        await source.api.call("DELETE", f"/accounts/{source.account_id}")
        now = await _three_days(source, held, deliveries // COPIES, seed)
        key = (await source.gateway.control("GET", f"/accounts/{source.account_id}"))["api_key"]
        (clean, neat), (shuffled, messy) = [await _connected(merchant, now, key) for _ in range(2)]
        began = await topic_reader.here(house)

        sent: Counter[str] = Counter()

        async def post(line: Line, one: Delivery) -> None:
            status = await line.insist(one.post)
            assert 400 <= status < 500 if one.stale else status == 200, (status, one.stale)
            sent["stale" if one.stale else "good"] += 1

        await over(house.ingest_url, 1, held.in_order(neat), post)
        await over(house.ingest_url, CONNECTIONS, held.in_disorder(messy, seed), post)
        sys.stdout.write(f"{dict(sent)} of {len(held.bodies)} events\n")
        assert await adapter.webhooks(messy) == await adapter.webhooks(neat) == sorted(held.bodies)
        await adapter.told(neat, messy, within=120 + deliveries / 50)
        told = await _told(house, began, _asked(held), neat, messy)
        _each_once(held, told[neat.merchant_id], neat)
        _each_once(held, told[messy.merchant_id], messy)
        neatly, messily = (told[account.merchant_id].whose for account in (neat, messy))
        assert {who for fact, who in messily.items() if who != neatly.get(fact)} <= {"unknown"}
        only_neat, only_messy = _apart(told[neat.merchant_id].alike(), told[messy.merchant_id].alike())
        assert (only_neat, only_messy) == ([], [])
        late = told[messy.merchant_id].late
        await eventually(lambda: _same_cases(clean, shuffled, late), within=120)
        return len(held.bodies) * COPIES


async def _three_days(source: Sandbox, held: Messenger, events: int, seed: int) -> datetime:
    """Let renewals fail over three days, until the gateway has told so many events; give the merchant's instant."""
    account = {"webhooks": [{"url": held.url, "secret": "whsec_held", "events": ["*"]}]}
    await source.gateway.control("POST", f"/accounts/{source.account_id}", account)
    began, number = await source.now(), 0
    await source.run_clock(DAY / 2)

    async def three_days_have_passed() -> bool:
        nonlocal number
        passed = ((await source.now()) - began) / LATE
        if passed >= 1:
            await source.run_clock(0)  # on a busy machine the gateway's own tries would go on for weeks
        if len(held.bodies) < events * max(0.3, min(passed, 1.0)):
            await source.renewals(max(5, events // 50), seed=seed * 1000 + number)
            number += 1
        return passed >= 1 and len(held.bodies) >= events

    await eventually(three_days_have_passed, within=120 + events / 20)

    async def all_handed_over() -> bool:
        told = await source.gateway.control("GET", f"/webhooks?account={source.account_id}")
        return bool(told["pending"] == 0)

    await eventually(all_handed_over, within=60)
    return await source.now()


async def _connected(merchant: OpenSandbox, now: datetime, key: str) -> tuple[Sandbox, Account]:
    """Make a merchant whose clock shows this instant, who charges nothing, at the same gateway account."""
    made = await merchant(begins=now)
    await made.setting("stop", {"everything": True})
    account = Account(made.merchant_id, f"acct_{secrets.token_hex(8)}", f"whsec_{secrets.token_urlsafe(24)}")
    body = {
        "gateway": "stripe",
        "name": "Messages",
        "livemode": False,
        "base_url": made.gateway.url,
        "api_key": key,
        "webhook_secret": account.secret,
        "api_version": "2020-08-27",
    }
    await made.api.call("PUT", f"/accounts/{account.account_id}", body)
    return made, account


class Told:
    """What an account's messages became: facts as they stand, snapshots as they stand last."""

    def __init__(self, account: Account, asked: set[str]) -> None:
        self._again = {_id(account, "payment.failed", f"{name}:authentication") for name in asked}
        self._own = {account.account_id, account.merchant_id}
        self.ids: dict[str, Counter[str]] = {}
        self._facts: Counter[str] = Counter()
        self._last: dict[tuple[str, bytes | None], str] = {}
        self._codeless: defaultdict[str, list[str]] = defaultdict(list)
        """Failures without charge and code, by invoice: one that is told again with its code counts so."""
        self.late: set[str] = set()
        """Invoices whose code was told late: a try may have been asked for before, which is not taken back."""
        self.whose: dict[tuple[str, str], str] = {}
        """By topic and charge: who made it, `unknown` where the webhook that says so came later than a join waits."""

    def take(self, topic: str, record: topic_reader.Record) -> None:
        """Note one record."""
        headers = headers_of(record.headers)
        fields = {
            name: value for name, value in json.loads(record.value or b"{}").items() if name != "version"
        }
        if not TOPICS[topic].snapshot and fields.get("invoice"):
            fields["invoice"] = {key: value for key, value in fields["invoice"].items() if key not in MOMENT}
        if whose := fields.pop("attributed_to", None):
            self.whose[topic, str(fields["charge_id"])] = whose
        without_charge = topic == "payment.failed" and fields["charge_id"] is None
        when = "" if without_charge else headers["ce_time"]  # its messenger's: no charge says when
        text = json.dumps({"topic": topic, "time": when, **fields}, sort_keys=True)
        for name in self._own:
            text = text.replace(name, "mine")
        if TOPICS[topic].snapshot:
            self._last[topic, record.key] = text.replace(headers["ce_time"], "")
            return
        if without_charge:
            codeless = self._codeless[fields["invoice"]["invoice_id"]]
            if headers["ce_id"] in self._again:
                self._facts[codeless.pop()] -= 1
                self._facts[text] += 1
                self.late.add(fields["invoice"]["invoice_id"])
                return
            if fields["decline"]["code"] is None:
                codeless.append(text)
        self._facts[text] += 1
        self.ids.setdefault(topic, Counter())[headers["ce_id"]] += 1

    def alike(self) -> list[str]:
        """Give everything without whose it is, in an order."""
        return sorted([*self._facts.elements(), *self._last.values()])


async def _told(
    house: House, began: topic_reader.Place, asked: set[str], *accounts: Account
) -> dict[str, Told]:
    told = {account.merchant_id: Told(account, asked) for account in accounts}
    prefix = topic_reader.prefix_of(house)
    async for record in topic_reader.since(house, began, *_of_the_adapter()):
        merchant_id = json.loads(record.value or b"{}").get("merchant_id")
        if merchant_id in told:
            told[merchant_id].take(record.topic.removeprefix(prefix), record)
    return told


def _of_the_adapter() -> Iterator[str]:
    for name in TOPICS:
        if name.startswith(("payment.", "card.", "customer.", "subscription.", "invoice.")):
            yield name


def _asked(held: Messenger) -> set[str]:
    """Name the tries that wait for the customer and have no charge, the gateway's later ones included."""
    return {
        f"{invoice['id']}:{invoice['attempt_count']}"
        for invoice in held.objects("invoice.payment_failed")
        if invoice["charge"] is None
    }


def _id(account: Account, event: str, identity: str) -> str:
    return str(fact_id(account.account_id, event, identity))


def _each_once(held: Messenger, told: Told, account: Account) -> None:
    """Each charge that failed or succeeded, and each try that waits for 3-D Secure, is told once, by its fact's id."""
    for event, wanted in {
        "payment.failed": {charge["id"] for charge in held.objects("charge.failed")} | _asked(held),
        "payment.succeeded": {charge["id"] for charge in held.objects("charge.succeeded")},
    }.items():
        ids = {_id(account, event, identity) for identity in wanted}
        assert told.ids.get(event, Counter()) == Counter(ids), f"{event} of {account.account_id}"


def _apart(neat: list[str], messy: list[str]) -> tuple[list[str], list[str]]:
    """Give what one was told and the other was not, and show the first of it."""
    ours, theirs = Counter(neat), Counter(messy)
    apart = sorted((ours - theirs).elements()), sorted((theirs - ours).elements())
    for name, some in zip(("only from the clean run", "only from disorder"), apart, strict=True):
        sys.stdout.write("".join(f"{name}: {text}\n" for text in some[:3]))
    return apart


async def _same_cases(clean: Sandbox, shuffled: Sandbox, late: set[str]) -> bool:
    neat, messy = [_standing(await one.api.cases()) for one in (clean, shuffled)]
    trying = {invoice for invoice in late if messy[invoice]["state"] == "trying"}
    assert messy.keys() == neat.keys()
    assert [messy[name] for name in messy if name not in trying] == [
        neat[name] for name in messy if name not in trying
    ]
    return bool(neat)


def _standing(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """Say how cases stand; where a try waited for the customer no charge says to the second when it failed."""
    said = (
        "state",
        "owed",
        "waiting_for",
        "final_action",
        "decline_code",
        "decline_class",
        "failed_at",
        "tries_made",
    )
    return {
        case["invoice_id"]: {name: case[name] for name in said}
        | ({"failed_at": ""} if case["decline_code"] == "authentication_required" else {})
        for case in cases
    }
