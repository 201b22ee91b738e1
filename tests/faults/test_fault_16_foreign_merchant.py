"""Another merchant's things are not there: every endpoint and every page, with another merchant's key, link, session.

Endpoints come from the OpenAPI description, pages from the application's routes: what is new and not in a table
here fails.
"""

import warnings
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio
from fastapi import FastAPI
from tests.worlds.portal_browser import Browser
from tests.worlds.portal_events import Customer
from tests.worlds.portal_house import House, Merchant, house_of, somewhere

from recoup_events.values import InvoiceStatus
from recoup_local.pytest_plugin import ServiceDatabases
from recoup_portal_api import app
from recoup_portal_api.access import handlers as access

from .tally import Tally

PART = "passes"
pytestmark = [pytest.mark.postgres, pytest.mark.part(PART)]

BODIES: Mapping[tuple[str, str], Any] = {
    ("PUT", "/accounts/{account_id}"): {
        "gateway": "stripe",
        "name": "x",
        "livemode": True,
        "api_key": "sk_live_other",
        "webhook_secret": "whsec_other",
    },
    ("POST", "/accounts/{account_id}/webhook-secret"): {"webhook_secret": "whsec_other"},
    ("PUT", "/settings/merchant"): {"name": "Other", "sandbox": False},
    ("PUT", "/settings/recovery"): {"window_days": 20},
    ("PUT", "/settings/mail"): {"contact": "other"},
    ("PUT", "/settings/portal"): {"require_sign_in": True},
    ("PUT", "/settings/stop"): {"everything": True},
    ("POST", "/stop"): {"everything": True},
    ("PUT", "/sandbox/clock"): {"rate": 5},
    ("POST", "/sandbox/clock/advance"): {"hours": 1},
    ("POST", "/previews"): {"message": "payment_failed", "language": "en", "mail": {}},
    ("POST", "/keys"): {"name": "other"},
}
OWN_ALONE = {
    ("GET", "/accounts"),
    ("GET", "/audit"),
    ("GET", "/cases"),
    ("GET", "/keys"),
    ("GET", "/sandbox/clock"),
    ("GET", "/summary"),
    *(("GET", f"/settings/{name}") for name in ("mail", "merchant", "portal", "recovery", "stop")),
}
NAMES_ONE_THING = {
    ("DELETE", "/accounts/{account_id}"),
    ("DELETE", "/keys/{key_id}"),
    ("GET", "/cases/{case_id}"),
    ("POST", "/accounts/{account_id}/webhook-secret"),
}


PAGES = {
    ("/m/{merchant_id}", "GET"): 200,  # the way in, for everybody
    ("/m/{merchant_id}/cases/{case_id}", "GET"): 303,
    ("/m/{merchant_id}/cases/{case_id}/card", "POST"): 303,
    ("/m/{merchant_id}/cases/{case_id}/pay", "POST"): 303,
    ("/m/{merchant_id}/cases/{case_id}/return", "GET"): 303,
    ("/m/{merchant_id}/cases/{case_id}/return", "POST"): 303,
    ("/m/{merchant_id}/cases/{case_id}/return/{action_id}", "GET"): 303,
    ("/m/{merchant_id}/sign-in", "POST"): 403,
    ("/m/{merchant_id}/sign-in/{token}", "GET"): 410,
    ("/m/{merchant_id}/sign-in/{token}", "POST"): 403,
    ("/m/{merchant_id}/sign-out", "POST"): 403,
    ("/pay/{token}", "GET"): 404,
    ("/pay/{token}/card", "POST"): 404,
    ("/pay/{token}/pay", "POST"): 404,
    ("/pay/{token}/return", "GET"): 404,
    ("/pay/{token}/return", "POST"): 404,
    ("/pay/{token}/return/{action_id}", "GET"): 404,
    ("/pay/{token}/sign-in", "POST"): 404,
}
"""What a page of the victim's answers to whoever is signed in at another merchant and holds its link."""

