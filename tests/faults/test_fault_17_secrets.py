"""Card numbers and secrets planted in every input: afterwards none in a log, a table or a topic.

What may be kept is documented nowhere, because there is no such column: what a gateway says is stored with zeros in
place of numbers and keys, and what a merchant's program types where it does not belong is refused. A check code is
found where it is called one; three digits alone are no secret to anybody. Gateway secrets rest sealed.
"""

import json
import random
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import pytest
from tests.conftest import OpenSandbox

from recoup_local.house import PORTAL, House
from recoup_local.pytest_plugin import eventually
from recoup_local.sandbox import Sandbox

from . import topic_reader
from .adapter_door import Account, behind
from .ingest_wire import Line, Post, signature
from .planted import Planted
from .rows import ROWS
from .stripe_bodies import WHEN, failed_charge
from .tally import Tally

PART = "plantings"
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

Plant = Callable[[], Awaitable[int]]


@pytest.mark.part(PART)
@pytest.mark.timeout(300 + ROWS[17].parts[0].size // 10)
async def test_nothing_that_was_planted_is_in_a_log_a_table_or_a_topic(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    plantings = tally.size(PART)
    planted = Planted(random.Random(tally.seed + time.time_ns()))
    sandbox = await merchant()
    logs = {log: log.stat().st_size for log in _logs(house)}
    began, written = await topic_reader.here(house), await _transaction(house)
    async with aiohttp.ClientSession() as http, behind(house) as adapter:
        account = await _connected(sandbox, planted)
        inputs = _Inputs(house, sandbox, account, planted, http)
        answers: dict[str, Counter[int]] = {}
        ways = inputs.ways()
        for number in range(plantings):
            name = sorted(ways)[number % len(ways)]
            answers.setdefault(name, Counter())[await ways[name]()] += 1
        await inputs.hang_up()
        sys.stdout.write(f"{ {name: dict(found) for name, found in answers.items()} }\n")
        assert all(status < 500 for found in answers.values() for status in found), answers
        assert set(answers["a webhook's fields"]) == {200}
        for name in ("an API field", "an API path", "an API query"):
            assert set(answers[name]) <= {404, 422}, name
        await adapter.told(account, within=60 + plantings / 20)
    await eventually(lambda: _portal_has_read(house), within=60)

    assert [found async for found in _in_tables(house, written, planted)] == []
    assert [found async for found in _in_topics(house, began, planted)] == []
    assert [found for log, size in logs.items() for found in _in_log(log, size, planted)] == []
    tally.did(PART, plantings)


async def _connected(sandbox: Sandbox, planted: Planted) -> Account:
    """Connect an account with secrets of its own; these, and the merchant's key, are looked for too."""
    key = (await sandbox.gateway.control("GET", f"/accounts/{sandbox.account_id}"))["api_key"]
    account = Account(
        sandbox.merchant_id, f"acct_{secrets.token_hex(8)}", f"whsec_{secrets.token_urlsafe(24)}"
    )
    body = {
        "gateway": "stripe",
        "name": "Planted",
        "livemode": False,
        "base_url": sandbox.gateway.url,
        "api_key": key,
        "webhook_secret": account.secret,
        "api_version": "2020-08-27",
    }
    await sandbox.api.call("PUT", f"/accounts/{account.account_id}", body)
    planted.other |= {
        key,
        account.secret,
        sandbox.api_key,
        sandbox.house.environments[PORTAL]["INTERNAL_SECRET"],
    }
    return account


class _Inputs:
    """Every way in, each with something planted; a way gives the status of its answer."""

    def __init__(
        self, house: House, sandbox: Sandbox, account: Account, planted: Planted, http: aiohttp.ClientSession
    ) -> None:
        self._house, self._sandbox, self._account = house, sandbox, account
        self._planted, self._http, self._line = planted, http, Line.to(house.ingest_url)
        self._count = 0

    def ways(self) -> dict[str, Plant]:
        """Give all of them by name."""
        return {
            "a webhook's fields": self.webhook,
            "a webhook's headers": self.webhook_headers,
            "a webhook that is refused": self.refused_webhook,
            "a gateway's customer": self.gateway_customer,
            "an API field": self.api_field,
            "an API path": self.api_path,
            "an API query": self.api_query,
            "an API header": self.api_header,
            "a page's form": self.form,
            "a page's address": self.page,
        }

    async def hang_up(self) -> None:
        """Close what was opened."""
        await self._line.close()

    def _next(self) -> str:
        self._count += 1
        return f"{self._account.account_id}_{self._count}"

    async def webhook(self) -> int:
        """Plant in what customers and merchants type at a gateway."""
        name, say = self._next(), self._planted.anything
        customer = {
            "id": f"cus_{name}", "object": "customer", "created": WHEN, "name": say(), "description": say(),
            "email": "ada@example.org", "phone": say(), "metadata": {"note": say(), say(): "as a key"},
            "address": {"city": say(), "country": "IT"}, "shipping": {"name": say()}, "preferred_locales": ["it"],
        }  # fmt: skip
        charge = json.loads(failed_charge(f"evt_{name}", f"ch_{name}"))["data"]["object"]
        charge |= {
            "description": say(), "receipt_email": "ada@example.org", "failure_message": say(),
            "statement_descriptor": say(), "billing_details": {"name": say()}, "metadata": {"order": say()},
        }  # fmt: skip
        invoice = {
            "id": f"in_{name}", "object": "invoice", "created": WHEN, "customer": f"cus_{name}", "status": "open",
            "amount_due": 1999, "amount_paid": 0, "amount_remaining": 1999, "currency": "eur", "number": say(),
            "collection_method": "charge_automatically", "billing_reason": "subscription_cycle", "footer": say(),
            "customer_name": say(), "auto_advance": True, "attempt_count": 0, "attempted": False,
            "custom_fields": [{"name": say(), "value": say()}], "lines": {"data": [{"description": say()}]},
        }  # fmt: skip
        kind, thing = self._planted.draw.choice(
            (("customer.updated", customer), ("charge.failed", charge), ("invoice.updated", invoice))
        )
        ascii_only = self._planted.draw.random() < 0.5
        event = {
            "id": f"evt_{name}", "object": "event", "created": WHEN + self._count, "livemode": False,
            "type": kind, "request": None, "data": {"object": thing, "previous_attributes": {"name": say()}},
        }  # fmt: skip
        body = json.dumps(event, ensure_ascii=ascii_only).encode()
        return await self._post(body)

    async def _post(self, body: bytes, *headers: tuple[bytes, bytes], path: str | None = None) -> int:
        good = signature(body, self._account.secret, int(time.time()))
        return await self._line.insist(
            Post(path or self._account.path, body, ((b"stripe-signature", good), *headers))
        )

    async def webhook_headers(self) -> int:
        """Plant in headers and the query of a webhook that is let in."""
        name, say = self._next(), self._planted.anything
        text = say().encode("latin-1")
        headers = (
            (b"user-agent", text),
            (b"x-note", text),
            (b"traceparent", text),
            (b"baggage", b"n=" + text),
        )
        path = f"{self._account.path}?note={self._planted.number()}"
        return await self._post(failed_charge(f"evt_{name}", f"ch_{name}"), *headers, path=path)

    async def refused_webhook(self) -> int:
        """Plant in what is refused: no JSON, no event, a bad signature, somebody else's path."""
        say = self._planted.anything
        choice = self._planted.draw.randrange(4)
        if choice == 0:
            return await self._post(f"no JSON {say()}".encode())
        if choice == 1:
            return await self._post(json.dumps({"id": say(), "type": say(), "created": say()}).encode())
        if choice == 2:
            bad = ((b"stripe-signature", f"t=1,v1={self._planted.number()}".encode()),)
            return await self._line.insist(Post(self._account.path, say().encode(), bad))
        return await self._post(b"{}", path=f"/webhooks/stripe/{self._planted.number()}")

    async def gateway_customer(self) -> int:
        """Plant at the gateway, which tells it by webhook, and whose API we ask."""
        say = self._planted.anything
        fields = {"name": say(), "description": say(), "email": "bob@example.org", "metadata[note]": say()}
        told = await self._sandbox.stripe("POST", "/v1/customers", fields)
        return 200 if "id" in told else 400

    async def api_field(self) -> int:
        """Plant in every text that a merchant may type."""
        say, choose = self._planted.anything, self._planted.draw.choice
        method, path, body = choose(
            (
                ("PUT", "/settings/merchant", {"name": say(), "sandbox": True}),
                ("PUT", "/settings/mail", {"sender_name": say()[:120]}),
                ("PUT", "/settings/mail", {"contact": say()}),
                ("PUT", "/settings/mail", {"messages": {"payment_failed": {"en": {"subject": say()}}}}),
                ("PUT", "/settings/mail", {"messages": {say(): {"en": {"text": "x"}}}}),
                ("PUT", "/settings/stop", {"accounts": [say()]}),
                ("POST", "/keys", {"name": say()}),
                ("PUT", f"/accounts/{self._account.account_id}x", self._account_body(say())),
                ("POST", "/previews", {"message": say(), "language": "en", "mail": {}}),
                ("PUT", "/settings/recovery", {say(): 1}),
            )
        )
        return await self._call(method, path, json=body)

    def _account_body(self, name: str) -> dict[str, Any]:
        secret = {"api_key": f"sk_test_{self._next()}", "webhook_secret": f"whsec_{self._next()}"}
        return {
            "gateway": "stripe",
            "name": name,
            "livemode": False,
            "base_url": self._sandbox.gateway.url,
            **secret,
        }

    async def api_path(self) -> int:
        """Plant where an id stands."""
        text = self._planted.draw.choice((self._planted.number, self._planted.token))()
        method, path = self._planted.draw.choice(
            (("GET", f"/cases/{text}"), ("DELETE", f"/accounts/{text}"), ("DELETE", f"/keys/{text}"))
        )
        return await self._call(method, path)

    async def api_query(self) -> int:
        """Plant in a query."""
        say = self._planted.anything
        return await self._call("GET", "/cases", params={"cursor": say()[:150], "note": say()})

    async def api_header(self) -> int:
        """Plant in headers, the API key's own included."""
        number = self._planted.number()
        headers = {"User-Agent": number, "X-Request-Id": self._planted.token(), "Cookie": f"a={number}"}
        return await self._call("GET", "/summary", headers=headers)

    async def _call(self, method: str, path: str, **more: Any) -> int:
        headers = {"Authorization": f"Bearer {self._sandbox.api_key}", **more.pop("headers", {})}
        url = f"{self._house.portal_url}/v1{path}"
        async with self._http.request(method, url, headers=headers, **more) as answer:
            text = await answer.text()
            assert self._planted.found_in(text) == [], "an answer repeats what was planted"
            return answer.status

    async def form(self) -> int:
        """Plant in the forms that a customer fills in."""
        say, here = self._planted.anything, f"{self._house.portal_url}/m/{self._sandbox.merchant_id}"
        token = secrets.token_urlsafe(32)
        path = self._planted.draw.choice(
            (
                f"{here}/sign-in",
                f"{here}/sign-in/{token}",
                f"{here}/sign-out",
                f"{self._house.portal_url}/pay/{token}/pay",
            )
        )
        form = {"email": say(), "mark": say(), "instrument_id": say(), "session": say()}
        async with self._http.post(path, data=form, allow_redirects=False) as answer:
            return answer.status

    async def page(self) -> int:
        """Plant in a page's address and what a browser sends with it."""
        number, token = self._planted.number(), self._planted.token()
        root, here = self._house.portal_url, f"/m/{self._sandbox.merchant_id}"
        path = self._planted.draw.choice(
            (
                f"/pay/{token}",
                f"/m/{number}",
                f"{here}/sign-in/{token}",
                f"{here}/cases/{number}",
                f"/{number}",
            )
        )
        headers = {"Accept-Language": number, "Cookie": f"s_x={token}", "Referer": f"http://x/{number}"}
        async with self._http.get(root + path, params={"session": number}, headers=headers) as answer:
            return answer.status


async def _portal_has_read(house: House) -> bool:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{house.services[PORTAL].ops_url}/metrics") as answer,
    ):
        text = await answer.text()
    waiting = [line for line in text.splitlines() if line.startswith("recoup_consumer_lag")]
    assert waiting
    return all(float(line.rpartition(" ")[2]) == 0 for line in waiting)


def _logs(house: House) -> list[Any]:
    """Give the logs of the services and of what they run on."""
    folder = house.services[PORTAL].log.parent
    return sorted(path for path in folder.glob("*.log") if not path.name.startswith("practice"))


def _in_log(log: Any, size: int, planted: Planted) -> list[str]:
    with log.open("rb") as file:
        file.seek(size)
        return [
            f"{log.name}: {what}"
            for line in file
            for what in planted.found_in(line.decode("utf-8", "replace"))
        ]


async def _transaction(house: House) -> str:
    """Give the server's next transaction: what is planted from now on is written by it or by a later one."""
    connection = await asyncpg.connect(house.postgres.admin_dsn)
    try:
        return str(await connection.fetchval("SELECT pg_current_xact_id()::xid::text"))
    finally:
        await connection.close()


async def _in_tables(house: House, written: str, planted: Planted) -> AsyncIterator[str]:
    """Look through all rows written since, in every table of every service's database, past row security."""
    since = "WHERE age(t.xmin) <= age($1::text::xid)"
    for service, database in house.databases.items():
        base, _, _ = house.postgres.admin_dsn.rpartition("/")
        connection = await asyncpg.connect(f"{base}/{database.name}")
        try:
            tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            assert len(tables) > 5
            for (table,) in tables:
                async with connection.transaction(readonly=True):
                    async for (row,) in connection.cursor(
                        f"SELECT t::text FROM {table} t {since}",  # noqa: S608  # our own names
                        written,
                    ):
                        for what in planted.found_in(row):
                            yield f"{service}.{table}: {what}"
        finally:
            await connection.close()


async def _in_topics(house: House, began: topic_reader.Place, planted: Planted) -> AsyncIterator[str]:
    async for record in topic_reader.since(house, began):
        said = [record.value, record.key, *(value for _, value in record.headers)]
        for what in planted.found_in("\n".join((part or b"").decode("utf-8", "replace") for part in said)):
            yield f"{record.topic}: {what}"
