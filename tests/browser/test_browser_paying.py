"""From the mail to "payment received", in a browser: a new card, a refused card, no script at all."""

import sys
import time
from statistics import median
from typing import Any

import pytest

from recoup_local.eventually import eventually

from .conftest import OpenWindow, Owing, Shop
from .windows import Window

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

PAY = {"en": "Pay with a new card", "it": "Paga con una nuova carta"}
RECEIVED = {"en": "Payment received", "it": "Pagamento ricevuto"}
GOOD, REFUSED_AT_ONCE, REFUSED_LATER, POOR = (
    "4242 4242 4242 4242",
    "4000 0000 0000 0002",
    "4000 0000 0000 0341",
    "4000 0000 0000 9995",
)


async def open_link(at: Window, owing: Owing, name: str = "owed") -> None:
    """Open the pay link; the page shows what is owed."""
    await at.page.goto(owing.link)
    await at.state("owed")
    assert owing.amount in await at.page.locator(".amount").inner_text()
    assert "Acme Coffee" in await at.page.get_by_role("heading", level=1).inner_text()


async def received(shop: Shop, at: Window, owing: Owing) -> None:
    """The page says so, and so do case and ledger."""
    await at.state("passed")
    assert await at.page.get_by_role("heading", level=1).inner_text() == RECEIVED[owing.language]

    async def recovered() -> bool:
        return bool((await shop.case(owing))["state"] == "recovered")

    await eventually(recovered)
    assert await shop.captures(owing) == 1


@pytest.mark.parametrize("width", ["phone", "desktop"])
@pytest.mark.parametrize("language", ["en", "it"])
async def test_a_new_card_from_the_mail_pays_and_the_page_says_so_by_itself(
    shop: Shop, window: OpenWindow, width: str, language: str
) -> None:
    owing = await shop.owing(language=language)
    at = await window(width, language=language)
    await open_link(at, owing)
    await at.focus_shows()
    await at.press(PAY[language])
    await at.page.get_by_label("Card number").wait_for()
    await at.look("gateway-card", language="en")
    await at.focus_shows()
    await at.type_card(GOOD)
    await received(shop, at, owing)


@pytest.mark.parametrize("width", ["phone", "desktop"])
async def test_a_card_refused_when_charged_is_told_kindly_and_another_may_follow(
    shop: Shop, window: OpenWindow, width: str
) -> None:
    owing = await shop.owing(language="it" if width == "phone" else "en")
    at = await window(width, language=owing.language)
    await open_link(at, owing)
    await at.press(PAY[owing.language])
    await at.type_card(REFUSED_LATER)
    await at.state("declined")
    said = await at.sheet.inner_text()
    assert ("La sua banca ha rifiutato" if owing.language == "it" else "Your bank declined") in said
    assert ("Non è stato addebitato nulla" if owing.language == "it" else "Nothing was charged") in said
    assert await shop.captures(owing) == 0
    await at.press("Prova un'altra carta" if owing.language == "it" else "Try another card")
    await at.state("owed")
    await at.press(PAY[owing.language])
    await at.type_card(GOOD)
    await received(shop, at, owing)


@pytest.mark.parametrize("width", ["phone", "desktop"])
async def test_a_card_that_cannot_be_saved_is_refused_on_the_gateways_page(
    shop: Shop, window: OpenWindow, width: str
) -> None:
    owing = await shop.owing()
    at = await window(width, refusals=frozenset({402}))
    await open_link(at, owing)
    await at.press(PAY["en"])
    for number in (REFUSED_AT_ONCE, POOR):
        await at.type_card(number)
        await at.page.get_by_role("alert").wait_for()
        await at.look("gateway-refused")
    await at.press("Go back without saving")
    await at.state("owed")
    await at.press(PAY["en"])
    await at.type_card(GOOD)
    await received(shop, at, owing)


@pytest.mark.parametrize("width", ["phone", "desktop"])
async def test_without_scripts_one_more_button_leads_to_the_same_end(
    shop: Shop, window: OpenWindow, width: str
) -> None:
    owing = await shop.owing()
    at = await window(width, scripts=False)
    await open_link(at, owing)
    await at.press(PAY["en"])
    await at.type_card(GOOD)
    await at.state("return")
    await at.press("Continue")
    await received(shop, at, owing)


async def test_back_from_the_card_page_the_customer_is_told_without_waiting(
    shop: Shop, window: OpenWindow
) -> None:
    took = []
    for _ in range(10):
        owing = await shop.owing()
        at = await window("phone")
        await open_link(at, owing)
        await at.press(PAY["en"])
        back: list[float] = []
        asked: list[str] = []

        def arrived(request: Any, back: list[float] = back, asked: list[str] = asked) -> None:
            if "/return" in request.url and request.resource_type == "document":
                back.append(time.monotonic())
                asked.append(request.method)

        at.page.on("request", arrived)
        await at.type_card(GOOD)
        await at.page.locator("[data-state=passed]").wait_for()
        took.append(time.monotonic() - back[0])
        assert asked == ["GET", "POST", "GET"], (
            "it came back, charged, and the first page that it saw said so"
        )
    sys.stdout.write(
        f"told {median(took):.2f} s after the return, at most {max(took):.2f} s, of {len(took)}\n"
    )
