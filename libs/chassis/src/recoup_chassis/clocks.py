"""The merchant's clock and the real one.

Promise: a transaction reads its clocks once, at its beginning, in the database; live merchants share clock 0,
which is real time by CHECK. Which clock is whose arrives as the settings `merchant` and `clock`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from recoup_chassis.postgres import Tx
from recoup_chassis.queries import load
from recoup_events.models import SettingsChanged
from recoup_events.settings import ClockSetting, MerchantSetting

sql = load(__package__, "clocks.sql")


@dataclass(frozen=True)
class _Clock:
    merchant_id: str
    version: int
    setting: ClockSetting


async def settings_changed(batch: Sequence[SettingsChanged], tx: Tx) -> None:
    """Follow `merchant` (a live one is on clock 0) and `clock` (a sandbox merchant's). Safe to repeat."""
    live = [
        event.merchant_id
        for event in batch
        if event.setting == "merchant" and not MerchantSetting.model_validate(event.value).sandbox
    ]
    if live:
        await tx.execute(sql.share_real_clock, live)
    for clock in (
        _Clock(event.merchant_id, event.version, ClockSetting.model_validate(event.value))
        for event in batch
        if event.setting == "clock"
    ):
        await _set(tx, clock)


async def _set(tx: Tx, clock: _Clock) -> None:
    wanted = clock.setting
    origin: tuple[datetime, datetime, float] = (wanted.origin_real, wanted.origin_merchant, wanted.rate)
    if await tx.fetchval(sql.has_own_clock, clock.merchant_id):
        await tx.execute(sql.set_clock, clock.merchant_id, *origin, clock.version)
    else:
        await tx.execute(sql.start_clock, clock.merchant_id, *origin, clock.version)
