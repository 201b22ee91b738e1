"""Forged webhooks at the real ingest port: all refused, none stored, none told, and the genuine ones pass."""

import json
import secrets
import sys
from collections import Counter, defaultdict
from typing import Any

import pytest
from tests.conftest import OpenSandbox

from recoup_local.house import House
from recoup_local.sandbox import Sandbox

from . import topic_reader
from .adapter_door import Account, Behind, behind
from .forgeries import Forger, Street, Try
from .ingest_wire import Line, over
from .rows import ROWS
from .tally import Tally

PART = "forgeries"
CONNECTIONS = 32
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.part(PART)
@pytest.mark.timeout(300 + ROWS[13].parts[0].size // 100)
async def test_no_forgery_gets_in_and_no_genuine_webhook_is_kept_out(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    forgeries = tally.size(PART)
    first, other = await merchant(), await merchant()
    async with behind(house) as adapter:
        street = await _street(adapter, first, other)
        began = await topic_reader.here(house)
        answers: dict[str, Counter[int]] = defaultdict(Counter)
        genuine: set[str] = set()

        async def post(line: Line, one: Try) -> None:
            status = await line.insist(one.post)
            answers[one.kind][status] += 1
            if one.genuine is not None:
                genuine.add(one.genuine)

        await over(house.ingest_url, CONNECTIONS, Forger(street, tally.seed).tries(forgeries), post)
        for kind, statuses in sorted(answers.items()):
            sys.stdout.write(f"{kind}: {dict(statuses)}\n")
        assert answers.pop("genuine") == {200: len(genuine)}
        assert {
            kind: statuses for kind, statuses in answers.items() if not all(map(_refused, statuses))
        } == {}
        assert sum(statuses.total() for statuses in answers.values()) == forgeries

        accounts = (*street.open, street.closed)
        assert await adapter.webhooks(*accounts) == sorted(f"evt_{charge}" for charge in genuine)
        await adapter.told(*accounts, within=60 + forgeries / 100)
        told: Counter[str] = Counter()
        async for record in topic_reader.since(house, began):
            assert b"forged_" not in (record.value or b"") + (record.key or b"")
            if record.topic.endswith("payment.failed"):
                told.update(charge for charge in (_charge(record.value),) if charge in genuine)
        assert told == Counter(genuine)
    tally.did(PART, forgeries)


def _refused(status: int) -> bool:
    return 400 <= status < 500


def _charge(value: bytes | None) -> str:
    found: Any = json.loads(value or b"{}").get("charge_id")
    return str(found)


async def _street(adapter: Behind, first: Sandbox, other: Sandbox) -> Street:
    """Connect accounts whose secrets we know; all of them ask the gateway that the sandboxes have."""
    keys = {
        one.merchant_id: (await one.gateway.control("GET", f"/accounts/{one.account_id}"))["api_key"]
        for one in (first, other)
    }

    async def connect(owner: Sandbox, *, livemode: bool = False) -> Account:
        name, secret = f"acct_{secrets.token_hex(8)}", f"whsec_{secrets.token_urlsafe(24)}"
        account = Account(owner.merchant_id, name, secret, livemode)
        return await adapter.connect(account, base_url=first.gateway.url, api_key=keys[owner.merchant_id])

    async def turn(account: Account, keep: int) -> Account:
        new = Account(account.merchant_id, account.account_id, f"whsec_{secrets.token_urlsafe(24)}")
        await adapter.rotate(account, new.secret, keep)
        return new

    turned, turning, closed = await connect(first), await connect(first), await connect(first)
    await adapter.disable(closed)
    return Street(
        first=await connect(first),
        neighbour=await connect(first),
        stranger=await connect(other),
        live=await connect(first, livemode=True),
        turned=await turn(turned, 0),
        turned_old=turned.secret,
        turning=await turn(turning, 3_600),
        turning_old=turning.secret,
        closed=closed,
    )
