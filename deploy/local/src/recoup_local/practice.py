"""The practice gateway as a process of a run, and its control API."""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from recoup_local.ports import free_port
from recoup_local.processes import Process
from recoup_local.run import Run
from recoup_local.state import LocalError

READY_WITHIN = 30.0  # seconds
VERSIONS = ("2020-08-27", "2025-05-28.basil")
"""The API versions it speaks."""


@dataclass(frozen=True)
class PracticeGateway:
    """Where it is, and the bearer token of its control API."""

    process: Process
    url: str
    token: str = field(repr=False)

    async def control(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Call `/practice<path>`.

        Raises:
            LocalError: it refused; the message says why.
        """
        headers = {"Authorization": f"Bearer {self.token}"}
        timeout = aiohttp.ClientTimeout(total=300)
        async with (
            aiohttp.ClientSession(headers=headers, timeout=timeout) as http,
            http.request(method, f"{self.url}/practice{path}", json=body) as answer,
        ):
            told = await answer.json()
            if answer.status >= 400:
                raise LocalError(f"the practice gateway refused {method} {path}: {told}")
            return told


async def start_practice_gateway(
    run: Run, port: int = 0, *, clock_url: str | None = None, clock_token: str | None = None
) -> PracticeGateway:
    """Start it and wait until it listens.

    Args:
        run: what it belongs to; its ledger lies in the run's directory and stays.
        port: where it listens; 0 takes a free one.
        clock_url: where the sandbox merchant's clock is read, `{account}` standing for the account.
        clock_token: the bearer token for that.

    Raises:
        LocalError: it doesn't start.
    """
    token = secrets.token_urlsafe(32)
    environment = {"PRACTICE_CONTROL_TOKEN": token}
    if clock_url:
        environment["PRACTICE_CLOCK_URL"] = clock_url
    if clock_token:
        environment["PRACTICE_CLOCK_TOKEN"] = clock_token
    state = run.directory / "practice-gateway"
    state.mkdir(exist_ok=True)
    argv = [
        sys.executable,
        "-m",
        "practice_gateway",
        "--port",
        str(port or free_port()),
        "--state",
        str(state),
    ]
    process = run.start("practice-gateway", argv, environment=environment)
    deadline = time.monotonic() + READY_WITHIN
    while True:
        for line in process.log.read_text().splitlines():
            if line.startswith('{"address"'):
                return PracticeGateway(process, json.loads(line)["address"], token)
        if process.returncode is not None or time.monotonic() > deadline:
            raise LocalError(f"the practice gateway doesn't start:\n{process.last_words()}")
        await asyncio.sleep(0.02)