OPEN_TO_ALL = {"/static/{digest}/{name}", "/favicon.ico"}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(database: ServiceDatabases) -> AsyncIterator[House]:
    """The application on a real port and a database of its own; no limit has been touched."""
    async with house_of(await database.fresh("portal-api")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def merchant(house: House) -> Merchant:
    """The victim."""
    return await house.merchant(name="Victim")


@pytest_asyncio.fixture(loop_scope="session")
async def customer(house: House, merchant: Merchant) -> Customer:
    """A customer of the victim's who owes €19.99."""
    found = Customer(merchant.merchant_id)
    await house.tell([found.case(), found.updated(email="Ada@Example.org")])
    return found


def api(house: House) -> FastAPI:
    return app.merchant_api(house.portal)


def endpoints(house: House) -> set[tuple[str, str]]:
    paths = api(house).openapi()["paths"]
    return {(method.upper(), path) for path, methods in paths.items() for method in methods}


async def everything_of(house: House, merchant_id: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row that names a merchant."""
    tables = await house.as_owner(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'merchant_id' "
        "WHERE c.relkind = 'r' AND c.relrowsecurity"
    )
    async with house.db.transaction([merchant_id]) as tx:
        return {
            row["relname"]: [tuple(found) for found in await tx.fetch(f"TABLE {row['relname']}")]
            for row in tables
        }


async def test_every_endpoint_is_tried_with_a_foreign_key(house: House) -> None:
    assert endpoints(house) == BODIES.keys() | OWN_ALONE | NAMES_ONE_THING


async def test_no_endpoint_shows_or_changes_what_is_another_merchants(
    house: House, merchant: Merchant, customer: Customer, tally: Tally
) -> None:
    victim, other = merchant, await house.merchant()
    await house.ask("PUT", "/v1/settings/mail", victim, json={"contact": "victim's"})
    _, keys = await house.ask("GET", "/v1/keys", victim)
    before = await everything_of(house, victim.merchant_id)
    assert sum(map(len, before.values())) > 5
    names = {
        "account_id": "acct_1",
        "case_id": str(customer.case_id()),
        "key_id": keys["keys"][0]["key_id"],
    }
    for method, path in sorted(endpoints(house)):
        status, answer = await house.ask(
            method, "/v1" + path.format(**names), other, json=BODIES.get((method, path))
        )
        assert "victim" not in str(answer).lower()
        assert str(customer.case_id()) not in str(answer)
        assert customer.customer_id not in str(answer)
        if (method, path) in NAMES_ONE_THING:
            assert (method, path, status) == (method, path, 404)
    assert await everything_of(house, victim.merchant_id) == before
    tally.did(PART)


async def test_without_a_key_every_endpoint_but_the_documentation_is_closed(house: House) -> None:
    for method, path in sorted(endpoints(house)):
        filled = path.format(account_id="acct_1", case_id=uuid4(), key_id=uuid4())
        status, _ = await house.ask(method, f"/v1{filled}", json=BODIES.get((method, path)))
        assert (method, path, status) == (method, path, 401)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM merchants",
        "SELECT count(*) FROM outbox",
        "SELECT count(*) FROM inbox",
        "SELECT count(*) FROM timers",
        "SELECT count(*) FROM quarantine",
        "DELETE FROM outbox",
        "UPDATE audit_log SET actor = 'nobody'",
        "DELETE FROM audit_log",
        "UPDATE cases SET state = 'recovered'",
        "DELETE FROM settings",
        "SELECT due_clock_advances()",
        "SELECT purge_expired()",
    ],
)
async def test_the_http_role_may_not(house: House, query: str) -> None:
    async with house.portal.db.transaction(()) as tx:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tx.execute(query)


async def test_the_http_role_sees_no_row_without_naming_a_merchant(
    house: House, merchant: Merchant, customer: Customer
) -> None:
    async with house.portal.db.transaction(()) as tx:
        for table in ("settings", "api_keys", "cases", "sessions", "customers", "audit_log"):
            assert await tx.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608  # names of ours


async def test_not_even_the_service_rewrites_the_audit_log(house: House) -> None:
    async with house.db.transaction(()) as tx:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tx.execute("UPDATE audit_log SET actor = 'nobody'")


def pages(house: House) -> set[tuple[str, str]]:
    """Every route of the customer's pages with its methods; HEAD is GET without a body."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate Operation ID")  # GET and HEAD are one function
        paths = app.routed(house.portal).openapi()["paths"]
    return {
        (path, method.upper())
        for path, methods in paths.items()
        if path not in OPEN_TO_ALL
        for method in methods.keys() - {"head"}
    }


async def intruder(house: House) -> tuple[Browser, Customer, str]:
    """Somebody who is signed in at another merchant, shows that session everywhere, and has a link from there."""
    other = await house.merchant(name="Other")
    own = Customer(other.merchant_id)
    await house.tell([own.case(), own.updated(email="eve@example.org")])
    browser = Browser(house, {}, somewhere())
    contact = house.portal.marks.contact(other.merchant_id, "eve@example.org")
    token = await access.invite(house.portal.db, other.merchant_id, contact)
    path = f"/m/{other.merchant_id}/sign-in/{token}"
    assert (await browser.post(path, mark=(await browser.go(path)).mark)).status == 303
    unused = await access.invite(house.portal.db, other.merchant_id, contact)
    assert unused is not None
    return browser, own, unused


def test_every_page_is_tried(house: House) -> None:
    assert pages(house) == PAGES.keys()


async def test_no_page_shows_or_changes_what_is_another_merchants(
    house: House, merchant: Merchant, customer: Customer, tally: Tally
) -> None:
    browser, own, unused = await intruder(house)
    browser.jar[f"s_{merchant.merchant_id}"] = browser.last_session
    assert (await browser.go(f"/m/{own.merchant_id}")).state == "list"
    mark = (await browser.go(f"/pay/{own.link()}")).mark
    before = await everything_of(house, merchant.merchant_id)
    theirs, mine = customer.link().split("."), own.link().split(".")
    links = [
        ".".join((theirs[0], theirs[1], theirs[2], mine[3])),
        ".".join((mine[0], mine[1], theirs[2], mine[3])),
        ".".join((theirs[0], theirs[1], mine[2], mine[3])),
    ]
    for path, method in sorted(PAGES):
        for link in links if path.startswith("/pay/") else [unused]:
            filled = path.format(
                merchant_id=merchant.merchant_id, case_id=customer.case_id(), action_id=uuid4(), token=link
            )
            form = {"mark": mark, "email": "ada@example.org", "instrument_id": "pm_1", "session": "cs_1"}
            query = "?session=cs_1" if filled.endswith("/return") and method == "GET" else ""
            answer = await browser.go(filled + query, method, **(form if method == "POST" else {}))
            assert (path, method, answer.status) == (path, method, PAGES[path, method])
            for secret in ("19.99", customer.customer_id, customer.invoice_id, "R-2026-0017"):
                assert secret not in answer.html
    assert await everything_of(house, merchant.merchant_id) == before
    tally.did(PART)


async def test_one_batch_of_two_merchants_events_keeps_them_apart(
    house: House, merchant: Merchant, customer: Customer
) -> None:
    other = await house.merchant(name="Other")
    twin = Customer(other.merchant_id, "acct_2")
    twin.customer_id, twin.invoice_id = customer.customer_id, customer.invoice_id
    await house.tell(
        [
            twin.case(),
            customer.failed(),
            twin.failed(),
            twin.updated(email="bob@example.org"),
            twin.new_card(),
        ]
    )
    await house.tell(
        [twin.invoice_updated(5, InvoiceStatus.VOID), customer.updated(2, email="ada@example.org")]
    )
    _, theirs = await house.ask("GET", "/v1/cases", merchant)
    _, its = await house.ask("GET", "/v1/cases", other)
    assert [case["case_id"] for case in theirs["cases"]] == [str(customer.case_id())]
    assert [case["case_id"] for case in its["cases"]] == [str(twin.case_id())]
    link = await Browser(house, {}, somewhere()).go(f"/pay/{customer.link()}")
    assert (link.status, link.state) == (200, "owed")
    assert (await Browser(house, {}, somewhere()).go(f"/pay/{twin.link()}")).state == "gone"
