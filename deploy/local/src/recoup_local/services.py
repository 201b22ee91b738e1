"""A service as a process, by its console script: start, wait until it is ready, stop, kill -9, restart."""

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import aiohttp

from recoup_local.ports import LOOPBACK
from recoup_local.processes import Process
from recoup_local.run import Run
from recoup_local.state import LocalError

READY_WITHIN = 240.0  # seconds: a limit against hanging; 3 s are usual
STOP_WITHIN = 30.0  # seconds: SIGTERM finishes the batch in hand
POLL = 0.05  # seconds
LOOK_TIMEOUT = aiohttp.ClientTimeout(total=5)


class Service:
    """One replica of a service.

    Args:
        run: what it belongs to.
        name: of its console script, for instance `gateway-adapter`.
        environment: what it needs in addition to this process's own; OPS_PORT is where it is asked.
        replica: tells replicas of one service apart; in logs and in the environment.
        command: the program and its arguments; the console script with `serve` unless told.
    """

    def __init__(
        self,
        run: Run,
        name: str,
        environment: Mapping[str, str],
        replica: str = "0",
        command: Sequence[str | Path] | None = None,
    ) -> None:
        self.name = name
        self._command = command
        self.replica = replica
        self.environment = {**environment, "REPLICA": replica}
        self._run = run

    @property
    def process_name(self) -> str:
        """Of its process and log."""
        return self.name if self.replica == "0" else f"{self.name}-{self.replica}"

    @property
    def process(self) -> Process:
        """The latest process."""
        return self._run.processes[self.process_name]

    @property
    def log(self) -> Path:
        """Where it writes, over all restarts."""
        return self._run.logs / f"{self.process_name}.log"

    @property
    def ops_url(self) -> str:
        """Where /livez, /readyz and /metrics are."""
        return f"http://{LOOPBACK}:{self.environment['OPS_PORT']}"

    async def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            LocalError: it ended, or isn't ready in time; with the end of its log.
        """
        self.launch()
        await self.ready()

    def launch(self) -> None:
        """Start it and don't wait."""
        command = self._command or [console_script(self.name), "serve"]
        self._run.start(self.process_name, command, environment=self.environment)

    async def ready(self, within: float = READY_WITHIN) -> None:
        """Wait until it says that it is ready.

        Raises:
            LocalError: as for `start`.
        """
        deadline = time.monotonic() + within
        async with aiohttp.ClientSession(timeout=LOOK_TIMEOUT) as http:
            while (wrong := await self._asked(http)) is not None:
                if (status := self.process.returncode) is not None:
                    raise LocalError(f"{self.process_name} ended with {status}:\n{self.process.last_words()}")
                if time.monotonic() > deadline:
                    words = self.process.last_words()
                    raise LocalError(
                        f"{self.process_name} isn't ready within {within:.0f} s: {wrong}\n{words}"
                    )
                await asyncio.sleep(POLL)

    async def problem(self) -> str | None:
        """Ask it what is wrong; None when it is ready."""
        async with aiohttp.ClientSession(timeout=LOOK_TIMEOUT) as http:
            return await self._asked(http)

    async def _asked(self, http: aiohttp.ClientSession) -> str | None:
        try:
            async with http.get(f"{self.ops_url}/readyz") as answer:
                return None if answer.status == 200 else (await answer.text()).strip()
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"/readyz doesn't answer ({error})"

    async def stop(self) -> None:
        """SIGTERM, and wait; it is killed when it takes too long.

        Raises:
            LocalError: it had to be killed.
        """
        await self.process.stop(STOP_WITHIN)
        if (self.process.returncode or 0) < 0:
            words = self.process.last_words()
            raise LocalError(
                f"{self.process_name} doesn't leave on SIGTERM within {STOP_WITHIN:.0f} s:\n{words}"
            )

    async def kill(self) -> None:
        """Crash it (kill -9)."""
        await self.process.kill()

    async def restart(self) -> None:
        """Start it again, with the same environment, ports and name."""
        if self.process.returncode is None:
            await self.stop()
        await self.start()


async def run_command(
    run: Run, service: str, arguments: Sequence[str], environment: Mapping[str, str], within: float = 120
) -> str:
    """Run a command of a service to its end, for instance `migrate`, and give what it wrote.

    Raises:
        LocalError: it failed or took too long; with the end of its log.
    """
    name = f"{service}-{arguments[0]}"
    process = run.start(name, [console_script(service), *arguments], environment=environment)
    if not await process.ended(within):
        await process.kill()
        raise LocalError(
            f"`{service} {arguments[0]}` takes longer than {within:.0f} s:\n{process.last_words()}"
        )
    if process.returncode:
        raise LocalError(
            f"`{service} {arguments[0]}` ended with {process.returncode}:\n{process.last_words()}"
        )
    return process.log.read_text()


def console_script(name: str) -> Path:
    """The program of a service beside this Python.

    Raises:
        LocalError: it isn't installed.
    """
    path = Path(sys.executable).parent / name
    if not path.exists():
        raise LocalError(f"{path} is missing: `make setup` installs it")
    return path
