"""The way in by mail: single use, short, silent about who is known; sessions that end."""

import asyncio
from datetime import timedelta

import pytest
from tests.worlds.portal_browser import Browser
from tests.worlds.portal_events import Customer
from tests.worlds.portal_house import House, Merchant

from recoup_portal_api.access import handlers as access, store
from recoup_portal_api.access.domain import SESSION_IDLE, SIGN_IN_MAILS

pytestmark = pytest.mark.postgres


async def invited(house: House, merchant: Merchant, address: str = "ada@example.org") -> str:
    """The path of a sign-in link as the mail would have it."""
    contact = house.portal.marks.contact(merchant.merchant_id, address)
    token = await access.invite(house.portal.db, merchant.merchant_id, contact)
    assert token is not None
    return f"/m/{merchant.merchant_id}/sign-in/{token}"


async def signed_in(
    house: House, merchant: Merchant, browser: Browser, address: str = "ada@example.org"
) -> None:
    path = await invited(house, merchant, address)
    page = await browser.go(path)
    answer = await browser.post(path, mark=page.mark)
    assert (answer.status, answer.headers["Location"]) == (303, f"/m/{merchant.merchant_id}")


async def later(house: House, merchant: Merchant, table: str, by: timedelta) -> None:
    """Let real time pass for a merchant's links or sessions: their instants move back instead."""
    async with house.db.transaction([merchant.merchant_id]) as tx:
        seen = ", seen_at = seen_at - $1::interval" if table == "sessions" else ""
        await tx.execute(
            f"UPDATE {table} SET created_at = created_at - $1::interval, expires_at = expires_at - $1::interval{seen}",  # noqa: S608  # two names of ours
            by,
        )


