"""Accounts and settings in Postgres; secrets leave it opened, for those who ask with the vault."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from recoup_chassis.postgres import Database, Tx, columns
from recoup_chassis.queries import load
from recoup_events.models import SettingsChanged
from recoup_events.settings import RecoverySetting, StopSetting
from recoup_events.values import Precedence
from recoup_gateway_adapter.accounts.domain import Account, AccountRef, NewAccount, WebhookDoor
from recoup_gateway_adapter.accounts.sealing import Vault

API_KEY, WEBHOOK_SECRET, OLD_WEBHOOK_SECRET = "api_key", "webhook_secret", "old_webhook_secret"
"""Purposes: what a secret was sealed for."""

sql = load(__package__)


async def put(tx: Tx, vault: Vault, new: NewAccount) -> bool:
    """Create or replace an account; False where its id is another merchant's, or another gateway's."""
    owner = await tx.fetchrow(sql.own, new.account_id, new.merchant_id, new.gateway)
    if owner is None or (owner["merchant_id"], owner["gateway"]) != (new.merchant_id, new.gateway):
        return False
    await tx.execute(sql.enable, new.account_id, new.merchant_id, True)
    await tx.execute(
        sql.put,
        new.account_id,
        new.merchant_id,
        new.name,
        new.livemode,
        new.base_url,
        new.api_version,
        new.collection_paused,
        _seal(vault, new, API_KEY, new.api_key),
        _seal(vault, new, WEBHOOK_SECRET, new.webhook_secret),
    )
    return True


def _seal(vault: Vault, new: NewAccount, purpose: str, secret: str) -> bytes:
    return vault.seal(secret, merchant=new.merchant_id, account=new.account_id, purpose=purpose)


async def disable(tx: Tx, merchant_id: str, account_id: str) -> bool:
    """Let nothing of an account in or out any more; False where the merchant has no such account."""
    done = await tx.execute(sql.enable, account_id, merchant_id, False)
    return bool(done == "UPDATE 1")


async def rotate_webhook_secret(
    tx: Tx, vault: Vault, merchant_id: str, account_id: str, secret: str, keep_old_for: timedelta
) -> bool:
    """Take a new webhook secret, the old one valid for a while; False where the merchant has no such account."""
    row = await _row(tx, account_id)
    if row is None or row["merchant_id"] != merchant_id:
        return False
    present = _open(vault, row, WEBHOOK_SECRET, row["webhook_secret_sealed"])
    about = {"merchant": merchant_id, "account": account_id}
    await tx.execute(
        sql.rotate_webhook_secret,
        account_id,
        vault.seal(secret, **about, purpose=WEBHOOK_SECRET),
        vault.seal(present, **about, purpose=OLD_WEBHOOK_SECRET),
        keep_old_for,
    )
    return True


async def _row(tx: Tx, account_id: str) -> Mapping[str, Any] | None:
    row: Mapping[str, Any] | None = await tx.fetchrow(sql.get, [account_id])
    return row


def _open(vault: Vault, row: Mapping[str, Any], purpose: str, sealed: bytes) -> str:
    return vault.open(sealed, merchant=row["merchant_id"], account=row["account_id"], purpose=purpose)


async def opened(tx: Tx, vault: Vault, account_ids: Collection[str]) -> dict[str, Account]:
    """Give the accounts with their API keys; the transaction must concern their merchants.

    Raises:
        CannotOpen: a key is missing from SEALING_KEYS.
    """
    return {
        row["account_id"]: Account(
            account_id=row["account_id"],
            merchant_id=row["merchant_id"],
            gateway=row["gateway"],
            livemode=row["livemode"],
            base_url=row["base_url"],
            api_version=row["api_version"],
            enabled=row["enabled"],
            collection_paused=row["collection_paused"],
            api_key=_open(vault, row, API_KEY, row["api_key_sealed"]),
        )
        for row in await tx.fetch(sql.get, list(account_ids))
    }


async def door(database: Database, vault: Vault, account_id: str) -> WebhookDoor | None:
    """Give what ingest needs to know of an account; None where there is no such account."""
    async with database.transaction(()) as tx:
        owner = await tx.fetchrow(sql.owner, account_id)
        if owner is None:
            return None
        await tx.concerning([owner["merchant_id"]])
        row = await _row(tx, account_id)
    if row is None:
        return None
    old = row["old_webhook_secret_sealed"]
    return WebhookDoor(
        account_id=account_id,
        merchant_id=row["merchant_id"],
        gateway=row["gateway"],
        livemode=row["livemode"],
        enabled=row["enabled"],
        secret=_open(vault, row, WEBHOOK_SECRET, row["webhook_secret_sealed"]),
        old_secret=_open(vault, row, OLD_WEBHOOK_SECRET, old) if old is not None else None,
        old_secret_until=row["old_webhook_secret_until"],
    )


async def enabled(tx: Tx) -> list[AccountRef]:
    """Give every account that is enabled, of all merchants: ids only."""
    rows = await tx.fetch(sql.owners)
    return [AccountRef(row["account_id"], row["merchant_id"], row["gateway"]) for row in rows]


async def owned(tx: Tx) -> list[AccountRef]:
    """Give every account, disabled ones too: ids only."""
    rows = await tx.fetch(sql.owned)
    return [AccountRef(row["account_id"], row["merchant_id"], row["gateway"]) for row in rows]


async def pause_collection(tx: Tx, account_id: str, *, paused: bool) -> None:
    """Charge nothing on an account, for instance because it refuses us; or charge again."""
    await tx.execute(sql.pause_collection, account_id, paused)


async def reseal(tx: Tx, vault: Vault, account_id: str) -> None:
    """Seal an account's secrets with the newest key."""
    row = await _row(tx, account_id)
    if row is None:
        return
    about = {"merchant": row["merchant_id"], "account": account_id}
    sealed = [
        None if old is None else vault.seal(_open(vault, row, purpose, old), **about, purpose=purpose)
        for purpose, old in (
            (API_KEY, row["api_key_sealed"]),
            (WEBHOOK_SECRET, row["webhook_secret_sealed"]),
            (OLD_WEBHOOK_SECRET, row["old_webhook_secret_sealed"]),
        )
    ]
    await tx.execute(sql.reseal, account_id, *sealed)


