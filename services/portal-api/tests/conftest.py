"""One application for all tests of this member; each makes merchants of its own."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.worlds.portal_browser import Browser
from tests.worlds.portal_events import Customer
from tests.worlds.portal_house import House, Merchant, house_of, somewhere

from recoup_local.pytest_plugin import ServiceDatabases


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house(database: ServiceDatabases) -> AsyncIterator[House]:
    """The application on a real port and a real Postgres."""
    async with house_of(await database("portal-api")) as opened:
        yield opened


@pytest.fixture
def browser(house: House) -> Browser:
    return Browser(house, {}, somewhere())


@pytest_asyncio.fixture
async def merchant(house: House) -> Merchant:
    return await house.merchant(name="Biscotti <& Co>")


@pytest_asyncio.fixture
async def customer(house: House, merchant: Merchant) -> Customer:
    """A customer who owes €19.99."""
    found = Customer(merchant.merchant_id)
    await house.tell([found.case(), found.updated(email="Ada@Example.org")])
    return found
