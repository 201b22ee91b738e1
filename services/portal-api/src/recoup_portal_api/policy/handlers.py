"""Change a setting: version, audit entry and announcement in one transaction."""

import json
from datetime import datetime, timedelta
from typing import Any

from recoup_chassis.postgres import Database, Tx
from recoup_events.models import SettingsChanged
from recoup_events.settings import AccountSetting, ClockSetting, MerchantSetting, Setting
from recoup_events.topics import EVENT_BYTES
from recoup_events.values import fact_id
from recoup_portal_api.access import store as access
from recoup_portal_api.policy import domain, store
from recoup_portal_api.policy.domain import Changed, Clock, Refused, Unchanged

VALUE_BYTES = EVENT_BYTES - 2048
"""A setting's JSON at the most, so that its event fits."""

ADVANCE_AT_MOST = timedelta(days=366)
"""Merchant time that may be outstanding."""


async def change(
    tx: Tx, actor: str, merchant_id: str, name: str, setting: Setting
) -> Changed | Unchanged | Refused:
    """Give a setting a new value; the same value again changes nothing."""
    before = await store.lock_setting(tx, merchant_id, name)
    value = setting.model_dump(mode="json")
    refusal = await _forbidden(tx, merchant_id, name, setting, before)
    if refusal is not None:
        return refusal
    if before is not None and before.value == value:
        return Unchanged(before.version)
    return Changed(await _write(tx, actor, merchant_id, name, value, before))


async def _forbidden(
    tx: Tx, merchant_id: str, name: str, setting: Setting, before: store.Stored | None
) -> Refused | None:
    text = json.dumps(setting.model_dump(mode="json"))
    if len(text.encode()) > VALUE_BYTES:
        return Refused("too_large", f"body: more than {VALUE_BYTES} bytes", "body")
    if "\\u0000" in text:
        return Refused("nul", "body: contains a NUL character", "body")
    if isinstance(setting, MerchantSetting) and before is not None:
        was = MerchantSetting.model_validate(before.value)
        if was.sandbox != setting.sandbox:
            return Refused(
                "fixed", f"sandbox: stays {str(was.sandbox).lower()}; create a merchant", "sandbox"
            )
    if isinstance(setting, AccountSetting):
        return await account_refused(tx, merchant_id, name.removeprefix("account/"), setting)
    return None


async def account_refused(
    tx: Tx, merchant_id: str, account_id: str, account: AccountSetting
) -> Refused | None:
    """Say why a merchant may not have such an account, or None."""
    sandbox = await is_sandbox(tx, merchant_id)
    if sandbox and account.livemode:
        return Refused("sandbox", "livemode: a sandbox merchant never touches live money", "livemode")
    if not sandbox and account.base_url is not None:
        return Refused("live", "base_url: a live merchant's gateway is the real one", "base_url")
    if account.base_url is None and (await store.clock(tx, merchant_id)).rate != 1:
        return Refused("clock", "base_url: on a real gateway the clock's rate is 1; set it first", "base_url")
    before = await store.setting(tx, merchant_id, f"account/{account_id}")
    if before is not None and AccountSetting.model_validate(before.value).gateway != account.gateway:
        return Refused("fixed", "gateway: an account stays with its gateway; name a new account", "gateway")
    return None


async def is_sandbox(tx: Tx, merchant_id: str) -> bool:
    """Tell whether the merchant has a clock of its own."""
    found = await store.setting(tx, merchant_id, "merchant")
    return found is not None and MerchantSetting.model_validate(found.value).sandbox


async def _write(
    tx: Tx, actor: str, merchant_id: str, name: str, value: dict[str, Any], before: store.Stored | None
) -> int:
    at = (await store.clock(tx, merchant_id)).at(tx.real_now)
    version = await store.save(tx, merchant_id, name, value, at)
    await tx.emit([told(merchant_id, store.Stored(name, version, value, at))])
    was = before.value if before else None
    await access.audit(tx, merchant_id, actor, ("setting.changed", name), before=was, after=value)
    return version


def told(merchant_id: str, setting: store.Stored) -> SettingsChanged:
    """Give the event of a setting's version, the same whenever it is told."""
    return SettingsChanged(
        id=fact_id(merchant_id, "settings.changed", setting.setting, str(setting.version)),
        time=setting.changed_at,
        merchant_id=merchant_id,
        version=setting.version,
        setting=setting.setting,
        value=setting.value,
    )


