"""A merchant changed a setting."""

from collections.abc import Sequence

from recoup_chassis import clocks
from recoup_chassis.postgres import Tx
from recoup_events.envelope import Tombstone
from recoup_events.models import SettingsChanged
from recoup_notifier.compose import store


async def settings_changed(batch: Sequence[SettingsChanged], tx: Tx) -> None:
    """Follow the merchant's clock, and keep who they are and how their mails read. Safe to deliver twice."""
    await clocks.settings_changed(batch, tx)
    for event in batch:
        await store.save(tx, event)


async def settings_erased(batch: Sequence[Tombstone], tx: Tx) -> None:
    """Forget settings. Safe to deliver twice."""
    for gone in batch:
        await store.forget(tx, gone.merchant_id, gone.key.removeprefix(f"{gone.merchant_id}/"))
