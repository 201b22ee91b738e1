"""3-D Secure: the bank asks, and the page tells what came of it."""

import pytest
from playwright.async_api import Page

from .conftest import OpenWindow, Owing, Shop
from .test_browser_paying import GOOD, PAY, open_link, received
from .windows import Window

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

ASKS_WHEN_SAVED, ASKS_ALWAYS = "4000 0025 0000 3155", "4000 0027 6000 3184"


async def asked(at: Window) -> Page:
    """Follow the page to the bank, which opens beside it."""
    await at.state("authenticate")
    async with at.page.context.expect_page() as beside:
        await at.press("Confirm with your bank")
    bank = await beside.value
    await bank.get_by_role("heading", level=1).wait_for()
    await at.look("gateway-invoice", page=bank)
    await bank.get_by_role("button", name="Confirm with your bank").click()
    await bank.get_by_role("button", name="Complete authentication").wait_for()
    await at.look("bank", page=bank)
    return bank


async def enter_card(at: Window, owing: Owing, number: str) -> None:
    """Type a card; the bank asks before it is saved."""
    await open_link(at, owing)
    await at.press(PAY["en"])
    await at.type_card(number)
    await at.page.get_by_role("button", name="Complete authentication").wait_for()
    await at.look("bank-saving")


@pytest.mark.parametrize(("width", "card"), [("phone", ASKS_WHEN_SAVED), ("desktop", ASKS_ALWAYS)])
async def test_a_payment_confirmed_at_the_bank_is_received_on_the_page_that_waits(
    shop: Shop, window: OpenWindow, width: str, card: str
) -> None:
    owing = await shop.owing()
    at = await window(width)
    await enter_card(at, owing, card)
    await at.press("Complete authentication")
    bank = await asked(at)
    await bank.get_by_role("button", name="Complete authentication").click()
    await bank.get_by_role("status").wait_for()
    await at.look("gateway-invoice-paid", page=bank)
    await received(shop, at, owing)


@pytest.mark.parametrize("width", ["phone", "desktop"])
async def test_a_payment_refused_at_the_bank_is_told_and_another_card_may_follow(
    shop: Shop, window: OpenWindow, width: str
) -> None:
    owing = await shop.owing()
    at = await window(width, refusals=frozenset({402}))
    await enter_card(at, owing, ASKS_ALWAYS)
    await at.press("Complete authentication")
    bank = await asked(at)
    await bank.get_by_role("button", name="Fail authentication").click()
    await bank.get_by_role("alert").wait_for()
    await at.look("gateway-invoice-refused", page=bank)
    await at.state("declined")
    assert await shop.captures(owing) == 0
    await at.press("Try another card")
    await at.press(PAY["en"])
    await at.type_card(GOOD)
    await received(shop, at, owing)
