"""The practice gateway as a process of a run, and its control API."""

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from recoup_local.ports import LOOPBACK, free_port
from recoup_local.processes import Process
from recoup_local.run import Run
from recoup_local.state import LocalError

NAME = "practice-gateway"
VERSIONS = ("2020-08-27", "2025-05-28.basil")
"""The API versions it speaks."""


@dataclass(frozen=True)
class PracticeGateway:
    """Where it is, and the bearer token of its control API. Its ledger stays over a kill and after the run."""

    run: Run
    port: int
    state: Path
    token: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Stripe's API, the hosted pages, and the control API below /practice."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def process(self) -> Process:
        """The latest process."""
        return self.run.processes[NAME]

    async def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call `/practice<path>`.

        Raises:
            LocalError: it refused; the message says why.
        """
        return await control(self.url, self.token, method, path, body)

    async def kill(self) -> None:
        """Crash it (kill -9)."""
        await self.process.kill()

    async def start(self) -> None:
        """Start it, again on the same port and ledger after an end, and wait until it listens.

        Raises:
            LocalError: it doesn't start.
        """
        argv = [
            sys.executable,
            "-m",
            "practice_gateway",
            "--port",
            str(self.port),
            "--state",
            str(self.state),
        ]
        await self.run.start(NAME, argv, environment=self.environment).announcement()


async def control(url: str, token: str, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Call `/practice<path>` of a gateway.

    Raises:
        LocalError: it refused; the message says why.
    """
    headers = {"Authorization": f"Bearer {token}"}
    timeout = aiohttp.ClientTimeout(total=300)
    async with (
        aiohttp.ClientSession(headers=headers, timeout=timeout) as http,
        http.request(method, f"{url}/practice{path}", json=body) as answer,
    ):
        told = await answer.json()
        if answer.status >= 400:
            raise LocalError(f"the practice gateway refused {method} {path}: {told}")
        return told


async def start_practice_gateway(
    run: Run, *, port: int | None = None, clock_url: str | None = None, clock_token: str | None = None
) -> PracticeGateway:
    """Start it and wait until it listens.

    Args:
        run: what it belongs to; its ledger lies in the run's directory and stays.
        port: where; any free one unless told. In a house the portal must know it: use `House.start_practice`.
        clock_url: where the sandbox merchant's clock is read, `{account}` standing for the account.
        clock_token: the bearer token for that.

    Raises:
        LocalError: it doesn't start.
    """
    token = secrets.token_urlsafe(32)
    clock = {"PRACTICE_CLOCK_URL": clock_url, "PRACTICE_CLOCK_TOKEN": clock_token}
    environment = {"PRACTICE_CONTROL_TOKEN": token, **{name: value for name, value in clock.items() if value}}
    state = run.directory / NAME
    state.mkdir(exist_ok=True)
    gateway = PracticeGateway(run, port or free_port(), state, token, environment)
    await gateway.start()
    return gateway
