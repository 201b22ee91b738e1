"""Services that are started again the moment they are killed, as under whoever operates a house."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import psutil

from recoup_local.house import SERVICES, House
from recoup_local.ports import free_port
from recoup_local.processes import lives
from recoup_local.pytest_plugin import eventually
from recoup_local.services import Service

from .tally import ROOT

LEAVES_WITHIN = 120.0
"""Seconds; a limit against hanging."""

PROGRAM = "tests.faults.supervisor"


@asynccontextmanager
async def supervised(
    house: House, names: Sequence[str] = SERVICES, environment: Mapping[str, str] | None = None
) -> AsyncIterator[None]:
    """Run services under a supervisor; afterwards as before.

    Args:
        names: which of them.
        environment: what they are told besides their own; who is told to fail is not waited for.
    """
    usual = {name: house.services[name] for name in names}
    await _replace(
        house,
        {
            name: Service(
                house.run,
                name,
                {**service.environment, **(environment or {}), "PYTHONPATH": str(ROOT)},
                command=[sys.executable, "-m", PROGRAM, name],
            )
            for name, service in usual.items()
        },
    )
    try:
        if environment is None:
            await _ready(house, names)
        yield
    finally:
        await _replace(house, usual)
        await _ready(house, names)


@asynccontextmanager
async def joined(house: House, names: Sequence[str] = SERVICES) -> AsyncIterator[list[str]]:
    """Run a second replica of services, one that has another name at each start; give what they are called."""
    more = {}
    for name in names:
        ports = {port: "0" for port in house.environments[name] if port.endswith("_PORT")}
        told = {**house.environments[name], **ports, "OPS_PORT": str(free_port()), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", PROGRAM, name]
        service = Service(house.run, name, {**told, "NEW_NAMES": ""}, replica="1", command=command)
        more[service.process_name] = service
    for service in more.values():
        service.launch()
    house.services.update(more)
    try:
        await asyncio.gather(*(service.ready() for service in more.values()))
        yield list(more)
    finally:
        for name in more:
            await house.services.pop(name).kill()


async def _replace(house: House, services: Mapping[str, Service]) -> None:
    """Kill what runs and launch these."""
    await asyncio.gather(*(house.services[name].kill() for name in services))
    house.services.update(services)
    for service in services.values():
        service.launch()


async def _ready(house: House, names: Sequence[str]) -> None:
    await asyncio.gather(*(house.services[name].ready() for name in names))


async def kill(house: House, name: str) -> None:
    """Kill -9 a supervised service as soon as it runs; its supervisor starts it again."""
    running = await _running(house, name)
    running.kill()
    await eventually(lambda: not lives(running))


async def restart(house: House, name: str) -> None:
    """Ask a supervised service to end (SIGTERM) and wait until it has, and is ready again.

    Raises:
        AssertionError: it does not leave.
    """
    running = await _running(house, name)
    running.terminate()
    await eventually(lambda: not lives(running), within=LEAVES_WITHIN)
    await house.services[name].ready()


async def _running(house: House, name: str) -> psutil.Process:
    supervisor = psutil.Process(house.services[name].process.pid)
    (running,) = await eventually(supervisor.children)
    return running
