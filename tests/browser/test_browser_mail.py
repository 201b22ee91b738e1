"""The mails themselves, as a mail program shows their HTML part."""

import pytest

from recoup_local.eventually import eventually

from .conftest import OpenWindow, Shop
from .test_browser_paying import GOOD, PAY, open_link, received

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.parametrize("width", ["phone", "desktop"])
@pytest.mark.parametrize(
    ("language", "reason"),
    [("en", "insufficient_funds"), ("it", "expired_card"), ("en", "authentication_required")],
)
async def test_the_mail_about_a_failure_is_readable_and_has_one_button(
    shop: Shop, window: OpenWindow, width: str, language: str, reason: str
) -> None:
    owing = await shop.owing(reason, language)
    at = await window(width, language=language)
    await at.page.goto(f"{shop.house.mail.url}/messages/{owing.mail['id']}/html")
    await at.look(f"mail-{reason}")
    assert owing.amount in await at.page.locator("body").inner_text()
    assert await at.page.locator("a.button").count() == 1
    assert await at.page.locator("a.button").get_attribute("href") == owing.link


@pytest.mark.parametrize(("width", "language"), [("phone", "it"), ("desktop", "en")])
async def test_the_mail_that_all_is_set_follows_the_payment(
    shop: Shop, window: OpenWindow, width: str, language: str
) -> None:
    owing = await shop.owing(language=language)
    at = await window(width, language=language)
    await open_link(at, owing)
    await at.press(PAY[language])
    await at.type_card(GOOD)
    await received(shop, at, owing)

    async def thanked() -> int | None:
        mail = await shop.mail(owing.renewal["email"], "/m/")
        return int(mail["id"]) if mail and mail["id"] != owing.mail["id"] else None

    await at.page.goto(f"{shop.house.mail.url}/messages/{await eventually(thanked)}/html")
    await at.look("mail-all-set")
    assert owing.amount in await at.page.locator("body").inner_text()
    assert await at.page.locator("a.button").count() == 0