async def create_merchant(tx: Tx, actor: str, merchant_id: str, merchant: MerchantSetting) -> None:
    """Begin a merchant: it has a name, and a sandbox one a clock that shows real time until it is set."""
    await store.add_merchant(tx, merchant_id)
    await tx.concerning([merchant_id])
    await _write(tx, actor, merchant_id, "merchant", merchant.model_dump(mode="json"), None)
    if merchant.sandbox:
        clock = ClockSetting(origin_real=tx.real_now, origin_merchant=tx.real_now)
        await _write(tx, actor, merchant_id, "clock", clock.model_dump(mode="json"), None)


async def republish(db: Database) -> int:
    """Tell every setting again; give how many."""
    count = 0
    async for tx, settings in store.everything(db):
        await tx.emit([told(merchant_id, setting) for merchant_id, setting in settings])
        count += len(settings)
    return count


async def set_clock(
    tx: Tx, actor: str, merchant_id: str, *, rate: float | None, now: datetime | None
) -> Clock | Refused:
    """Let a sandbox clock run at another rate, or show another instant while nothing has happened on it yet."""
    before = await store.lock_setting(tx, merchant_id, "clock")
    if before is None:
        return Refused("live", "a live merchant's clock is real time")
    clock = await store.clock(tx, merchant_id)
    if rate is not None and rate != 1 and await _on_a_real_gateway(tx, merchant_id):
        return Refused("clock", "rate: on a real gateway it is 1", "rate")
    if now is not None and await store.has_cases(tx, merchant_id):
        return Refused("clock", "now: a clock with cases can only be advanced", "now")
    changed = clock if rate is None else clock.running(rate, tx.real_now)
    changed = changed if now is None else changed.showing(now, tx.real_now)
    await _save_clock(tx, actor, merchant_id, changed, before)
    return changed


async def _on_a_real_gateway(tx: Tx, merchant_id: str) -> bool:
    accounts = [AccountSetting.model_validate(row.value) for row in await store.accounts(tx, merchant_id)]
    return any(account.enabled and account.base_url is None for account in accounts)


async def _save_clock(tx: Tx, actor: str, merchant_id: str, clock: Clock, before: store.Stored) -> None:
    value = ClockSetting(
        origin_real=clock.origin_real, origin_merchant=clock.origin_merchant, rate=clock.rate
    ).model_dump(mode="json")
    if value != before.value:
        await _write(tx, actor, merchant_id, "clock", value, before)


async def advance(tx: Tx, actor: str, merchant_id: str, by: timedelta) -> timedelta | Refused:
    """Ask for a sandbox clock to be moved on; give all that remains to be made, a day a real second."""
    if await store.lock_setting(tx, merchant_id, "clock") is None:
        return Refused("live", "a live merchant's clock is real time")
    if not domain.longest_step(await store.clock(tx, merchant_id)):
        return Refused("clock", "hours: the clock already makes a day a second by its rate", "hours")
    if await store.remaining_advance(tx, merchant_id) + by > ADVANCE_AT_MOST:
        days = ADVANCE_AT_MOST.days
        return Refused("too_far", f"hours: at most {days} days may be outstanding in all", "hours")
    remaining = await store.add_advance(tx, merchant_id, by)
    hours = by / timedelta(hours=1)
    await access.audit(tx, merchant_id, actor, ("clock.advanced", "clock"), after={"hours": hours})
    return remaining


async def step_clock(db: Database, merchant_id: str) -> None:
    """Move a clock on by its next step, if nobody else is doing so."""
    async with db.transaction([merchant_id]) as tx:
        before = await store.lock_setting(tx, merchant_id, "clock")
        remaining = await store.claim_advance(tx, merchant_id)
        if remaining is None or before is None:
            return
        clock = await store.clock(tx, merchant_id)
        step = min(remaining, domain.longest_step(clock))
        await store.go_on_advancing(tx, merchant_id, remaining - step, domain.STEP_EVERY)
        await _save_clock(tx, "clock", merchant_id, clock.moved(step, tx.real_now), before)
