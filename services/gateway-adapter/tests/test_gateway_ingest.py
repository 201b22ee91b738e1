"""The door for webhooks: who gets in, who does not, and what is answered."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from stripe import WebhookSignature

from recoup_chassis.http import HttpServer
from recoup_chassis.postgres import Database
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.doors import Doors
from recoup_gateway_adapter.gateways.stripe.signature import is_signed
from recoup_gateway_adapter.ingest.batches import Batches
from recoup_gateway_adapter.ingest.loop import IngestPort
from recoup_gateway_adapter.ingest.routes import Ingest
from recoup_local.ports import free_port

pytestmark = pytest.mark.postgres


class Door:
    """An ingest port, and a gateway that posts to it."""

    def __init__(self, adapter: Any, address: str, session: aiohttp.ClientSession, doors: Doors) -> None:
        self.adapter, self.address, self.doors, self._session = adapter, address, doors, session
        self.path = f"/webhooks/stripe/{adapter.account.account_id}"

    async def post(
        self, body: Any, *, signature: str | None = "", path: str | None = None, method: str = "POST"
    ) -> int:
        """Post a body, signed now with the account's secret unless told otherwise; give the status."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        if signature == "":
            signature = sign(raw, self.adapter.secret)
        headers = {"Stripe-Signature": signature} if signature is not None else {}
        where = self.address + (path or self.path)
        async with self._session.request(method, where, data=raw, headers=headers) as answer:
            return answer.status

    async def stored(self) -> int:
        """How many of this account's webhooks are stored."""
        query = "SELECT count(*) FROM raw_webhooks WHERE account_id = $1"
        return int(await self.adapter.count(query, self.adapter.account.account_id))


def sign(body: bytes, secret: str, age: int = 0) -> str:
    text = body.decode("utf-8", "surrogateescape")
    header: str = WebhookSignature.generate_signature_header(text, secret, int(time.time()) - age)
    return header


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("recoup_ingest_refused_total", {"reason": reason}) or 0.0


async def _serve(adapter: Any, database: Database, **batching: Any) -> AsyncIterator[Door]:
    doors, batches, port = Doors(database, adapter.vault), Batches(database, **batching), free_port()
    part = IngestPort(HttpServer(Ingest(doors, batches), "127.0.0.1", port, "ingest"), batches)
    stopping = asyncio.Event()
    serving = asyncio.create_task(part.serve(stopping))
    async with aiohttp.ClientSession() as session:
        address = f"http://127.0.0.1:{port}"
        await _listening(port)
        yield Door(adapter, address, session, doors)
    stopping.set()
    await serving


async def _listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.01)
            else:
                writer.close()
                return


@pytest_asyncio.fixture(loop_scope="session")
async def door(adapter: Any) -> AsyncIterator[Door]:
    async for made in _serve(adapter, adapter.database):
        yield made


async def test_a_signed_webhook_is_stored_before_it_is_acknowledged(door: Door, old: Any) -> None:
    assert await door.post(old.failure()[0]) == 200
    assert await door.stored() == 1


async def test_a_repeat_is_acknowledged_and_changes_nothing(door: Door, old: Any) -> None:
    event = old.failure()[0]

    assert [await door.post(event) for _ in range(3)] == [200, 200, 200]
    assert await door.stored() == 1


async def test_webhooks_that_arrive_together_are_all_stored(door: Door, old: Any) -> None:
    events = [old.event("charge.failed", old.charge(f"ch_{n}")) for n in range(300)]

    answers = await asyncio.gather(*(door.post(event) for event in events))

    assert set(answers) == {200}
    assert await door.stored() == 300


async def test_what_a_customer_typed_into_a_name_is_stored_without_their_card_number(
    door: Door, old: Any
) -> None:
    typed = old.customer(name="Ada 4242 4242 4242 4242 cvc 737", description="sk_live_51HabcdefABC")

    assert await door.post(old.event("customer.updated", typed)) == 200
    query = "SELECT count(*) FROM raw_webhooks WHERE account_id = $1 AND body LIKE $2"
    for text in (b"%4000 0000 0000 0000 cvc 000%", b"%sk_live_000000000000%"):
        assert await door.adapter.count(query, door.adapter.account.account_id, text) == 1


async def test_an_unknown_type_is_stored_and_acknowledged(door: Door, old: Any) -> None:
    assert await door.post(old.event("tax.rate.whatever", {"id": "x", "object": "tax"})) == 200
    assert await door.stored() == 1


