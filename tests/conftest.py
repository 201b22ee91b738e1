"""The whole house, once a run: four services, broker, databases, mail, and one gateway; each test its own merchant."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest_asyncio

from recoup_local.house import House, open_house
from recoup_local.practice import PracticeGateway
from recoup_local.run import Run
from recoup_local.sandbox import Sandbox, open_sandbox

OpenSandbox = Callable[..., Awaitable[Sandbox]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house() -> AsyncIterator[House]:
    """Everything runs, ended with the session."""
    async with Run() as run:
        opened = await open_house(run)
        await opened.start()
        yield opened


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateway(house: House) -> PracticeGateway:
    """One practice gateway for all merchants."""
    return await house.start_practice()


@pytest_asyncio.fixture(loop_scope="session")
async def merchant(house: House, gateway: PracticeGateway) -> AsyncIterator[OpenSandbox]:
    """Make sandbox merchants; their connections are closed at the end of the test."""
    opened: list[Sandbox] = []

    async def open_one(**how: Any) -> Sandbox:
        sandbox = await open_sandbox(house, gateway=gateway, **how)
        opened.append(sandbox)
        return sandbox

    yield open_one
    for sandbox in opened:
        await sandbox.run_clock(0)
        await sandbox.api.close()


async def mails_to(house: House, address: str) -> list[dict[str, Any]]:
    """What one customer was sent, in order. Addresses repeat over merchants; see `unique`."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{house.mail.url}/api/messages?to={address}&limit=500") as answer,
    ):
        told = await answer.json()
    messages: list[dict[str, Any]] = told["messages"]
    return messages
