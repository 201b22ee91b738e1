"""One application for all tests of this member; each makes merchants of its own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from recoup_local.pytest_plugin import ServiceDatabases

from .portal_house import House, house_of


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(database: ServiceDatabases) -> AsyncIterator[House]:
    """The application on a real port and a real Postgres."""
    async with house_of(await database("portal-api")) as opened:
        yield opened
