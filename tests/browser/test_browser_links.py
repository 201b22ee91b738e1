"""Links that are dead, forged or merely looked at."""

import aiohttp
import pytest

from recoup_local.eventually import eventually

from .conftest import OpenWindow, Owing, Shop
from .test_browser_paying import GOOD, PAY, open_link, received

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

SETTLED = {"en": "All settled", "it": "Tutto saldato"}


async def forged(owing: Owing) -> str:
    """Give the link with one letter of its signature changed."""
    at = len(owing.link) - 20
    letter = "A" if owing.link[at] != "A" else "B"
    return owing.link[:at] + letter + owing.link[at + 1 :]


async def sessions(shop: Shop) -> int:
    """How many card pages the gateway was asked for."""
    told = await shop.sandbox.stripe("GET", "/v1/checkout/sessions?limit=100")
    return len(told["data"])


@pytest.mark.parametrize(("width", "language"), [("phone", "it"), ("desktop", "en")])
async def test_the_link_of_a_paid_case_says_that_all_is_settled(
    shop: Shop, window: OpenWindow, width: str, language: str
) -> None:
    owing = await shop.owing(language=language)
    at = await window(width, language=language, refusals=frozenset({410}))
    await open_link(at, owing)
    await at.press(PAY[language])
    await at.type_card(GOOD)
    await received(shop, at, owing)
    await at.page.goto(owing.link)
    await at.state("settled")
    assert await at.page.get_by_role("heading", level=1).inner_text() == SETTLED[language]
    assert owing.amount not in await at.sheet.inner_text()
    assert await at.page.locator("form").count() == 0


@pytest.mark.parametrize("width", ["phone", "desktop"])
async def test_the_link_of_a_case_that_ended_asks_for_nothing(
    shop: Shop, window: OpenWindow, width: str
) -> None:
    owing = await shop.owing()
    await shop.sandbox.stripe("POST", f"/v1/invoices/{owing.renewal['invoice']}/void")

    async def ended() -> bool:
        return bool((await shop.case(owing))["state"] == "ended")

    await eventually(ended)
    at = await window(width, refusals=frozenset({410}))
    await at.page.goto(owing.link)
    await at.state("gone")
    assert owing.amount not in await at.page.content()
    assert await at.page.locator("form").count() == 0


@pytest.mark.parametrize("width", ["phone", "desktop"])
async def test_a_forged_link_shows_nothing(shop: Shop, window: OpenWindow, width: str) -> None:
    owing = await shop.owing()
    at = await window(width, refusals=frozenset({404}))
    await at.page.goto(await forged(owing))
    await at.state("nolink")
    assert "Acme" not in await at.page.content()


async def test_looking_has_no_effect(shop: Shop) -> None:
    owing = await shop.owing()
    before = await sessions(shop)
    async with aiohttp.ClientSession() as http:
        for method in ("HEAD", "GET", "HEAD", "GET"):
            for path in ("", "/card", "/pay", "/return?session=cs_unknown"):
                async with http.request(method, owing.link + path, allow_redirects=False) as answer:
                    assert answer.status in {200, 404, 405}, f"{method} {path}"
                    assert not (method == "HEAD" and await answer.read())
    assert await sessions(shop) == before
    assert await shop.captures(owing) == 0
    assert (await shop.case(owing))["state"] == "waiting"
