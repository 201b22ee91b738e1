"""A contestant's database: loaded once with what is pending, copied for every run; and its workers."""

import os
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from recoup_local.postgres import Postgres
from recoup_local.processes import Process

from ..place import Place
from .contestants import HERE, HOLD_CUSTOMERS, Contestant
from .fires import Watched

WARM_UP, PENDING = 1_000_000, 10_000_000
"""The numbers before the first of those to warm up with, and of those that stay pending."""

ONE_BY_ONE = 500.0
"""Seconds that a statement of the loading may take."""


@dataclass
class Stage:
    """A copy of the loaded database, for one run. The DSNs hold passwords; the representation doesn't show them."""

    place: Place
    contestant: Contestant
    database: str
    owner: asyncpg.Connection = field(repr=False)
    dsn: str = field(repr=False)
    workers: list[Process] = field(default_factory=list)

    async def arm(self, before: int, count: int, due: datetime, *, step: float = 0, days: float = 0) -> None:
        """Insert timers numbered from `before + 1`, `step` seconds apart, scattered over days on top of that."""
        await arm(self.owner, self.contestant, before, count, due, step=step, days=days)
        await self.owner.execute(f"ANALYZE {self.contestant.table}")

    async def still_open(self, first: int, last: int, due: datetime) -> set[int]:
        """Give the numbers that are not durably done, of those due by then."""
        rows = await self.owner.fetch(self.contestant.open, first, last, due)
        return {row["number"] for row in rows}

    def start(self, name: str, options: list[str]) -> Watched:
        """Start a worker; give its file of fires."""
        fires = Watched(self.place.run.logs / f"fires-{self.contestant.key}-{name}-{secrets.token_hex(3)}")
        command = [*self.contestant.work, str(fires.path), name, *options]
        process = self.place.run.start(
            f"{self.contestant.key}-{name}", command, environment=_environment(self.dsn)
        )
        self.workers.append(process)
        return fires

    def check(self, *, but: Process | None = None) -> None:
        """Raise where a worker has ended by itself."""
        for worker in self.workers:
            if worker is not but and worker.returncode is not None:
                raise RuntimeError(f"{self.contestant.name}'s worker has ended:\n{worker.last_words()}")

    def cpu(self) -> float:
        """Give the seconds of processor that the workers have used."""
        return sum(_used(psutil.Process(worker.pid)) for worker in self.workers)

    async def cpu_of_database(self) -> float:
        """Give the seconds of processor that the server has used, in those of its processes that live."""
        server = await self.place.postgres()
        if not isinstance(server, Postgres):
            return 0.0
        return sum(_used(process) for process in psutil.Process(server.process.pid).children(recursive=True))

    async def close(self) -> None:
        """End the workers and remove the database."""
        for worker in self.workers:
            await worker.kill()
        await self.owner.close()
        await _as_admin(self.place, f"DROP DATABASE {self.database} WITH (FORCE)")


def _used(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


async def arm(  # a row of timers has this many sides
    owner: asyncpg.Connection,
    contestant: Contestant,
    before: int,
    count: int,
    due: datetime,
    *,
    step: float = 0,
    days: float = 0,
) -> None:
    """Insert timers through a connection."""
    if contestant.key == "recoup":
        await owner.execute(HOLD_CUSTOMERS, before, count, timeout=ONE_BY_ONE)
    await owner.execute(contestant.arm, before, count, due, step, days, timeout=ONE_BY_ONE)


class Stages:
    """Makes stages; what is pending is loaded once for each contestant."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._loaded: dict[tuple[str, int], tuple[str, str]] = {}

    async def fresh(self, contestant: Contestant, pending: int) -> Stage:
        """Give a copy of the contestant's loaded database."""
        if (contestant.key, pending) not in self._loaded:
            self._loaded[contestant.key, pending] = await self._load(contestant, pending)
        template, dsn = self._loaded[contestant.key, pending]
        name = f"peer_{contestant.key}_{secrets.token_hex(3)}"
        await _as_admin(
            self._place, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy", "CHECKPOINT"
        )
        owner = await asyncpg.connect(await _admin_dsn(self._place, name))
        return Stage(self._place, contestant, name, owner, _on(dsn, name))

    async def _load(self, contestant: Contestant, pending: int) -> tuple[str, str]:
        began = time.monotonic()
        if contestant.key == "recoup":
            own = await self._place.database("chassis")
            name, dsn = own.name, own.app_dsn
        else:
            name = f"peer_{contestant.key}_{pending}"
            await _as_admin(self._place, f"CREATE DATABASE {name}")
            dsn = await _admin_dsn(self._place, name)
        if contestant.migrate is not None:
            process = self._place.run.start(
                f"{contestant.key}-migrate", contestant.migrate, environment=_environment(dsn)
            )
            if not await process.ended(within=120) or process.returncode:
                raise RuntimeError(f"{contestant.name} makes no schema:\n{process.last_words()}")
        owner = await asyncpg.connect(await _admin_dsn(self._place, name))
        if contestant.key == "db_scheduler":
            await owner.execute((HERE / "db_scheduler" / "schema.sql").read_text())
        if pending:
            await arm(owner, contestant, PENDING, pending, datetime.now(UTC) + timedelta(days=1), days=30)
        await owner.execute("VACUUM ANALYZE", timeout=ONE_BY_ONE)
        await owner.close()
        self._place.say(f"{contestant.name}: {pending:,} pending, loaded in {time.monotonic() - began:.0f} s")
        return name, dsn


async def _as_admin(place: Place, *statements: str) -> None:
    admin = await asyncpg.connect((await place.postgres()).admin_dsn)
    try:
        for statement in statements:
            await admin.execute(statement, timeout=ONE_BY_ONE)
    finally:
        await admin.close()


async def _admin_dsn(place: Place, database: str) -> str:
    return _on((await place.postgres()).admin_dsn, database)


def _on(dsn: str, database: str) -> str:
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}"))


def _environment(dsn: str) -> dict[str, str]:
    parts = urlsplit(dsn)
    return {
        "DATABASE_URL": dsn,
        "JDBC_URL": f"jdbc:postgresql://{parts.hostname}:{parts.port or 5432}{parts.path}",
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "PATH": os.environ["PATH"],
    }