@pytest.mark.parametrize(
    ("body", "signature", "reason", "status"),
    [
        (b'{"id":"evt_1"}', None, "signature", 400),
        (b'{"id":"evt_1"}', "t=1,v1=00", "signature", 400),
        (b'{"id":"evt_1"}', "t=1,v1=\xe9\xe9", "signature", 400),
        (b'{"id":"evt_1"}', "nonsense", "signature", 400),
        (b'{"id":"evt_1"}', "t=" + "9" * 400 + ",v1=00", "signature", 400),
        (b"\xff\xfe{}", "t=1,v1=00", "signature", 400),
        (b"not json", "", "json", 400),
        (b'{"id":"evt_1","type":"charge.failed","created":1', "", "json", 400),
        (b"[" * 100_000, "", "json", 400),
        (b"[]", "", "schema", 400),
        (b"{}", "", "schema", 400),
        (b'{"id":"evt_1","type":"charge.failed"}', "", "schema", 400),
        (b'{"id":"evt\\u0000","type":"charge.failed","created":1}', "", "schema", 400),
        (b'{"id":"evt_1","type":"charge.failed","created":99999999999999}', "", "schema", 400),
        (b'{"id":"evt_1","type":"charge.failed","created":1,"livemode":true}', "", "livemode", 400),
        (b'{"id":"evt_1","type":"charge.failed","created":1,"account":"acct_x"}', "", "account", 400),
        (b"x" * (512 * 1024 + 1), "", "too_large", 413),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_bad_input_gets_4xx_and_a_counted_reason_and_leaves_nothing(
    door: Door, body: bytes, signature: str | None, reason: str, status: int
) -> None:
    before = refused(reason)

    assert await door.post(body, signature=signature) == status
    assert refused(reason) == before + 1
    assert await door.stored() == 0


async def test_a_webhook_signed_more_than_300_seconds_ago_is_refused(door: Door, old: Any) -> None:
    body = json.dumps(old.failure()[0]).encode()

    assert await door.post(body, signature=sign(body, door.adapter.secret, age=310)) == 400
    assert await door.post(body, signature=sign(body, door.adapter.secret, age=290)) == 200


async def test_a_forged_webhook_is_refused(door: Door, old: Any) -> None:
    body = json.dumps(old.failure()[0]).encode()

    assert await door.post(body, signature=sign(body, "whsec_somebody_else")) == 400
    assert await door.post(body + b" ", signature=sign(body, door.adapter.secret)) == 400


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/webhooks/stripe",
        "/webhooks/stripe/nobody_1",
        "/webhooks/adyen/{account}",
        "/webhooks/stripe/a%00b",
    ],
)
async def test_an_address_that_is_nobodys_is_not_found(door: Door, old: Any, path: str) -> None:
    where = path.format(account=door.adapter.account.account_id)

    assert await door.post(old.failure()[0], path=where) == 404


async def test_only_post_is_let_in(door: Door, old: Any) -> None:
    assert await door.post(old.failure()[0], method="PUT") == 405


async def test_the_old_secret_lets_in_while_it_is_being_changed_and_no_longer(door: Door, old: Any) -> None:
    adapter = door.adapter
    merchant, account = adapter.account.merchant_id, adapter.account.account_id
    body = json.dumps(old.failure()[0]).encode()
    for keep, answer in ((timedelta(hours=1), 200), (timedelta(0), 400)):
        await adapter.connect()
        async with adapter.database.transaction([merchant]) as tx:
            assert await accounts.rotate_webhook_secret(
                tx, adapter.vault, merchant, account, "whsec_new_0123456789", keep
            )
        door.doors.forget(account)

        assert await door.post(body, signature=sign(body, "whsec_new_0123456789")) == 200
        assert await door.post(body, signature=sign(body, adapter.secret)) == answer


async def test_a_disabled_account_lets_nothing_in(door: Door, old: Any) -> None:
    account = door.adapter.account
    async with door.adapter.database.transaction([account.merchant_id]) as tx:
        assert await accounts.disable(tx, account.merchant_id, account.account_id)
    door.doors.forget(account.account_id)

    assert await door.post(old.failure()[0]) == 404


async def test_where_the_database_is_away_the_gateway_is_asked_to_come_again(adapter: Any, old: Any) -> None:
    pool = asyncpg.create_pool("postgresql://nobody@127.0.0.1:9/none", min_size=0, timeout=1)
    away = Database(await pool, "/test", 12)
    async for door in _serve(adapter, away):
        assert await door.post(old.failure()[0]) == 503
    away.pool.terminate()


async def test_who_translates_is_woken_after_the_commit_of_what_is_new(adapter: Any, old: Any) -> None:
    event, woken = old.failure()[0], asyncio.Event()
    async for door in _serve(adapter, adapter.database, stored=woken.set):
        assert await door.post(event) == 200
        assert woken.is_set()
        woken.clear()
        assert await door.post(event) == 200
        assert not woken.is_set()


async def test_a_commit_that_takes_too_long_is_asked_for_again(adapter: Any, old: Any) -> None:
    event = old.failure()[0]
    async for door in _serve(adapter, adapter.database, committed_within=0.3):
        async with adapter.database.transaction(()) as tx:
            await tx.execute("LOCK TABLE raw_webhooks IN SHARE MODE")
            assert await door.post(event) == 503
        assert await door.post(event) == 200
        assert await door.stored() == 1


def test_a_signature_holds_for_its_own_secret_body_and_scheme_for_300_seconds() -> None:
    body, secret, now = b'{"id": "evt_1"}', "whsec_test", time.time()
    good = sign(body, secret).encode()

    assert is_signed(body, good, [secret], now)
    assert is_signed(body, good, ["whsec_other", secret], now)
    assert is_signed(body, good, [secret], int(now) + 300)
    assert not is_signed(body, good, [secret], int(now) + 301.5)
    assert not is_signed(body, good, ["whsec_other"], now)
    assert not is_signed(body, good.replace(b"v1=", b"v0="), [secret], now)
