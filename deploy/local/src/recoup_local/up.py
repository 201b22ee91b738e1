"""`make up` and `make down`: the one house that outlives the command that started it.

`.local/run.json` (readable by its owner alone: it holds the services' environments) names its processes by pid
and start time, so that `down` ends them and never a stranger with a recycled number.
"""

import asyncio
import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from recoup_local.house import SERVICES, House, open_house
from recoup_local.practice import control
from recoup_local.processes import Identity, end, marked
from recoup_local.run import Run
from recoup_local.sandbox import Sandbox, open_sandbox
from recoup_local.services import console_script
from recoup_local.state import LocalError, state_directory

FILE = "run.json"
MOMENT = 5.0  # seconds for the last ones to leave


@dataclass(frozen=True)
class Up:
    """What `make up` started."""

    run: str
    processes: Mapping[str, Identity]
    directories: tuple[str, ...]  # data, removed by `down`
    places: Mapping[str, str]  # what to open
    environments: Mapping[str, Mapping[str, str]]  # by service
    practice: Mapping[
        str, str
    ]  # the sandbox account, and how the practice gateway is told to fail; may be empty

    @classmethod
    def of(cls, run: Run, opened: House, sandbox: Sandbox | None) -> Self:
        """Describe a house, and the merchant that is connected to its practice gateway."""
        places = {
            "portal": opened.portal_url,
            "merchant API": f"{opened.portal_url}/v1/docs",
            "webhooks": opened.ingest_url,
            "mail": opened.mail.url,
            **({"practice gateway": opened.practice.url} if opened.practice else {}),
            **{f"{name} metrics": f"{service.ops_url}/metrics" for name, service in opened.services.items()},
            "Kafka": opened.kafka.bootstrap_servers,
            "logs": str(run.logs),
            **(
                {"API key": sandbox.api_key, "fail renewals": ".venv/bin/recoup-local renew"}
                if sandbox
                else {}
            ),
        }
        living = {
            name: process.identity for name, process in run.processes.items() if process.returncode is None
        }
        directories = tuple(str(path) for path in run.removed_at_the_end)
        practice = (
            {"account": sandbox.account_id, "url": sandbox.gateway.url, "token": sandbox.gateway.token}
            if sandbox
            else {}
        )
        return cls(run.id, living, directories, places, opened.environments, practice)

    @classmethod
    def read(cls, state: Path) -> Self | None:
        """Read what is up, None if nothing was started."""
        try:
            told = json.loads((state / FILE).read_text())
        except FileNotFoundError:
            return None
        processes = {name: Identity(**identity) for name, identity in told.pop("processes").items()}
        return cls(processes=processes, directories=tuple(told.pop("directories")), **told)

    def write(self, state: Path) -> None:
        """Keep it, whole or not at all."""
        draft = state / f".{FILE}.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(self), indent=1) + "\n")
        draft.replace(state / FILE)

    def ended(self) -> list[str]:
        """The names of those that live no more."""
        return [name for name, identity in self.processes.items() if identity.find() is None]


async def up(state: Path | None = None, services: Iterable[str] = SERVICES) -> Up:
    """Start everything and let it go; when it is up already, say so.

    Args:
        state: the directory of all runs, `.local` unless told.
        services: which of them.

    Raises:
        LocalError: something doesn't start, or a part of what was up has ended.
    """
    state = state or state_directory()
    if os.environ.get("RECOUP_LOCAL") == "docker":
        raise LocalError("containers end with the command that started them: `make up` runs on this machine")
    with _alone(state):
        return _already(state) or await _start(state, list(services))


def _already(state: Path) -> Up | None:
    """What is up whole, None if nothing is."""
    there = Up.read(state)
    if there is None:
        return None
    ended = there.ended()
    if ended and len(ended) < len(there.processes):
        raise LocalError(
            f"{', '.join(ended)} ended since `make up` (logs: {there.places['logs']}): `make down`"
        )
    if ended:  # all of them: the machine was restarted
        _end(state, there)
        return None
    return there


async def _start(state: Path, services: list[str]) -> Up:
    run = Run(state)
    try:
        opened = await open_house(run, services=services, say=print)
        print("starting the services")
        await opened.start(*services)
        sandbox = await _sandbox(opened) if set(services) == set(SERVICES) else None
        there = Up.of(run, opened, sandbox)
        there.write(state)
    except BaseException:
        await run.close()
        raise
    await run.let_go()
    return there


async def _sandbox(opened: House) -> Sandbox:
    """Connect a sandbox merchant, whose clock shows real time until it is told otherwise."""
    print("connecting a sandbox merchant to the practice gateway")
    async with await open_sandbox(opened, begins=datetime.now(UTC)) as sandbox:
        await sandbox.run_clock(1)
        return sandbox


@contextmanager
def _alone(state: Path) -> Iterator[None]:
    """Keep another `make up` or `make down` of this directory out.

    Raises:
        LocalError: there is one.
    """
    with (state / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LocalError("another `make up` or `make down` is at work here") from None
        yield


def down(state: Path | None = None) -> list[str]:
    """End everything that `up` started, and what that started, and remove its data; logs stay.

    Returns:
        What was ended, by name or pid.
    """
    state = state or state_directory()
    with _alone(state):
        there = Up.read(state)
        return [] if there is None else _end(state, there)


def _end(state: Path, there: Up) -> list[str]:
    names = {identity.pid: name for name, identity in there.processes.items()}
    pids = end(there.run, list(there.processes.values()))
    deadline = time.monotonic() + MOMENT
    while (left := [process.pid for process in marked(there.run)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        raise LocalError(f"these processes don't end: {left}")
    for directory in there.directories:
        shutil.rmtree(directory, ignore_errors=True)
    (state / FILE).unlink()
    return [names.get(pid, str(pid)) for pid in pids]


def become(service: str, arguments: list[str]) -> None:
    """Become a command of a service of what is up, with its environment. Doesn't return.

    Raises:
        LocalError: nothing is up, or there is no such service.
    """
    there = Up.read(state_directory())
    if there is None:
        raise LocalError("nothing is up: `make up`")
    if service not in there.environments:
        raise LocalError(f"{service} is no service: {', '.join(there.environments)}")
    program = str(console_script(service))
    os.execve(program, [program, *arguments], os.environ | there.environments[service])  # noqa: S606 - no shell is the point


async def renew(count: int, seed: int) -> dict[str, int]:
    """Let subscriptions of the sandbox merchant renew and fail; give how many for which reason.

    Raises:
        LocalError: nothing is up, or the practice gateway refuses.
    """
    there = Up.read(state_directory())
    if there is None or not there.practice:
        raise LocalError("no practice gateway is up: `make up`")
    body = {"account": there.practice["account"], "count": count, "seed": seed}
    told = await control(there.practice["url"], there.practice["token"], "POST", "/renewals", body)
    reasons: dict[str, int] = told["by_reason"]
    return reasons


def run_up() -> Up:
    """Start everything, from a command line."""
    return asyncio.run(up())
