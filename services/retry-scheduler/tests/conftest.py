"""What the scheduler's tests share."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from recoup_chassis.postgres import Database
from recoup_local.pytest_plugin import ServiceDatabases
from recoup_retry_scheduler.cases.domain.case import Policy

from .scheduler_bench import Merchant
from .scheduler_command import Command
from .scheduler_life import Life


@pytest.fixture
def life() -> Life:
    """A customer of a merchant with the default policy."""
    return Life()


@pytest.fixture
def life_with() -> Callable[..., Life]:
    """A customer of a merchant with another policy."""

    def make(**policy: Any) -> Life:
        return Life(policy=replace(Policy(), **policy))

    return make


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command of rehearsal."""
    return Command(capsys, monkeypatch)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def scheduler(database: ServiceDatabases) -> AsyncIterator[Database]:
    """The scheduler's own database."""
    own = await database.fresh("retry-scheduler")
    async with await Database.connect(own.app_dsn, source="/recoup/retry-scheduler") as connected:
        yield connected


@pytest_asyncio.fixture(loop_scope="session")
async def merchant(scheduler: Database) -> Merchant:
    """A sandbox merchant of its own."""
    return await Merchant(scheduler).start()
