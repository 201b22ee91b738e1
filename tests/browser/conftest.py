"""Real browser pages at a phone's and a desktop's width, and customers who owe something."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser, async_playwright
from tests.conftest import mails_to

from recoup_local.eventually import eventually
from recoup_local.house import House
from recoup_local.practice import PracticeGateway
from recoup_local.sandbox import Sandbox, open_sandbox

from .windows import Window, open_window

OpenWindow = Callable[..., Awaitable[Window]]


@dataclass(frozen=True)
class Owing:
    """A customer whose renewal failed, and the mail about it."""

    renewal: dict[str, Any]
    mail: dict[str, Any]
    language: str

    @property
    def link(self) -> str:
        """The pay link, as the mail has it."""
        return str(next(link for link in self.mail["links"] if "/pay/" in link))

    @property
    def amount(self) -> str:
        """What is owed, in digits: `12.00` or `12,00`."""
        digits = f"{self.renewal['amount'] / 100:.2f}"
        return digits.replace(".", ",") if self.language == "it" else digits


@dataclass(frozen=True)
class Shop:
    """One merchant; its clock stands still, so that nothing is tried meanwhile."""

    house: House
    sandbox: Sandbox

    async def owing(self, reason: str = "expired_card", language: str = "en") -> Owing:
        """Let a renewal fail and wait for the mail about it."""
        italian = 1 if language == "it" else 0
        (renewal,) = await self.sandbox.renewals(1, mix={reason: 1}, italian=italian)
        mail = await eventually(lambda: self.mail(renewal["email"]), within=60)
        return Owing(renewal, mail, language)

    async def mail(self, address: str, having: str = "/pay/") -> dict[str, Any] | None:
        """Give the last mail to somebody with such a link."""
        mails = await mails_to(self.house, address)
        found = [mail for mail in mails if any(having in link for link in mail["links"])]
        return found[-1] if found else None

    async def captures(self, owing: Owing) -> int:
        """How often the gateway's ledger has taken the money."""
        told = (await self.sandbox.ledger())["invoices"].get(owing.renewal["invoice"])
        return int(told["captures"]) if told else 0

    async def case(self, owing: Owing) -> dict[str, Any]:
        """Give the case."""
        return next(
            case for case in await self.sandbox.api.cases() if case["invoice_id"] == owing.renewal["invoice"]
        )


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """One browser a run."""
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(house: House, gateway: PracticeGateway) -> AsyncIterator[Shop]:
    """One merchant for all browser tests; each test has customers of its own."""
    async with await open_sandbox(house, gateway=gateway) as sandbox:
        mail = {"contact": "help@acme-coffee.example", "privacy_url": "https://acme-coffee.example/privacy"}
        await sandbox.setting("mail", mail)
        yield Shop(house, sandbox)


@pytest_asyncio.fixture(loop_scope="session")
async def window(browser: Browser) -> AsyncIterator[OpenWindow]:
    """Open windows, each with cookies of its own; at the end of the test nothing may have gone wrong in any."""
    opened: list[Window] = []

    async def open_one(width: str, **how: Any) -> Window:
        opened.append(await open_window(browser, width, **how))
        return opened[-1]

    yield open_one
    complaints = [complaint for one in opened for complaint in one.complaints]
    for one in opened:
        await one.page.context.close()
    assert complaints == []
