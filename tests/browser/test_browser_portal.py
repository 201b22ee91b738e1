"""The merchant's payment page: a link by mail, a button, a list, a card on file."""

import pytest
from playwright.async_api import expect

from recoup_local.eventually import eventually

from .conftest import OpenWindow, Owing, Shop
from .test_browser_paying import open_link, received
from .windows import Window

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

SAID = {
    "en": {
        "email": "E-mail address",
        "send": "Send me a link",
        "in": "Sign in",
        "pay": "Pay",
        "out": "Sign out",
    },
    "it": {
        "email": "Indirizzo e-mail",
        "send": "Mandatemi un link",
        "in": "Accedi",
        "pay": "Paga",
        "out": "Esci",
    },
}


async def sign_in(shop: Shop, at: Window, owing: Owing) -> str:
    """Ask for a link, open it from the mail, press the button; give the link."""
    words, home = SAID[owing.language], f"{shop.house.portal_url}/m/{shop.sandbox.merchant_id}"
    await at.page.goto(home)
    await at.state("signin")
    await at.focus_shows()
    await at.page.get_by_label(words["email"]).fill(owing.renewal["email"])
    await at.press(words["send"])
    await at.state("sent")
    mail = await eventually(lambda: shop.mail(owing.renewal["email"], "/sign-in/"))
    assert mail is not None
    link = str(next(link for link in mail["links"] if "/sign-in/" in link))
    await at.page.goto(link)
    await at.state("confirm")
    await at.page.reload()
    await at.press(words["in"])
    await at.state("list")
    return link


@pytest.mark.parametrize(("width", "language"), [("phone", "en"), ("desktop", "it")])
async def test_whoever_signs_in_by_mail_sees_what_is_owed_and_pays_with_the_card_on_file(
    shop: Shop, window: OpenWindow, width: str, language: str
) -> None:
    owing = await shop.owing("processing_error_once", language)
    at = await window(width, language=language, refusals=frozenset({410}))
    link = await sign_in(shop, at, owing)
    assert owing.amount in await at.page.locator(".amount").inner_text()
    await at.focus_shows()
    await at.press(SAID[language]["pay"])
    await at.state("owed")
    await at.page.locator(".cards button").first.click()
    await received(shop, at, owing)
    await at.page.goto(f"{shop.house.portal_url}/m/{shop.sandbox.merchant_id}")
    await expect(at.page.locator(".amount")).to_have_count(0)
    await at.look("list-empty")
    await at.press(SAID[language]["out"])
    await at.page.locator("[data-state=signin]").wait_for()
    await at.page.goto(link)
    await at.state("stale")


@pytest.mark.parametrize("width", ["phone", "desktop"])
async def test_a_card_on_file_that_is_refused_again_is_told_kindly(
    shop: Shop, window: OpenWindow, width: str
) -> None:
    owing = await shop.owing("insufficient_funds")
    at = await window(width)
    await open_link(at, owing)
    await at.page.locator(".cards button").first.click()
    await at.state("declined")
    assert "not enough money" in await at.sheet.inner_text()
    assert await shop.captures(owing) == 0
