"""The customer's pages over real HTTP, up to what they ask of other services."""

import re
from uuid import uuid4

import pytest
from tests.worlds.portal_browser import Browser
from tests.worlds.portal_events import Customer, forged
from tests.worlds.portal_house import House, Merchant

from recoup_events.values import CaseState, InvoiceStatus
from recoup_portal_api.customer import store

pytestmark = pytest.mark.postgres


async def actions(house: House, customer: Customer) -> int:
    async with house.db.transaction([customer.merchant_id]) as tx:
        return int(await tx.fetchval("SELECT count(*) FROM customer_actions"))


async def test_a_pay_link_shows_what_is_owed_and_by_whom_it_is_asked(
    browser: Browser, customer: Customer
) -> None:
    page = await browser.go(f"/pay/{customer.link()}")
    assert (page.status, page.state) == (200, "owed")
    assert "€19.99" in page.html
    assert "Biscotti &lt;&amp; Co&gt;" in page.html
    assert "R-2026-0017" in page.html
    assert "Ada" not in page.html


async def test_the_page_speaks_italian_to_whom_it_may_concern(
    house: House, browser: Browser, customer: Customer
) -> None:
    page = await browser.go(f"/pay/{customer.link()}", language="de, it-IT;q=0.8, en;q=0.5")
    assert "19,99\xa0€" in page.html
    assert 'lang="it-IT"' in page.html
    await house.tell([customer.updated(2, email="ada@example.org", locale="en_GB")])
    page = await browser.go(f"/pay/{customer.link()}", language="it")
    assert "€19.99" in page.html


async def test_pages_are_safe_from_caches_frames_and_foreign_scripts(
    browser: Browser, customer: Customer
) -> None:
    page = await browser.go(f"/pay/{customer.link()}")
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    nonce = re.search(r"'nonce-([^']+)'", policy)
    assert nonce
    assert re.findall(r"<script[^>]*>", page.html) == [
        tag for tag in re.findall(r"<script[^>]*>", page.html) if f'nonce="{nonce[1]}"' in tag
    ]
    assert "<style" not in page.html
    assert " style=" not in page.html
    again = await browser.go(f"/pay/{customer.link()}")
    assert nonce[1] not in again.headers["Content-Security-Policy"]


@pytest.mark.parametrize("wrong", ["x", "1.a.b.c", "1.YQ.YQ.YQ", "%00", "1." + "A" * 5000, "2.a.b.c"])
async def test_what_is_no_link_shows_nothing(browser: Browser, wrong: str) -> None:
    page = await browser.go(f"/pay/{wrong}")
    assert (page.status, page.state) == (404, "nolink")


async def test_a_forged_link_shows_nothing(browser: Browser, customer: Customer) -> None:
    for token in (forged(customer.link()), customer.link(key_id="k2")):
        page = await browser.go(f"/pay/{token}")
        assert (page.status, page.state) == (404, "nolink")
        assert (await browser.post(f"/pay/{token}/card", mark="x")).status == 404


async def test_a_link_signed_for_one_merchant_opens_nothing_at_another(
    house: House, browser: Browser, customer: Customer
) -> None:
    other = Customer((await house.merchant()).merchant_id)
    page = await browser.go(f"/pay/{other.link(customer.case_id())}")
    assert (page.status, page.state) == (503, "notyet")
    assert "19.99" not in page.html


@pytest.mark.parametrize(
    ("state", "says"),
    [(CaseState.RECOVERED, "settled"), (CaseState.ENDED, "gone"), (CaseState.REVERSED, "gone")],
)
async def test_a_link_dies_with_its_case(
    house: House, browser: Browser, customer: Customer, state: CaseState, says: str
) -> None:
    before = await browser.go(f"/pay/{customer.link()}")
    await house.tell([customer.case(2, state)])
    page = await browser.go(f"/pay/{customer.link()}")
    assert (page.status, page.state) == (410, says)
    assert "19.99" not in page.html
    tried = await browser.post(f"/pay/{customer.link()}/card", mark=before.mark)
    assert (tried.status, tried.headers["Location"]) == (303, f"/pay/{customer.link()}")


@pytest.mark.parametrize(
    ("status", "minor", "says"),
    [
        (InvoiceStatus.PAID, 0, "settled"),
        (InvoiceStatus.VOID, 1999, "gone"),
        (InvoiceStatus.UNCOLLECTIBLE, 1999, "gone"),
        (InvoiceStatus.OPEN, 999, "owed"),
    ],
)
async def test_a_page_believes_the_invoice_before_the_case(
    house: House, browser: Browser, customer: Customer, status: InvoiceStatus, minor: int, says: str
) -> None:
    await house.tell([customer.invoice_updated(3, status, minor)])
    page = await browser.go(f"/pay/{customer.link()}")
    assert page.state == says
    assert ("€9.99" in page.html) is (says == "owed")


