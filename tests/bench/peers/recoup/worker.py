"""Worker of Recoup for the bench: the chassis' dispatcher in a process of its own, as retry-scheduler runs it.

    worker.py <file> <name> mode=noop|announce [sleep=<ms in the handler, for each batch>]

Mode `noop`: the handler appends each timer's number and the microsecond at which it ran, as the peers' do, and
the timers' end is committed. Mode `announce`: the handler writes a command a timer to the outbox, and what is
appended is the microsecond at which the commands were durable there.
"""

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import timedelta
from pathlib import Path
from uuid import uuid5

from recoup_chassis import telemetry
from recoup_chassis.postgres import Database, Tx
from recoup_chassis.process import main, run
from recoup_chassis.timers import Dispatcher, Timer
from recoup_events.models import RetryDue
from recoup_events.values import NAMESPACE, TryKind, fact_id

KIND = "tick"


class Fires:
    """The file of fires, one write a fire."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._undone: ContextVar[list[str]] = ContextVar("undone")
        """Of each batch its own, for two are fired side by side."""

    def at_once(self, numbers: Sequence[str]) -> None:
        for number in numbers:
            os.write(self._file, b"%s %d\n" % (number.encode(), time.time_ns() // 1000))

    def once_committed(self, numbers: Sequence[str]) -> None:
        self._undone.set(list(numbers))

    def committed(self) -> None:
        self.at_once(self._undone.get())


def command(timer: Timer, tx: Tx) -> RetryDue:
    case = uuid5(NAMESPACE, timer.subject)
    return RetryDue(
        id=fact_id("acct_bench", "retry.due", timer.subject),
        time=tx.now(timer.merchant_id),
        merchant_id=timer.merchant_id,
        customer_id=timer.customer_id,
        account_id="acct_bench",
        case_id=case,
        try_id=case,
        revision=1,
        invoice_id=f"in_{timer.subject}",
        kind=TryKind.SCHEDULED,
        step=1,
        not_after=tx.real_now + timedelta(hours=1),
        reason="the first of the schedule",
    )


async def serve(path: Path, mode: str, sleep: float) -> None:
    telemetry.configure("bench", "warning")
    fires = Fires(path)

    async def noop(timers: Sequence[Timer], tx: Tx) -> None:
        fires.at_once([timer.subject for timer in timers])
        await asyncio.sleep(sleep)

    async def announce(timers: Sequence[Timer], tx: Tx) -> None:
        await tx.emit(command(timer, tx) for timer in timers)
        fires.once_committed([timer.subject for timer in timers])

    async with await Database.connect(os.environ["DATABASE_URL"], source="/bench") as database:
        database.on_announced(fires.committed)
        handler = {"noop": noop, "announce": announce}[mode]
        await run([Dispatcher(database, handler, name="bench", kinds=[KIND])])


if __name__ == "__main__":
    place, _, *options = sys.argv[1:]
    wanted = dict(option.split("=") for option in options)
    sys.exit(main(serve(Path(place), wanted["mode"], float(wanted.get("sleep", 0)) / 1000)))
