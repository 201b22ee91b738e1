"""A service's database in a world: backed up, and restored by docs/runbooks/restore.md while everything flows."""

from typing import Any

from aiokafka import TopicPartition

from recoup_chassis.restored import MARK
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.charging import store as attempts
from recoup_gateway_adapter.facts.reconcile import reconcile
from recoup_gateway_adapter.facts.republish import republish
from recoup_portal_api.policy import handlers as policy

from .world import World
from .world_gateway import Weather
from .world_services import ADAPTER, KEY, NOTIFIER, PORTAL

BACK_UP = """
SELECT 'DROP SCHEMA IF EXISTS snap CASCADE; CREATE SCHEMA snap; '
    || string_agg(format('CREATE TABLE snap.%1$I AS TABLE public.%1$I; ', tablename), '' ORDER BY tablename)
FROM pg_tables WHERE schemaname = 'public'
"""
RESTORE = """
SELECT 'SET session_replication_role = replica; '
    || string_agg(format('DELETE FROM public.%1$I; INSERT INTO public.%1$I OVERRIDING SYSTEM VALUE TABLE snap.%1$I; ',
                         tablename), '' ORDER BY tablename)
    || 'DROP SCHEMA snap CASCADE; RESET session_replication_role'
FROM pg_tables WHERE schemaname = 'public'
"""


DAYS = 12
"""Things that fall due, one after another, between a backup and a loss, at most: tries, their ends, mails."""


class Loss:
    """One service loses its database. Steps of a world: `backs_up` at one, `restores` at a later one."""

    def __init__(self, service: str) -> None:
        self.service = service
        self._read_up_to: dict[tuple[str, TopicPartition], int] = {}

    async def backs_up(self, world: World) -> None:
        """Keep every row as it is now."""
        world.trace.append(f"{self.service} is backed up")
        admin = world.services.admins[self.service]
        await admin.execute(await admin.fetchval(BACK_UP))
        self._read_up_to = dict(world.bus.committed)

    async def restores(self, world: World) -> None:
        """Go on for days, lose what came since the backup, and follow the runbook; no process dies meanwhile."""
        await world.go_on(world.draw.randint(0, DAYS))
        world.trace.append(f"{self.service} is restored")
        world.practice.crashing = False
        adapter = world.services.databases[ADAPTER]
        await _switch(world, stopped=True)
        admin = world.services.admins[self.service]
        await admin.execute(await admin.fetchval(RESTORE))
        await world.services.set_clock(world.at, world.skew)
        if self.service == ADAPTER:
            await _switch(world, stopped=True)
        await admin.execute(MARK)
        self._offsets_back(world)
        world.started.restart()
        world.started.announced.add(self.service)
        await world.catch_up(self.service)
        if self.service == ADAPTER:
            await _reconcile(world)
        else:
            await republish(adapter)
        if self.service in {PORTAL, NOTIFIER}:
            await policy.republish(world.services.databases[PORTAL])
        await _switch(world, stopped=False)
        world.practice.crashing = True

    def _offsets_back(self, world: World) -> None:
        """Go back to the backup, and a little further: the runbook's ten minutes."""
        for (group, where), offset in list(world.bus.committed.items()):
            if group.startswith(f"{self.service}."):
                back = self._read_up_to.get((group, where), 0) - world.draw.randint(0, 3)
                world.bus.committed[group, where] = max(0, min(offset, back))


async def _reconcile(world: World) -> None:
    """Ask until everything was read; the gateway answers now."""
    weather, world.practice.weather = world.practice.weather, Weather()
    http: Any = world.practice
    done = await reconcile(world.services.databases[ADAPTER], Vault.parse(f"k1={KEY}"), http)
    assert done.lists_unread == done.invoices_unread == []
    world.practice.weather = weather


async def _switch(world: World, *, stopped: bool) -> None:
    async with world.services.databases[ADAPTER].transaction(()) as tx:
        await attempts.stop_everything(tx, stopped=stopped)