async def save_settings(tx: Tx, batch: Sequence[SettingsChanged]) -> None:
    """Remember settings, the highest version of each."""
    newest: dict[tuple[str, str], SettingsChanged] = {}
    for event in batch:
        key = event.merchant_id, event.setting
        if key not in newest or newest[key].version <= event.version:
            newest[key] = event
    rows = [(*key, event.version, json.dumps(event.value)) for key, event in sorted(newest.items())]
    if rows:
        await tx.execute(sql.save_settings, *columns(rows, 4))


async def stopped(tx: Tx, merchants: Collection[str]) -> dict[str, StopSetting]:
    """Give the stop switches of merchants; one that we can't read stops everything."""
    found = {}
    for row in await tx.fetch(sql.read_setting, list(merchants), "stop"):
        try:
            found[row["merchant_id"]] = StopSetting.model_validate(row["value"])
        except ValidationError:
            found[row["merchant_id"]] = StopSetting(everything=True)
    return found


async def precedence(tx: Tx, merchants: Collection[str]) -> dict[str, Precedence]:
    """Give who collects, by merchant. One that never chose has the default; one that we can't read, the gateway."""
    found = dict.fromkeys(merchants, RecoverySetting().precedence)
    for row in await tx.fetch(sql.read_setting, list(merchants), "recovery"):
        told = row["value"].get("precedence", RecoverySetting().precedence.value)
        known = Precedence(told)
        found[row["merchant_id"]] = Precedence.GATEWAY_DEFAULT if known is Precedence.UNKNOWN else known
    return found
