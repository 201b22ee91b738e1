"""Processes of a run: each in a session of its own, its output in a log, found again by pid and start time.

Every process carries the run's mark in its environment, and its children inherit it. So whatever a shell or a
service started is found and ended too, even after the launcher was killed.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from recoup_local.state import LocalError

MARK = "RECOUP_RUN"  # environment variable: the id of the run
CLOCK_TOLERANCE = 2.0  # seconds: the start time is computed from the boot time, which moves with the clock
POLL = 0.02  # seconds


@dataclass(frozen=True)
class Identity:
    """A process that can't be mistaken for a later one with the same number."""

    pid: int
    started: float  # seconds since the epoch
    stop_signal: int = signal.SIGTERM

    def find(self) -> psutil.Process | None:
        """The process, if it still runs."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.started) < CLOCK_TOLERANCE
            return process if same and lives(process) else None
        except psutil.Error:
            return None


class Process:
    """A child of this run."""

    def __init__(
        self, name: str, popen: subprocess.Popen[bytes], log: Path, begin: int, stop_signal: int
    ) -> None:
        self.name = name
        self.log = log
        self._begin = begin  # where in the log this process began to write
        self._popen = popen
        try:
            started = psutil.Process(popen.pid).create_time()
        except psutil.Error:  # it has ended already
            started = time.time()
        self.identity = Identity(popen.pid, started, stop_signal)

    @property
    def pid(self) -> int:
        """Its process id, which is its process group and session too."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._popen.poll()

    def send(self, number: signal.Signals) -> None:
        """Send the signal to this process alone. Nothing happens when it has ended."""
        if self.returncode is None:
            self._popen.send_signal(number)

    async def ended(self, within: float) -> bool:
        """Wait for its end, at most so many seconds; say whether it has ended."""
        deadline = time.monotonic() + within
        while self.returncode is None:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL)
        return True

    async def stop(self, within: float = 15) -> None:
        """Ask it to end and wait; after so many seconds kill it and its process group."""
        self.send(signal.Signals(self.identity.stop_signal))
        if not await self.ended(within):
            await self.kill()
        self._kill_group()

    async def kill(self) -> None:
        """Kill -9 the process and its group, as a crash of the machine does."""
        self._kill_group()
        self.send(signal.SIGKILL)
        await self.ended(within=10)

    async def announcement(self, within: float = 30) -> dict[str, Any]:
        """Wait for the JSON line by which it says that it is ready and where it listens.

        Raises:
            LocalError: it ended, or the seconds are over; with the end of its log.
        """
        deadline = time.monotonic() + within
        while True:
            with self.log.open("rb") as log:
                log.seek(self._begin)
                for line in log:
                    if line.startswith(b"{") and line.endswith(b"}\n"):
                        told: dict[str, Any] = json.loads(line)
                        return told
            if self.returncode is not None or time.monotonic() > deadline:
                raise LocalError(f"{self.name} doesn't start:\n{self.last_words()}")
            await asyncio.sleep(POLL)

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


@dataclass(frozen=True)
class As:
    """Another account to run as; only root can."""

    uid: int
    gid: int


def spawn(  # noqa: PLR0913 - a process has this many sides
    name: str,
    argv: Sequence[str | Path],
    log: Path,
    environment: Mapping[str, str],
    *,
    cwd: Path | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    account: As | None = None,
) -> Process:
    """Start a process with exactly this environment, its output appended to the log."""
    with log.open("ab") as output:
        begin = output.tell()
        popen = subprocess.Popen(
            [str(argument) for argument in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(environment),
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    return Process(name, popen, log, begin, stop_signal)


def marked(run: str, mark: str = MARK) -> Iterator[psutil.Process]:
    """Every living process of the run, by the mark in its environment, but this one."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(mark) == run and lives(process):
                yield process


def end(run: str, known: Collection[Identity], patience: float = 5) -> list[int]:
    """End whatever lives of the run: each as it wants to be asked, and by force after `patience` seconds.

    Returns:
        The pids that were alive.
    """
    wanted = {identity.pid: identity.stop_signal for identity in known}
    found = {process.pid: process for process in marked(run)}
    found |= {identity.pid: process for identity in known if (process := identity.find())}
    for process in found.values():
        with contextlib.suppress(psutil.Error):
            process.send_signal(wanted.get(process.pid, signal.SIGTERM))
    _wait(found.values(), patience)
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:  # what they started meanwhile too, until a look finds nothing
        alive = [*marked(run), *filter(None, (identity.find() for identity in known))]
        if not alive:
            break
        for process in alive:
            with contextlib.suppress(psutil.Error):
                process.kill()
        _wait(alive, patience=0.5)
    return sorted(found)


def _wait(processes: Collection[psutil.Process], patience: float) -> None:
    """Wait until all have ended, whether or not their parent has noticed."""
    deadline = time.monotonic() + patience
    while any(map(lives, processes)) and time.monotonic() < deadline:
        time.sleep(POLL)


def lives(process: psutil.Process) -> bool:
    """Tell whether it runs; one that has ended and is not yet buried by its parent does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
