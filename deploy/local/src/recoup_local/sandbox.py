"""A sandbox merchant that is connected to the practice gateway: what the demo and the end-to-end tests begin with."""

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import aiohttp

from recoup_local.eventually import eventually
from recoup_local.house import PORTAL, House
from recoup_local.practice import PracticeGateway
from recoup_local.state import LocalError

STEADY = 1.3
"""Real seconds after a change of the clock until it shows."""


AWAY, AGAIN = 60.0, 0.5
"""Seconds for which a reader waits for an answer that is "try again in a moment", and between two tries."""

AWAY_FOR_NOW = 503


class Away(LocalError):
    """portal-api can't answer just now."""


class MerchantApi:
    """portal-api, as this merchant."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {key}"})

    async def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call `/v1<path>`.

        Raises:
            LocalError: it refused; the message says why.
        """
        async with self._http.request(method, f"{self._url}/v1{path}", json=body) as answer:
            told = await answer.json() if answer.content_type == "application/json" else await answer.text()
            if answer.status >= 400:
                refused = Away if answer.status == AWAY_FOR_NOW else LocalError
                raise refused(f"portal-api refused {method} {path}: {answer.status} {told}")
            return told

    async def read(self, path: str) -> Any:
        """Call `GET /v1<path>`, again where it asks for that: its database may be away for a moment."""
        deadline = time.monotonic() + AWAY
        while True:
            try:
                return await self.call("GET", path)
            except Away:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(AGAIN)

    async def cases(self, state: str | None = None) -> list[dict[str, Any]]:
        """Read all cases, or those in a state."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            chosen = (f"&state={state}" if state else "") + (f"&cursor={cursor}" if cursor else "")
            page = await self.read(f"/cases?limit=200{chosen}")
            found += page["cases"]
            if not (cursor := page["next"]):
                return found

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()


@dataclass
class Sandbox:
    """The merchant, its account, and the gateway behind it."""

    house: House
    gateway: PracticeGateway
    merchant_id: str
    account_id: str
    api: MerchantApi
    api_key: str = field(repr=False)
    own_gateway: bool = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.api.close()

    async def run_clock(self, rate: float) -> None:
        """Let the merchant's clock run `rate` times as fast as real time, and wait until everybody knows."""
        await self.api.call("PUT", "/sandbox/clock", {"rate": rate})
        await self._tell_clock()

    async def advance_clock(self, hours: float) -> None:
        """Move the merchant's clock on, and wait until everybody knows.

        A gateway that must be told hears of it first: a service that knows the new hour may charge at once, and is
        not to be answered as of the old one.
        """
        await self._tell_gateway(timedelta(hours=hours))
        await self.api.call("POST", "/sandbox/clock/advance", {"hours": hours})
        await self._tell_clock()

    async def _tell_clock(self) -> None:
        await self._tell_gateway()
        await asyncio.sleep(STEADY)
        await self._heard()

    async def _tell_gateway(self, ahead: timedelta = timedelta(0)) -> None:
        """Set the account's clock at a gateway that serves other merchants too; one of our own reads it by itself."""
        if not self.own_gateway:
            clock = await self.api.call("GET", "/sandbox/clock")
            line = {name: clock[name] for name in ("origin_real", "origin_merchant", "rate")}
            line["origin_merchant"] = (datetime.fromisoformat(line["origin_merchant"]) + ahead).isoformat()
            await self.gateway.control("PUT", f"/accounts/{self.account_id}/clock", line)

    async def now(self) -> datetime:
        """Read the merchant's clock."""
        clock = await self.api.call("GET", "/sandbox/clock")
        return datetime.fromisoformat(clock["now"])

    async def faults(self, **rules: list[dict[str, Any]]) -> None:
        """Make the gateway fail on purpose: `requests=[…]`, `webhooks=[…]`."""
        await self.gateway.control("PUT", f"/accounts/{self.account_id}/faults", rules)

    async def renewals(self, count: int, **how: Any) -> list[dict[str, Any]]:
        """Let subscriptions renew and fail."""
        body = {"account": self.account_id, "count": count, **how}
        told = await self.gateway.control("POST", "/renewals", body)
        renewals: list[dict[str, Any]] = told["renewals"]
        return renewals

    async def ledger(self) -> dict[str, Any]:
        """Read the oracle: what was captured, by invoice, and what was captured twice."""
        summary: dict[str, Any] = await self.gateway.control(
            "GET", f"/ledger/summary?account={self.account_id}"
        )
        return summary

    async def obligations(self) -> dict[str, dict[str, Any]]:
        """Read every invoice at the gateway and what it still asks for."""
        told = await self.gateway.control("GET", f"/obligations?account={self.account_id}")
        return {item["invoice"]: item for item in told["obligations"]}

    async def stripe(self, method: str, path: str, params: Mapping[str, str] | None = None) -> Any:
        """Ask the gateway as the merchant would, past Recoup."""
        account = await self.gateway.control("GET", f"/accounts/{self.account_id}")
        headers = {"Authorization": f"Bearer {account['api_key']}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, f"{self.gateway.url}{path}", data=params) as answer,
        ):
            told: Any = await answer.json()
            return told

    async def setting(self, name: str, value: Mapping[str, Any]) -> None:
        """Change a setting, and wait until every service has heard of it."""
        await self.api.call("PUT", f"/settings/{name}", value)
        await self._heard()

    async def _heard(self) -> None:
        await eventually(self.house.settings_heard, within=120)


