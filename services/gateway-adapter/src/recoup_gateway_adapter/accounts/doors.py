"""What ingest knows of accounts, kept for a few seconds, so that a webhook costs no look into the database.

Promise: a changed secret is known here at once in the process that changed it, and in others within `KEPT_FOR`.
"""

import asyncio
import time
from collections import OrderedDict

from recoup_chassis.postgres import Database
from recoup_gateway_adapter.accounts import store
from recoup_gateway_adapter.accounts.domain import WebhookDoor
from recoup_gateway_adapter.accounts.sealing import Vault

KEPT_FOR = 5.0
"""Seconds, real time; an unknown account is remembered as long, so that guessing ids costs us little."""

MOST = 20_000


class Doors:
    """The doors of accounts, by id, opened once."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault
        self._kept: OrderedDict[str, tuple[float, WebhookDoor | None]] = OrderedDict()
        self._looking: dict[str, asyncio.Task[WebhookDoor | None]] = {}

    def forget(self, account_id: str) -> None:
        """Look again at the next webhook."""
        self._kept.pop(account_id, None)
        self._looking.pop(account_id, None)

    async def get(self, account_id: str) -> WebhookDoor | None:
        """Give an account's door; None where there is no such account. Many askers share one look."""
        kept = self._kept.get(account_id)
        if kept is not None and time.monotonic() < kept[0]:
            return kept[1]
        looking = self._looking.get(account_id)
        if looking is None:
            looking = asyncio.create_task(self._look(account_id))
            self._looking[account_id] = looking
        return await asyncio.shield(looking)

    async def _look(self, account_id: str) -> WebhookDoor | None:
        mine = asyncio.current_task()
        try:
            found = await store.door(self._database, self._vault, account_id)
            if self._looking.get(account_id) is mine:
                self._kept[account_id] = (time.monotonic() + KEPT_FOR, found)
                if len(self._kept) > MOST:
                    self._kept.popitem(last=False)
            return found
        finally:
            if self._looking.get(account_id) is mine:
                del self._looking[account_id]
