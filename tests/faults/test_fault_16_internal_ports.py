"""The internal ports: a merchant's name in the path opens nothing of another merchant's.

portal-api is their only caller and names the merchant it has let in; here it names the wrong one.
"""

from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI
from tests.conftest import OpenSandbox

from recoup_gateway_adapter import app as gateway_adapter
from recoup_local.house import PORTAL, House
from recoup_local.pytest_plugin import eventually
from recoup_local.sandbox import Sandbox
from recoup_notifier.compose import routes as previews
from recoup_notifier.correspondence import routes as correspondence

from .tally import Tally

PART = "passes"
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow, pytest.mark.part(PART)]

BASE = "/internal/merchants/{merchant_id}"
SECRETS = {"api_key": "sk_test_intruder", "webhook_secret": "whsec_intruder"}
ADAPTER_ANSWERS = {
    ("PUT", f"{BASE}/accounts/{{account_id}}"): 409,
    ("POST", f"{BASE}/accounts/{{account_id}}/webhook-secret"): 404,
    ("DELETE", f"{BASE}/accounts/{{account_id}}"): 404,
    ("POST", f"{BASE}/card-sessions"): 404,
    ("POST", f"{BASE}/card-sessions/{{card_session_id}}/complete"): 404,
    ("GET", f"{BASE}/card-sessions/{{card_session_id}}"): 404,
    ("POST", f"{BASE}/payments"): 404,
    ("GET", f"{BASE}/payments/{{attempt_id}}"): 404,
    ("GET", f"{BASE}/customers/{{customer_id}}/instruments"): 404,
    ("GET", f"{BASE}/webhooks-set-aside"): 200,
    ("POST", f"{BASE}/webhooks-set-aside/translate-again"): 200,
}
"""What gateway-adapter answers to whoever names another merchant than the one that a thing belongs to."""

NOTIFIER_ANSWERS = {("POST", f"{BASE}/sign-in-mails"): 202, ("POST", f"{BASE}/previews"): 200}


def operations(app: FastAPI) -> set[tuple[str, str]]:
    """Give every operation of an application."""
    return {(method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods}


def test_every_operation_of_the_internal_ports_is_tried() -> None:
    adapter, notifier = FastAPI(), FastAPI()
    nobody: Any = None  # nothing is asked of it: only the routes are read
    for router in gateway_adapter.internal_routes(nobody, nobody, nobody, nobody):
        adapter.include_router(router)
    for router in (correspondence.router, previews.router):
        notifier.include_router(router)
    assert operations(adapter) == ADAPTER_ANSWERS.keys()
    assert operations(notifier) == NOTIFIER_ANSWERS.keys()


@pytest.mark.timeout(300)
async def test_naming_another_merchant_opens_nothing(
    house: House, merchant: OpenSandbox, tally: Tally
) -> None:
    victim, other = await merchant(), await merchant()
    (renewal,) = await victim.renewals(1, seed=1, mix={"insufficient_funds": 1})
    await eventually(lambda: _known(victim), within=60)
    secret = house.environments[PORTAL]["INTERNAL_SECRET"]
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {secret}"}) as http:
        ask = _Asking(house, http, victim, renewal)
        session = await ask.opened_session()
        for (method, path), status in {**ADAPTER_ANSWERS, **NOTIFIER_ANSWERS}.items():
            told, text = await ask(method, path, other.merchant_id, session)
            assert (method, path, told) == (method, path, status), text
            told_by_us = (
                "{card_session_id}" in path or "{attempt_id}" in path
            )  # an error may name what was asked for
            for owned in (
                renewal["email"],
                renewal["payment_method"],
                "4242",
                *([] if told_by_us else [session]),
            ):
                assert owned not in text, (method, path)
        assert (await ask("POST", f"{BASE}/sign-in-mails", other.merchant_id, session))[1] == '{"sent":false}'
        told, _ = await ask("GET", f"{BASE}/card-sessions/{{card_session_id}}", victim.merchant_id, session)
        assert told == 200
    ledger = await victim.ledger()
    assert all(one["captured"] == 0 for one in ledger["invoices"].values())
    assert (await victim.renewals(1, seed=2))[0]["invoice"]
    await eventually(lambda: _two_cases(victim), within=60)  # its account and its secrets are as they were
    tally.did(PART)


async def _known(sandbox: Sandbox) -> bool:
    return len(await sandbox.api.cases()) == 1


async def _two_cases(sandbox: Sandbox) -> bool:
    return len(await sandbox.api.cases()) == 2


class _Asking:
    """Calls the internal ports with the victim's ids."""

    def __init__(
        self, house: House, http: aiohttp.ClientSession, victim: Sandbox, renewal: Mapping[str, Any]
    ) -> None:
        portal = house.environments[PORTAL]
        self._adapter, self._notifier = portal["GATEWAY_ADAPTER_URL"], portal["NOTIFIER_URL"]
        self._base, self._http, self._victim, self._renewal = portal["PORTAL_BASE_URL"], http, victim, renewal

    async def opened_session(self) -> str:
        """Open a card session of the victim's customer's."""
        status, text = await self("POST", f"{BASE}/card-sessions", self._victim.merchant_id, "")
        assert status == 200, text
        return text.partition('"card_session_id":"')[2].partition('"')[0]

    async def __call__(self, method: str, path: str, merchant_id: str, session: str) -> tuple[int, str]:
        filled = path.format(
            merchant_id=merchant_id,
            account_id=self._victim.account_id,
            card_session_id=session,
            attempt_id=session,
            customer_id=self._renewal["customer"],
        )
        query = f"?account_id={self._victim.account_id}" if path.endswith("/instruments") else ""
        url = (self._notifier if (method, path) in NOTIFIER_ANSWERS else self._adapter) + filled + query
        async with self._http.request(method, url, json=self._body(method, path)) as answer:
            return answer.status, await answer.text()

    def _body(self, method: str, path: str) -> Any:
        whose = {"account_id": self._victim.account_id, "customer_id": self._renewal["customer"]}
        page = f"{self._base}/pay/x"
        bodies: dict[tuple[str, str], Any] = {
            ("PUT", f"{BASE}/accounts/{{account_id}}"): {
                "gateway": "stripe", "name": "x", "livemode": False, "base_url": "http://127.0.0.1:9", **SECRETS,
            },
            ("POST", f"{BASE}/accounts/{{account_id}}/webhook-secret"): {"webhook_secret": "whsec_intruder"},
            ("POST", f"{BASE}/card-sessions"): {
                **whose, "invoice_ids": [self._renewal["invoice"]], "return_url": page, "cancel_url": page,
            },
            ("POST", f"{BASE}/payments"): {**whose, "invoice_id": self._renewal["invoice"]},
            ("POST", f"{BASE}/sign-in-mails"): {
                "customer_id": self._renewal["customer"], "url": page, "expires_in_minutes": 10,
            },
            ("POST", f"{BASE}/previews"): {"message": "payment_failed", "language": "en", "mail": {}},
        }  # fmt: skip
        return bodies.get((method, path))