async def test_whoever_signs_in_sees_what_they_owe_and_can_pay_it(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    await signed_in(house, merchant, browser)
    page = await browser.go(f"/m/{merchant.merchant_id}")
    assert page.state == "list"
    assert "€19.99" in page.html
    case = f"/m/{merchant.merchant_id}/cases/{customer.case_id()}"
    owed = await browser.go(case)
    assert owed.state == "owed"
    tried = await browser.post(f"{case}/card", mark=owed.mark)
    assert (tried.status, tried.state) == (503, "down")
    assert f'href="{case}"' in tried.html


async def test_the_cookie_is_for_the_browser_alone(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    path = await invited(house, merchant)
    answer = await browser.post(path, mark=(await browser.go(path)).mark)
    cookie = answer.cookies[f"s_{merchant.merchant_id}"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "lax"
    assert cookie["path"] == "/"
    kept = await house.as_owner("SELECT session_hash FROM sessions")
    assert all(cookie.value.encode() not in row["session_hash"] for row in kept)


async def test_of_a_hundred_who_press_the_button_at_once_one_gets_in(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    path = await invited(house, merchant)
    mark = (await browser.go(path)).mark
    answers = await asyncio.gather(*(browser.post(path, mark=mark) for _ in range(100)))
    assert sorted(answer.status for answer in answers) == [303] + [410] * 99


async def test_a_scanner_that_opens_the_link_leaves_it_good(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    path = await invited(house, merchant)
    for method in ("GET", "HEAD", "GET", "OPTIONS"):
        await browser.go(path, method)
    page = await browser.go(path)
    assert (page.status, page.state) == (200, "confirm")
    assert "data-by-itself" not in page.html
    assert (await browser.post(path, mark=page.mark)).status == 303


async def test_a_used_an_old_and_a_made_up_link_look_the_same(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    used, old = await invited(house, merchant), await invited(house, merchant)
    marks = {path: (await browser.go(path)).mark for path in (used, old)}
    assert (await browser.post(used, mark=marks[used])).status == 303
    await later(house, merchant, "sign_in_tokens", timedelta(minutes=10))
    made_up = f"/m/{merchant.merchant_id}/sign-in/{'A' * 43}"
    for path in (used, old, made_up):
        page = await browser.go(path)
        assert (page.status, page.state) == (410, "stale")
    assert (await browser.post(old, mark=marks[old])).status == 410


async def test_a_link_of_one_merchant_does_not_work_at_another(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    other = await house.merchant()
    path = (await invited(house, merchant)).replace(merchant.merchant_id, other.merchant_id)
    assert (await browser.go(path)).state == "stale"


async def test_another_site_cannot_sign_a_browser_in(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    path = await invited(house, merchant)
    attackers = Browser(house, {}, browser.address)
    stolen = (await attackers.go(path)).mark
    await browser.go(f"/m/{merchant.merchant_id}")
    assert (await browser.post(path, mark=stolen)).status == 403
    assert (await browser.go(path)).state == "confirm"


async def test_the_answer_is_the_same_whether_or_not_the_address_is_known(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    here = f"/m/{merchant.merchant_id}"
    answers = []
    for email in ("ada@example.org", "nobody@example.org", "not an address", "a" * 250):
        page = await browser.go(here)
        answer = await browser.post(f"{here}/sign-in", mark=page.mark, email=email)
        answers.append((answer.status, answer.html.replace(_nonce(answer.html), "")))
    assert len(set(answers)) == 1
    assert answers[0][0] == 202


def _nonce(html: str) -> str:
    return html.partition('nonce="')[2].partition('"')[0]


async def test_an_address_gets_a_few_mails_and_no_more(
    house: House, merchant: Merchant, customer: Customer
) -> None:
    contact = house.portal.marks.contact(merchant.merchant_id, " ADA@example.org")
    made = await asyncio.gather(
        *(access.invite(house.portal.db, merchant.merchant_id, contact) for _ in range(12))
    )
    assert len([token for token in made if token]) == SIGN_IN_MAILS


async def test_a_session_ends_when_idle_when_old_and_when_the_customer_says_so(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    here = f"/m/{merchant.merchant_id}"
    await signed_in(house, merchant, browser)
    await later(house, merchant, "sessions", SESSION_IDLE)
    assert (await browser.go(here)).state == "signin"
    await signed_in(house, merchant, browser)
    page = await browser.go(here)
    assert page.state == "list"
    out = await browser.post(f"{here}/sign-out", mark=page.mark)
    assert out.status == 303
    browser.jar[f"s_{merchant.merchant_id}"] = browser.last_session
    assert (await browser.go(here)).state == "signin"


async def test_somebody_elses_case_is_not_there(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    other = Customer(merchant.merchant_id)
    await house.tell([other.case(), other.updated(email="bob@example.org")])
    await signed_in(house, merchant, browser)
    page = await browser.go(f"/m/{merchant.merchant_id}/cases/{other.case_id()}")
    assert (page.status, page.state) == (404, "nopage")
    away = await Browser(house, {}, browser.address).go(
        f"/m/{merchant.merchant_id}/cases/{customer.case_id()}"
    )
    assert (away.status, away.headers["Location"]) == (303, f"/m/{merchant.merchant_id}")


async def test_whoever_loses_the_address_loses_the_session(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    await signed_in(house, merchant, browser)
    await house.tell([customer.updated(2, email="new@example.org")])
    page = await browser.go(f"/m/{merchant.merchant_id}")
    assert "19.99" not in page.html


async def test_where_a_sign_in_is_demanded_the_pay_link_opens_for_whoever_is_signed_in(
    house: House, merchant: Merchant, customer: Customer, browser: Browser
) -> None:
    await house.ask("PUT", "/v1/settings/portal", merchant, json={"require_sign_in": True})
    assert (await browser.go(f"/pay/{customer.link()}")).state == "knock"
    await signed_in(house, merchant, browser)
    assert (await browser.go(f"/pay/{customer.link()}")).state == "owed"


async def test_what_has_expired_is_cleared_away(house: House, merchant: Merchant, customer: Customer) -> None:
    await invited(house, merchant)
    await later(house, merchant, "sign_in_tokens", timedelta(hours=2))
    async with house.db.transaction(()) as tx:
        await store.purge_expired(tx)
    async with house.db.transaction([merchant.merchant_id]) as tx:
        assert await tx.fetchval("SELECT count(*) FROM sign_in_tokens") == 0
