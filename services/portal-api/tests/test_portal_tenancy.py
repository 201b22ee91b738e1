"""Another merchant's things are not there: every endpoint, with another merchant's key."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from fastapi import FastAPI

from recoup_portal_api import app

from .portal_events import Customer
from .portal_house import House, Merchant

pytestmark = pytest.mark.postgres

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
    house: House, merchant: Merchant, customer: Customer
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
        assert "victim" not in str(answer)
        assert str(customer.case_id()) not in str(answer)
        assert customer.customer_id not in str(answer)
        if (method, path) in NAMES_ONE_THING:
            assert (method, path, status) == (method, path, 404)
    assert await everything_of(house, victim.merchant_id) == before


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