async def open_sandbox(
    house: House,
    *,
    name: str = "Acme Coffee",
    begins: datetime = datetime(2026, 3, 2, 8, tzinfo=UTC),
    api_version: str = "2020-08-27",
    dunning: Mapping[str, Any] | None = None,
    gateway: PracticeGateway | None = None,
) -> Sandbox:
    """Make a merchant with a clock of its own, start the gateway on that clock, and connect the two.

    Args:
        house: its services run.
        name: of the merchant.
        begins: what its clock shows at first; it stands still until `run_clock`.
        api_version: of the gateway's webhooks.
        dunning: the gateway's own retries, on by default as on the real one.
        gateway: one that runs already, and that may serve other merchants too.
    """
    made = json.loads(
        (await house.command(PORTAL, "create-merchant", "--name", name, "--sandbox")).splitlines()[-1]
    )
    api = MerchantApi(house.portal_url, made["api_key"])
    await api.call("PUT", "/sandbox/clock", {"rate": 0, "now": begins.isoformat()})
    own_gateway = gateway is None
    if gateway is None:
        clock_url = f"{house.portal_url}/v1/sandbox/clock"
        gateway = await house.start_practice(clock_url, made["api_key"])
    account_id = f"acct_{secrets.token_hex(6)}"
    account = await gateway.control(
        "POST", "/accounts", {"id": account_id, "name": name, "api_version": api_version}
    )
    secret = f"whsec_{secrets.token_urlsafe(24)}"
    told = await api.call(
        "PUT",
        f"/accounts/{account_id}",
        {
            "gateway": "stripe",
            "name": name,
            "livemode": False,
            "base_url": house.gateway_url,
            "api_key": account["api_key"],
            "webhook_secret": secret,
            "api_version": api_version,
        },
    )
    await gateway.control(
        "POST",
        f"/accounts/{account_id}",
        {
            "webhooks": [{"url": told["webhook_url"], "secret": secret, "events": ["*"]}],
            "draft_seconds": 0,
            **({"dunning": dunning} if dunning else {}),
        },
    )
    sandbox = Sandbox(house, gateway, made["merchant_id"], account_id, api, made["api_key"], own_gateway)
    await sandbox._tell_gateway()  # noqa: SLF001  # the same module
    await _same_clock(sandbox)
    await sandbox._heard()  # noqa: SLF001  # likewise
    return sandbox


async def _same_clock(sandbox: Sandbox) -> None:
    """Wait until the gateway shows the merchant's time."""
    wanted = await sandbox.now()
    deadline = time.monotonic() + 30
    while True:
        told = await sandbox.gateway.control("GET", f"/accounts/{sandbox.account_id}/clock")
        if abs((datetime.fromisoformat(told["now"]) - wanted).total_seconds()) < 60:
            return
        if time.monotonic() > deadline:
            raise LocalError(f"the practice gateway shows {told['now']}, the merchant {wanted}")
        await asyncio.sleep(0.1)
