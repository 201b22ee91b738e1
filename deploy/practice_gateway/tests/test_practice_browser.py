"""The pages in a real browser, at a phone's and a desktop's width."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

if TYPE_CHECKING:
    from deploy.practice_gateway.tests.conftest import Shop

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]
WIDTHS = {"phone": 360, "desktop": 1280}


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        found = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        await found.close()


@pytest.fixture(params=WIDTHS)
async def page(browser: Browser, request: pytest.FixtureRequest) -> AsyncIterator[Page]:
    found = await browser.new_page(viewport={"width": WIDTHS[request.param], "height": 800})
    yield found
    await found.close()


async def _fits(page: Page) -> bool:
    """Tell whether nothing is wider than the window."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


async def test_a_card_is_entered_authenticated_and_saved(shop: Shop, page: Page, tmp_path: Path) -> None:
    customer = await shop.customer()
    params: Any = {
        "mode": "setup",
        "customer": customer,
        "success_url": f"{shop.address}/practice/health?session={{CHECKOUT_SESSION_ID}}",
        "cancel_url": f"{shop.address}/practice/health",
    }
    session: Any = await shop.client().v1.checkout.sessions.create_async(params)

    await page.goto(session.url)
    assert await _fits(page)
    await page.screenshot(path=tmp_path / "checkout.png")
    await page.get_by_label("Card number").fill("4242 4242 4242 4243")
    await page.get_by_label("Expiry").fill("12/40")
    await page.get_by_label("Security code").fill("123")
    await page.get_by_label("Name on the card").fill("Anna Rossi")
    await page.get_by_role("button", name="Save card").click()
    await page.get_by_role("alert").wait_for()
    await page.screenshot(path=tmp_path / "checkout-error.png")
    await page.get_by_label("Card number").fill("4000 0025 0000 3155")
    await page.get_by_label("Security code").fill("123")
    await page.get_by_role("button", name="Save card").click()
    await page.get_by_role("heading", name="Is this you?").wait_for()
    assert await _fits(page)
    await page.screenshot(path=tmp_path / "challenge.png")
    await page.get_by_role("button", name="Complete authentication").click()
    await page.wait_for_url("**/practice/health?session=*")

    done = await shop.client().v1.checkout.sessions.retrieve_async(session.id)
    assert page.url.endswith(session.id)
    assert done.status == "complete"


async def test_an_invoice_is_paid_after_3d_secure(shop: Shop, page: Page, tmp_path: Path) -> None:
    invoice = await shop.open_invoice(await shop.customer([{"outcome": "authenticate"}]))
    found: Any = await shop.client().v1.invoices.retrieve_async(invoice)

    await page.goto(found.hosted_invoice_url)
    assert await _fits(page)
    await page.screenshot(path=tmp_path / "invoice.png")
    await page.get_by_role("button", name="Pay with").click()
    await page.get_by_role("button", name="Fail authentication").click()
    await page.get_by_role("alert").wait_for()
    await page.screenshot(path=tmp_path / "invoice-error.png")
    await page.get_by_role("button", name="Pay with").click()
    await page.get_by_role("button", name="Complete authentication").click()
    await page.get_by_role("status").wait_for()
    await page.screenshot(path=tmp_path / "invoice-paid.png")

    assert len(await shop.ledger()) == 1
