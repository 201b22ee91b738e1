"""A disk that fills up under the database or the broker, and is freed again: services wait, nothing is lost."""

import asyncio
import errno
import os
import random
import subprocess
import sys

import asyncpg
import pytest
from aiokafka.errors import KafkaError

from recoup_local.eventually import eventually
from recoup_local.house import ADAPTER, House, open_house
from recoup_local.kafka import READY_WITHIN, Kafka
from recoup_local.postgres import Postgres
from recoup_local.run import Run
from recoup_local.sandbox import open_sandbox

from . import stores, topics
from .load import load
from .tally import Tally

PART = "fillings"
MEGABYTES = 512
"""Of each disk; either store takes less than half of it at first."""

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


class Disk:
    """A small disk of its own, in memory, gone with the run. Only root may make one."""

    def __init__(self, run: Run, name: str) -> None:
        self.directory = run.data(f"disk-{name}")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m,mode=0700", "recoup", str(self.directory)],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"no small disk can be mounted here, which takes root: {done.stderr.strip()}")
        run.at_the_end(self._unmount)
        self.free = self.directory / "data"
        self.free.mkdir(mode=0o700)
        self._ballast = self.directory / "ballast"

    async def _unmount(self) -> None:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(self.directory)], check=True)

    def fill(self) -> int:
        """Fill it to the last byte; give how many MiB that took."""
        chunk, written = b"\0" * 65536, 0
        handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            while True:
                written += os.write(handle, chunk)
        except OSError as full:
            if full.errno != errno.ENOSPC:
                raise
        finally:
            os.close(handle)
        return written // 2**20

    def empty(self) -> None:
        """Free it again."""
        self._ballast.unlink()


async def operate(house: House, roomy: asyncio.Lock, started: list[str]) -> None:
    """Start again what did not bear it, as an operator does once there is room; until cancelled."""
    assert isinstance(house.postgres, Postgres)
    assert isinstance(house.kafka, Kafka)
    while True:
        async with roomy:
            if house.postgres.process.returncode is not None:
                started.append("Postgres")
                await house.postgres.restart()
            if house.kafka.process().returncode is not None:
                started.append("Kafka")
                await house.kafka.restart()
        await asyncio.sleep(0.1)


async def both_answer(house: House) -> bool:
    """Tell whether the two stores can be used."""
    assert isinstance(house.kafka, Kafka)
    try:
        async with stores.opened(house, ADAPTER):
            pass
        await topics.lags(house)
    except (OSError, asyncpg.PostgresError, KafkaError):
        return False
    return True


@pytest.mark.part(PART)
@pytest.mark.timeout(7200)
async def test_a_disk_that_was_full_costs_nothing(tally: Tally) -> None:
    draw, fillings = random.Random(tally.seed), tally.size(PART)
    async with Run() as run:
        disks = {"broker": Disk(run, "broker"), "database": Disk(run, "database")}
        broker = await Kafka.start(run, overrides={"log.dirs": str(disks["broker"].free)})
        server = await Postgres.start(run, data=disks["database"].free)
        house = await open_house(run, broker=broker, server=server)
        await house.start()
        roomy, started = asyncio.Lock(), list[str]()
        operator = asyncio.create_task(operate(house, roomy, started))
        async with await open_sandbox(house) as sandbox, load(sandbox, tally.seed, fillings) as going:
            for number in range(fillings):
                await asyncio.sleep(draw.uniform(0.0, 3.0))  # the moment, drawn
                name = ("broker", "database")[number % 2]
                async with roomy:
                    filled = await asyncio.to_thread(disks[name].fill)
                    await asyncio.sleep(draw.uniform(1.0, 8.0))  # how long it stays full
                    disks[name].empty()
                await eventually(lambda: operator.done() or both_answer(house), within=READY_WITHIN)
                assert not operator.done(), operator.exception()
                sys.stdout.write(f"{name}'s disk full by {filled} MiB; started again so far: {started}\n")
            await going.judge()
        operator.cancel()
        assert started, "no disk was ever full enough for anybody to mind"
    tally.did(PART, fillings)