async def test_all_that_the_customer_owes_in_the_account_is_shown_and_summed(
    house: House, browser: Browser, customer: Customer
) -> None:
    await house.tell([customer.case(invoice=customer.invoice("in_second", minor=501))])
    page = await browser.go(f"/pay/{customer.link()}")
    assert all(amount in page.html for amount in ("€25.00", "€19.99", "€5.01"))


async def test_a_scanner_that_opens_everything_changes_nothing(
    house: House, browser: Browser, customer: Customer
) -> None:
    link = customer.link()
    for path in ("", "/return?session=cs_1", "/return/00000000-0000-0000-0000-000000000000"):
        for method in ("GET", "HEAD"):
            assert (await browser.go(f"/pay/{link}{path}", method)).status in {200, 404}
    for path in ("/card", "/pay", "/sign-in"):
        assert (await browser.go(f"/pay/{link}{path}")).status == 405
    assert await actions(house, customer) == 0


async def test_a_form_from_elsewhere_is_refused(browser: Browser, customer: Customer, house: House) -> None:
    link = customer.link()
    good = (await browser.go(f"/pay/{link}")).mark
    for mark in ("", "x", good[:-2] + "xx", "\udc80"):
        page = await browser.post(f"/pay/{link}/card", mark=mark.encode("utf-8", "replace").decode())
        assert page.status in {403, 404}
    headers = {"Sec-Fetch-Site": "cross-site", "Accept-Language": "en"}
    url = f"{house.url}/pay/{link}/card"
    async with house.http.post(url, data={"mark": good}, headers=headers) as answer:
        assert answer.status == 403


async def test_while_gateway_adapter_is_down_the_page_stands_and_says_so_kindly(
    browser: Browser, customer: Customer, house: House
) -> None:
    page = await browser.go(f"/pay/{customer.link()}")
    assert "Your cards on file" in page.html
    for path, more in (("card", {}), ("pay", {"instrument_id": "pm_1"})):
        tried = await browser.post(f"/pay/{customer.link()}/{path}", mark=page.mark, **more)
        assert (tried.status, tried.state) == (503, "down")
        assert f'href="/pay/{customer.link()}"' in tried.html
    assert await actions(house, customer) == 0


async def test_a_page_that_is_hammered_asks_for_patience(browser: Browser, customer: Customer) -> None:
    mark = (await browser.go(f"/pay/{customer.link()}")).mark
    statuses = [(await browser.post(f"/pay/{customer.link()}/card", mark=mark)).status for _ in range(12)]
    assert statuses == [503] * 10 + [429] * 2


async def test_coming_back_sends_itself_by_a_form_and_knows_its_own_sessions_only(
    browser: Browser, customer: Customer
) -> None:
    page = await browser.go(f"/pay/{customer.link()}/return?session=cs_of_somebody_else")
    assert page.state == "return"
    assert "data-by-itself" in page.html
    back = await browser.post(f"/pay/{customer.link()}/return", mark=page.mark, session="cs_of_somebody_else")
    assert (back.status, back.state) == (404, "nopage")


async def test_a_result_that_cannot_be_told_yet_is_waited_for_and_never_called_a_failure(
    house: House, browser: Browser, customer: Customer
) -> None:
    action_id = uuid4()
    async with house.portal.db.transaction([customer.merchant_id]) as tx:
        begun = [store.Action("payment", str(uuid4()), customer.invoice_id)]
        await store.add_actions(tx, customer.merchant_id, customer.case_id(), action_id, begun)
    await house.tell([customer.case(2, CaseState.RECOVERED)])
    page = await browser.go(f"/pay/{customer.link()}/return/{action_id}")
    assert (page.status, page.state) == (200, "working")
    assert "data-poll" in page.html
    other = Customer(customer.merchant_id)
    await house.tell([other.case()])
    page = await browser.go(f"/pay/{other.link()}/return/{action_id}")
    assert (page.status, page.state) == (404, "nopage")


async def test_a_merchant_may_demand_a_sign_in_before_anything_is_shown(
    house: House, browser: Browser, customer: Customer, merchant: Merchant
) -> None:
    await house.ask("PUT", "/v1/settings/portal", merchant, json={"require_sign_in": True})
    page = await browser.go(f"/pay/{customer.link()}")
    assert page.state == "knock"
    assert "19.99" not in page.html
    assert (await browser.post(f"/pay/{customer.link()}/card", mark=page.mark)).status == 303
    sent = await browser.post(f"/pay/{customer.link()}/sign-in", mark=page.mark)
    assert (sent.status, sent.state) == (202, "sent")


async def test_an_unknown_page_is_told_in_the_readers_language(browser: Browser) -> None:
    page = await browser.go("/nothing", language="it")
    assert (page.status, page.state) == (404, "nopage")
    assert "Questa pagina non esiste" in page.html


async def test_style_and_script_may_be_kept(browser: Browser, customer: Customer) -> None:
    page = await browser.go(f"/pay/{customer.link()}")
    for found in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.html):
        asset = await browser.go(found)
        assert (asset.status, "immutable" in asset.headers["Cache-Control"]) == (200, True)
