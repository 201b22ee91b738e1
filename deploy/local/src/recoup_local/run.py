"""One run: a directory of its own under `.local/`, its processes, and the warden that ends them.

Whatever a run starts dies with the process that opened it, however that ends; only `make up` lets go of it.
Two runs share nothing: directories, ports, passwords and marks are each run's own.
"""

import asyncio
import contextlib
import datetime as dt
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from recoup_local.processes import MARK, As, Process, spawn
from recoup_local.state import LocalError, state_directory

WARDEN_MARK = "RECOUP_WARDEN"
KEPT_RUNS = 10  # directories of ended runs whose logs stay
LEAVE = 120.0  # seconds for the warden to finish; 1 s is usual
# What a service or a broker must not inherit by accident: it gets its own.
OWN = ("DATABASE_URL", "KAFKA_BOOTSTRAP_SERVERS", "CLASSPATH", "KAFKA_OPTS", "JAVA_TOOL_OPTIONS", WARDEN_MARK)


class Run:
    """A directory, processes, and their end. Use it as an async context manager."""

    def __init__(self, state: Path | None = None) -> None:
        state = state or state_directory()
        _sweep(state)
        self.id = f"{dt.datetime.now(dt.UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        self.directory = state / self.id
        self.directory.mkdir(mode=0o755)
        self.logs = self.directory / "logs"
        self.logs.mkdir()
        self.processes: dict[str, Process] = {}
        self.removed_at_the_end: list[Path] = []
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._warden = self._start_warden()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        account: As | None = None,
    ) -> Process:
        """Start a process whose output goes to `logs/<name>.log`. A name is used again for a restart.

        Args:
            name: of the log and in messages.
            argv: the program and its arguments; a secret belongs in the environment or a file instead.
            environment: in addition to this process's own.
            cwd: where it starts.
            stop_signal: how it wants to be asked to end.
            account: whom to run as instead of root.

        Raises:
            LocalError: a process of this name is running already.
        """
        if (there := self.processes.get(name)) and there.returncode is None:
            raise LocalError(f"{name} is running already in this run (pid {there.pid})")
        inherited = {key: value for key, value in os.environ.items() if key not in OWN}
        process = spawn(
            name,
            argv,
            self.logs / f"{name}.log",
            inherited | dict(environment or {}) | {MARK: self.id},
            cwd=cwd,
            stop_signal=stop_signal,
            account=account,
        )
        identity = process.identity
        self._tell(pid=identity.pid, started=identity.started, stop_signal=int(identity.stop_signal))
        self.processes[name] = process
        return process

    def data(self, name: str) -> Path:
        """A new directory for data, removed at the end of the run."""
        directory = self.directory / name
        self._remove_at_the_end(directory)
        directory.mkdir(mode=0o700)
        return directory

    def short_directory(self) -> Path:
        """A new directory with a path short enough for sockets (107 bytes), removed at the end of the run."""
        directory = Path(tempfile.mkdtemp(prefix="recoup-"))
        self._remove_at_the_end(directory)
        return directory

    def at_the_end(self, close: Callable[[], Awaitable[None]]) -> None:
        """Have something done at `close`, after the processes have ended; the last one asked for comes first."""
        self._closers.append(close)

    async def close(self) -> None:
        """End every process, the last one first, and remove the data; logs stay."""
        try:
            for process in reversed(self.processes.values()):
                await process.stop()
            while self._closers:
                await self._closers.pop()()
        finally:
            await self._dismiss()

    async def let_go(self) -> None:
        """Leave everything running after this process's end, for `make up`."""
        self._tell(release=True)
        await self._dismiss()

    def _start_warden(self) -> "subprocess.Popen[bytes]":
        environment = {key: value for key, value in os.environ.items() if key != MARK}
        with (self.logs / "warden.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "recoup_local.warden", self.id],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment | {WARDEN_MARK: self.id},
                start_new_session=True,
            )

    def _remove_at_the_end(self, directory: Path) -> None:
        self.removed_at_the_end.append(directory)
        self._tell(remove=str(directory))

    def _tell(self, **line: object) -> None:
        assert self._warden.stdin
        self._warden.stdin.write(json.dumps(line).encode() + b"\n")
        self._warden.stdin.flush()

    async def _dismiss(self) -> None:
        assert self._warden.stdin
        with contextlib.suppress(BrokenPipeError):
            self._warden.stdin.close()
        deadline = time.monotonic() + LEAVE
        while self._warden.poll() is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the warden of {self.id} doesn't finish; see {self.logs / 'warden.log'}")
            await asyncio.sleep(0.02)


def living(state: Path) -> Iterator[str]:
    """The ids of all runs that have a process or a warden."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            environment = process.environ()
            for mark in (MARK, WARDEN_MARK):
                if mark in environment and (state / environment[mark]).is_dir():
                    yield environment[mark]


def _sweep(state: Path) -> None:
    """Remove what ended runs left, all but the last ones; a run younger than a minute counts as alive."""
    old = sorted(path for path in state.glob("2*-*-*") if path.is_dir())[:-KEPT_RUNS]
    if old:
        alive = set(living(state))
        for directory in old:
            if directory.name not in alive and time.time() - directory.stat().st_mtime > 60:
                shutil.rmtree(directory, ignore_errors=True)
