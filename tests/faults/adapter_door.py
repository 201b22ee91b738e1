"""gateway-adapter from behind: accounts handed to it as portal-api does, and what it has stored of webhooks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg

from recoup_local.house import ADAPTER, PORTAL, House
from recoup_local.pytest_plugin import eventually


@dataclass(frozen=True)
class Account:
    """An account at the adapter, and the secret that signs its webhooks."""

    merchant_id: str
    account_id: str
    secret: str = field(repr=False)
    livemode: bool = False

    @property
    def path(self) -> str:
        """Where its gateway posts."""
        return f"/webhooks/stripe/{self.account_id}"


class Behind:
    """The adapter's internal port, and its database as the owner of its tables reads it."""

    def __init__(self, house: House, http: aiohttp.ClientSession, database: asyncpg.Pool) -> None:
        self._url = house.environments[PORTAL]["GATEWAY_ADAPTER_URL"]
        self._http, self._database = http, database

    async def connect(self, account: Account, **changes: Any) -> Account:
        """Hand an account over."""
        body = {
            "gateway": "stripe",
            "name": "An account",
            "livemode": account.livemode,
            "api_key": f"sk_test_{account.account_id}",
            "webhook_secret": account.secret,
            **changes,
        }
        await self._call("PUT", account, "", body)
        return account

    async def rotate(self, account: Account, secret: str, keep_old_for_seconds: int) -> None:
        """Give it a new webhook secret."""
        body = {"webhook_secret": secret, "keep_old_for_seconds": keep_old_for_seconds}
        await self._call("POST", account, "/webhook-secret", body)

    async def disable(self, account: Account) -> None:
        """Switch it off."""
        await self._call("DELETE", account, "", None)

    async def _call(self, method: str, account: Account, path: str, body: Any) -> None:
        url = f"{self._url}/internal/merchants/{account.merchant_id}/accounts/{account.account_id}{path}"
        async with self._http.request(method, url, json=body) as answer:
            assert answer.status in {200, 204}, await answer.text()

    async def webhooks(self, *accounts: Account) -> list[str]:
        """Give the ids of the webhooks that are stored, sorted."""
        rows = await self._database.fetch(
            "SELECT webhook_id FROM raw_webhooks WHERE account_id = ANY ($1) ORDER BY webhook_id",
            [account.account_id for account in accounts],
        )
        return [row["webhook_id"] for row in rows]

    async def waiting(self, *accounts: Account) -> dict[str, int]:
        """Count what still waits: webhooks to be translated, facts for a twin, events for the relay; and set aside."""
        row = await self._database.fetchrow(
            "SELECT (SELECT count(*) FROM untranslated WHERE account_id = ANY ($1)) AS webhooks,"
            " (SELECT count(*) FROM joins WHERE account_id = ANY ($1)) AS joins,"
            " (SELECT count(*) FROM outbox) AS outbox",
            [account.account_id for account in accounts],
        )
        assert row is not None
        return dict(row)

    async def told(self, *accounts: Account, within: float = 60) -> None:
        """Wait until all that came is translated, joined and published."""

        async def nothing_waits() -> bool:
            waiting = await self.waiting(*accounts)
            assert not any(waiting.values()), waiting
            return True

        await eventually(nothing_waits, within=within)


@asynccontextmanager
async def behind(house: House) -> AsyncIterator[Behind]:
    """Stand behind the adapter of a house."""
    secret = house.environments[PORTAL]["INTERNAL_SECRET"]
    async with (
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {secret}"}) as http,
        asyncpg.create_pool(house.databases[ADAPTER].owner_dsn, min_size=1, max_size=2) as database,
    ):
        yield Behind(house, http, database)
