"""Settings at rest: their newest version, and the clock among them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from recoup_chassis.postgres import Database, Tx
from recoup_chassis.queries import load
from recoup_events.settings import ClockSetting
from recoup_portal_api.policy.domain import Clock

sql = load(__package__)

MERCHANTS_AT_ONCE = 200


@dataclass(frozen=True)
class Stored:
    """A setting's newest version; `changed_at` is the merchant's time."""

    setting: str
    version: int
    value: dict[str, Any]
    changed_at: datetime


async def setting(tx: Tx, merchant_id: str, name: str) -> Stored | None:
    """Give a setting, or None where it was never set."""
    row = await tx.fetchrow(sql.setting, merchant_id, name)
    return Stored(**row) if row else None


async def lock_setting(tx: Tx, merchant_id: str, name: str) -> Stored | None:
    """Give a setting and keep others from changing it until the transaction ends."""
    await tx.execute(sql.lock_setting, merchant_id, name)
    return await setting(tx, merchant_id, name)


async def save(tx: Tx, merchant_id: str, name: str, value: dict[str, Any], at: datetime) -> int:
    """Write a setting's next version and give its number."""
    return int(await tx.fetchval(sql.save_setting, merchant_id, name, value, at))


async def accounts(tx: Tx, merchant_id: str) -> list[Stored]:
    """Give the settings of all gateway accounts."""
    return [Stored(**row) for row in await tx.fetch(sql.accounts, merchant_id)]


async def clock(tx: Tx, merchant_id: str) -> Clock:
    """Give the merchant's clock by its newest setting; real time where it has none."""
    found = await setting(tx, merchant_id, "clock")
    value = ClockSetting.model_validate(found.value) if found else ClockSetting()
    return Clock(value.origin_real, value.origin_merchant, value.rate)


async def has_cases(tx: Tx, merchant_id: str) -> bool:
    """Tell whether anything has happened on the merchant's clock."""
    return bool(await tx.fetchval(sql.has_cases, merchant_id))


async def add_merchant(tx: Tx, merchant_id: str) -> None:
    """Write a merchant down. Only the app role may."""
    await tx.execute(sql.add_merchant, merchant_id)


async def everything(db: Database) -> AsyncIterator[tuple[Tx, Sequence[tuple[str, Stored]]]]:
    """Give every setting of every merchant, some merchants at a time, each time in a transaction of its own."""
    last = ""
    while True:
        async with db.transaction(()) as tx:
            listed = [row["merchant_id"] for row in await tx.fetch(sql.merchants, last, MERCHANTS_AT_ONCE)]
            if not listed:
                return
            await tx.concerning(listed)
            rows = await tx.fetch(sql.settings, listed)
            yield (
                tx,
                [
                    (
                        row["merchant_id"],
                        Stored(row["setting"], row["version"], row["value"], row["changed_at"]),
                    )
                    for row in rows
                ],
            )
            last = listed[-1]


async def add_advance(tx: Tx, merchant_id: str, by: timedelta) -> timedelta:
    """Ask for the clock to be moved on; give what remains to be made in all."""
    remaining: timedelta = await tx.fetchval(sql.add_advance, merchant_id, by)
    return remaining


async def remaining_advance(tx: Tx, merchant_id: str) -> timedelta:
    """Give how far the clock has yet to be moved on."""
    return await tx.fetchval(sql.remaining_advance, merchant_id) or timedelta()


async def due_advances(tx: Tx) -> list[str]:
    """Give merchants whose clock may make its next step now."""
    return [row["merchant_id"] for row in await tx.fetch(sql.due_advances)]


async def claim_advance(tx: Tx, merchant_id: str) -> timedelta | None:
    """Take a clock's next step for ourselves; give what remains, or None where somebody else has it."""
    remaining: timedelta | None = await tx.fetchval(sql.claim_advance, merchant_id)
    return remaining


async def go_on_advancing(tx: Tx, merchant_id: str, remaining: timedelta, after: timedelta) -> None:
    """Write down what remains and when, in real time from now, the next step may come."""
    await tx.execute(sql.go_on_advancing, merchant_id, remaining, after)
