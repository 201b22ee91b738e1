"""Gateway accounts: their secrets go to gateway-adapter and nowhere else; what is left becomes a setting."""

from dataclasses import dataclass
from typing import Any

from recoup_chassis.postgres import Database
from recoup_events.settings import AccountSetting
from recoup_portal_api.access import store as access
from recoup_portal_api.access.domain import Principal
from recoup_portal_api.clients import internal
from recoup_portal_api.clients.gateway_adapter import GatewayAdapter
from recoup_portal_api.policy import domain as policy, handlers, store


@dataclass(frozen=True)
class Connected:
    """The account is at gateway-adapter and announced; where its gateway posts webhooks, below the ingest address."""

    webhook_path: str
    version: int


@dataclass(frozen=True)
class NoSuchAccount:
    """The merchant has no such account."""


async def connect(
    db: Database,
    adapter: GatewayAdapter,
    who: Principal,
    account_id: str,
    wanted: tuple[AccountSetting, dict[str, Any]],
) -> Connected | policy.Refused | internal.Refused:
    """Hand an account over and announce it. Safe to repeat; `wanted` is the setting and the secrets."""
    account, secrets = wanted
    async with db.transaction([who.merchant_id]) as tx:
        refusal = await handlers.account_refused(tx, who.merchant_id, account_id, account)
    if refusal is not None:
        return refusal
    body = {**account.model_dump(mode="json", exclude={"enabled"}), **secrets}
    stored = await adapter.put_account(who.merchant_id, account_id, body)
    if isinstance(stored, internal.Refused):
        return stored
    async with db.transaction([who.merchant_id]) as tx:
        await access.audit(
            tx, who.merchant_id, who.actor, ("account.secrets_handed_over", account_id), after=sorted(secrets)
        )
        outcome = await handlers.change(tx, who.actor, who.merchant_id, f"account/{account_id}", account)
    if isinstance(outcome, policy.Refused):
        return outcome
    return Connected(stored.webhook_path, outcome.version)


async def rotate_webhook_secret(
    db: Database, adapter: GatewayAdapter, who: Principal, account_id: str, secret: tuple[str, int]
) -> NoSuchAccount | internal.Refused | None:
    """Hand a new webhook secret over; `secret` is it and the seconds for which the old one is accepted too."""
    async with db.transaction([who.merchant_id]) as tx:
        if await store.setting(tx, who.merchant_id, f"account/{account_id}") is None:
            return NoSuchAccount()
    refusal = await adapter.put_webhook_secret(who.merchant_id, account_id, *secret)
    if refusal is None:
        async with db.transaction([who.merchant_id]) as tx:
            await access.audit(tx, who.merchant_id, who.actor, ("account.webhook_secret_rotated", account_id))
    return refusal


async def disconnect(
    db: Database, adapter: GatewayAdapter, who: Principal, account_id: str
) -> NoSuchAccount | policy.Refused | internal.Refused | None:
    """Switch an account off: nothing is charged there any more, and its setting says so."""
    name = f"account/{account_id}"
    async with db.transaction([who.merchant_id]) as tx:
        found = await store.setting(tx, who.merchant_id, name)
    if found is None:
        return NoSuchAccount()
    refusal = await adapter.disable_account(who.merchant_id, account_id)
    if refusal is not None:
        return refusal
    off = AccountSetting.model_validate({**found.value, "enabled": False})
    async with db.transaction([who.merchant_id]) as tx:
        outcome = await handlers.change(tx, who.actor, who.merchant_id, name, off)
    return outcome if isinstance(outcome, policy.Refused) else None
