"""Accounts and their secrets: sealed at rest, connected over internal HTTP, never shown again."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from pydantic import ValidationError

from recoup_chassis.http import HttpServer, callers_from
from recoup_events.models import SettingsChanged
from recoup_events.settings import StopSetting
from recoup_events.values import Precedence, fact_id
from recoup_gateway_adapter.accounts import routes as account_routes, store
from recoup_gateway_adapter.accounts.doors import Doors
from recoup_gateway_adapter.accounts.handlers import settings_changed
from recoup_gateway_adapter.accounts.sealing import CannotOpen, Vault
from recoup_gateway_adapter.config import Config
from recoup_gateway_adapter.facts import routes as facts_routes
from recoup_gateway_adapter.internal import internal_app
from recoup_local.eventually import eventually
from recoup_local.ports import free_port, listens

NEW = "k2=" + "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
OLD = "k1=" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
ABOUT = {"merchant": "m_1", "account": "acct_1", "purpose": "api_key"}
CALLER = {"Authorization": "Bearer portal-secret-0123456789"}


def test_a_secret_opens_for_what_it_was_sealed_for_and_nothing_else() -> None:
    vault = Vault.parse(OLD)
    sealed = vault.seal("sk_live_1", **ABOUT)

    assert vault.open(sealed, **ABOUT) == "sk_live_1"
    assert b"sk_live_1" not in sealed
    for changed in ({"merchant": "m_2"}, {"account": "acct_2"}, {"purpose": "webhook_secret"}):
        with pytest.raises(CannotOpen):
            vault.open(sealed, **{**ABOUT, **changed})


def test_a_secret_that_was_changed_at_rest_does_not_open() -> None:
    vault = Vault.parse(OLD)
    sealed = vault.seal("sk_live_1", **ABOUT)

    for changed in (sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1]), b"", b"\x02k9rest"):
        with pytest.raises(CannotOpen):
            vault.open(changed, **ABOUT)


def test_keys_can_be_changed_while_old_secrets_still_open() -> None:
    sealed = Vault.parse(OLD).seal("sk_live_1", **ABOUT)
    both = Vault.parse(f"{NEW},{OLD}")

    assert both.open(sealed, **ABOUT) == "sk_live_1"
    with pytest.raises(CannotOpen):
        Vault.parse(NEW).open(both.seal("sk_live_2", **ABOUT)[:-1], **ABOUT)
    with pytest.raises(CannotOpen, match="k1"):
        Vault.parse(NEW).open(sealed, **ABOUT)


def test_no_secret_is_in_a_representation(adapter_config: dict[str, str]) -> None:
    shown = repr(Vault.parse(OLD)) + repr(Config.model_validate(adapter_config))

    assert "QUFB" not in shown
    assert "AAAA" not in shown


@pytest.mark.parametrize("keys", ["", "k1", "k1=", "k1=YQ==", f"{OLD},{OLD}", "=" + OLD.partition("=")[2]])
def test_bad_sealing_keys_stop_the_service_at_its_start(adapter_config: dict[str, str], keys: str) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({**adapter_config, "sealing_keys": keys})


@pytest.fixture
def adapter_config() -> dict[str, str]:
    return {
        "database_url": "postgresql://adapter@127.0.0.1/adapter",
        "kafka_bootstrap_servers": "127.0.0.1:9092",
        "ops_port": "1",
        "ingest_port": "2",
        "internal_port": "3",
        "internal_callers": "portal-api=portal-secret-0123456789",
        "sealing_keys": OLD,
    }


class Internal:
    """The internal port, as portal-api calls it."""

    def __init__(self, address: str, session: aiohttp.ClientSession, adapter: Any) -> None:
        self._address, self._session, self.adapter = address, session, adapter
        account = adapter.account
        self.account = f"/internal/merchants/{account.merchant_id}/accounts/{account.account_id}"

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        sent = CALLER if headers is None else headers
        async with self._session.request(method, self._address + path, json=body, headers=sent) as answer:
            return answer.status, (await answer.json() if answer.content_length else None)


@pytest_asyncio.fixture(loop_scope="session")
async def internal(adapter: Any) -> AsyncIterator[Internal]:
    port = free_port()
    doors = Doors(adapter.database, adapter.vault)
    routers = [
        account_routes.routes(adapter.database, adapter.vault, doors),
        facts_routes.routes(adapter.database),
    ]
    app = internal_app(callers_from("portal-api=portal-secret-0123456789"), routers)
    stopping = asyncio.Event()
    serving = asyncio.create_task(HttpServer(app, "127.0.0.1", port, "internal").serve(stopping))
    async with aiohttp.ClientSession() as session:
        found = Internal(f"http://127.0.0.1:{port}", session, adapter)
        await eventually(lambda: listens(port))
        yield found
    stopping.set()
    await serving


def account_body(**changes: Any) -> dict[str, Any]:
    body = {
        "gateway": "stripe",
        "name": "My shop",
        "livemode": False,
        "base_url": "http://127.0.0.1:9/",
        "api_key": "sk_test_from_http",
        "webhook_secret": "whsec_from_http",
    }
    return {**body, **changes}


@pytest.mark.postgres
async def test_an_account_is_connected_and_its_key_reaches_only_who_has_the_vault(internal: Internal) -> None:
    status, answer = await internal.call("PUT", internal.account, account_body())

    account = internal.adapter.account
    assert (status, answer["webhook_path"]) == (200, f"/webhooks/stripe/{account.account_id}")
    async with internal.adapter.database.transaction([account.merchant_id]) as tx:
        opened = (await store.opened(tx, internal.adapter.vault, [account.account_id]))[account.account_id]
        raw = await tx.fetchval(
            "SELECT accounts::text FROM accounts WHERE account_id = $1", account.account_id
        )
    assert (opened.api_key, opened.base_url) == ("sk_test_from_http", "http://127.0.0.1:9")
    assert "sk_test_from_http" not in raw + repr(opened)


@pytest.mark.postgres
async def test_an_account_id_is_one_merchants_alone(internal: Internal) -> None:
    account = internal.adapter.account.account_id
    status, answer = await internal.call(
        "PUT", f"/internal/merchants/m_other/accounts/{account}", account_body()
    )

    assert (status, answer["error"]["code"]) == (409, "account_taken")


@pytest.mark.postgres
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic abc"}])
async def test_a_stranger_is_refused(internal: Internal, headers: dict[str, str]) -> None:
    status, answer = await internal.call("PUT", internal.account, account_body(), headers)

    assert (status, answer["error"]["code"]) == (401, "unauthorized")


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"api_key": "short"}, "api_key"),
        ({"base_url": "ftp://x"}, "base_url"),
        ({"gateway": "paypal"}, "gateway"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
async def test_a_bad_account_is_refused_by_the_name_of_its_field_and_without_its_secret(
    internal: Internal, changes: dict[str, Any], field: str
) -> None:
    status, answer = await internal.call("PUT", internal.account, account_body(**changes))

    assert status == 422
    assert field in answer["error"]["message"]
    assert "sk_test" not in str(answer)


@pytest.mark.postgres
async def test_another_merchant_can_neither_change_a_secret_nor_disable_an_account(
    internal: Internal,
) -> None:
    theirs = f"/internal/merchants/m_other/accounts/{internal.adapter.account.account_id}"
    secret = {"webhook_secret": "whsec_stolen_0123", "keep_old_for_seconds": 60}

    assert (await internal.call("POST", f"{theirs}/webhook-secret", secret))[0] == 404
    assert (await internal.call("DELETE", theirs))[0] == 404


@pytest.mark.postgres
async def test_what_was_set_aside_can_be_seen_and_translated_again(internal: Internal, old: Any) -> None:
    adapter = internal.adapter
    await adapter.hear(old.event("charge.failed", {"id": "ch_9", "object": "charge"}))
    path = f"/internal/merchants/{adapter.account.merchant_id}/webhooks-set-aside"

    _, seen = await internal.call("GET", path)
    _, again = await internal.call("POST", f"{path}/translate-again")
    await adapter.translate()
    _, seen_again = await internal.call("GET", path)

    assert [(one["event_type"], one["reason"]) for one in seen["webhooks"]] == [("charge.failed", "schema")]
    assert again == {"webhooks": 1}
    assert [one["webhook_id"] for one in seen_again["webhooks"]] == [
        one["webhook_id"] for one in seen["webhooks"]
    ]


def setting(merchant: str, name: str, version: int, value: dict[str, Any]) -> SettingsChanged:
    return SettingsChanged(
        id=fact_id(merchant, "settings.changed", name, str(version)),
        time="2026-03-01T12:00:00Z",
        merchant_id=merchant,
        version=version,
        setting=name,
        value=value,
    )


@pytest.mark.postgres
async def test_settings_are_kept_in_their_highest_version(adapter: Any) -> None:
    merchant = adapter.account.merchant_id
    async with adapter.database.transaction([merchant]) as tx:
        await settings_changed([setting(merchant, "stop", 2, {"everything": True})], tx)
        await settings_changed([setting(merchant, "stop", 1, {"everything": False})], tx)
        await settings_changed([setting(merchant, "recovery", 1, {"precedence": "gateway_default"})], tx)

        assert await store.stopped(tx, [merchant]) == {merchant: StopSetting(everything=True)}
        assert await store.precedence(tx, [merchant]) == {merchant: Precedence.GATEWAY_DEFAULT}


@pytest.mark.postgres
async def test_resealing_moves_every_secret_to_the_newest_key(adapter: Any) -> None:
    account = adapter.account
    both, only_new = Vault.parse(f"{NEW},{OLD}"), Vault.parse(NEW)
    async with adapter.database.transaction([account.merchant_id]) as tx:
        await store.reseal(tx, both, account.account_id)
        opened = await store.opened(tx, only_new, [account.account_id])

    assert opened[account.account_id].api_key == "sk_test_0123456789"
