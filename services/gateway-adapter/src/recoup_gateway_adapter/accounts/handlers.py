"""Follow the merchants' settings: their clocks, their stop switch, who collects."""

from collections.abc import Sequence

from recoup_chassis import clocks
from recoup_chassis.postgres import Tx
from recoup_events.models import SettingsChanged
from recoup_gateway_adapter.accounts import store

ACTED_ON = ("stop", "recovery", "merchant")
"""Settings kept here; the clock is the chassis', and an account's secrets come by internal HTTP."""


async def settings_changed(batch: Sequence[SettingsChanged], tx: Tx) -> None:
    """Keep what this service acts on. Safe to repeat; a lower version changes nothing."""
    await clocks.settings_changed(batch, tx)
    await store.save_settings(tx, [event for event in batch if event.setting in ACTED_ON])
