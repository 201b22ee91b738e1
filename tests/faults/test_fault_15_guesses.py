"""Sign-in links and pay links: no guess holds, of a hundred who press at once one gets in, scanners change nothing."""

import asyncio
import base64
import random
import secrets
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from tests.worlds.portal_browser import Browser
from tests.worlds.portal_events import Customer
from tests.worlds.portal_house import SIGNING_KEY, House, Merchant, house_of, somewhere

from recoup_events import links
from recoup_local.pytest_plugin import ServiceDatabases
from recoup_portal_api.access import handlers as access, store
from recoup_portal_api.access.domain import SIGN_IN_MAILS
from recoup_portal_api.access.handlers import LinkKeys

from .rows import ROWS
from .tally import Tally

IN_PROCESS, OVER_HTTP, RACES, SCANNERS = (part.name for part in ROWS[15].parts)
SIZES = sum(part.size for part in ROWS[15].parts)
AT_ONCE = 500
"""Guesses in one transaction."""

RACERS = 100
ADDRESS = "ada@example.org"
pytestmark = [pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(300 + SIZES // 20)]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def house(database: ServiceDatabases) -> AsyncIterator[House]:
    """The application on a real port and a database of its own."""
    async with house_of(await database.fresh("portal-api")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def merchant(house: House) -> Merchant:
    return await house.merchant(name="Guessed")


@pytest_asyncio.fixture(loop_scope="session")
async def customer(house: House, merchant: Merchant) -> Customer:
    """A customer who owes."""
    found = Customer(merchant.merchant_id)
    await house.tell([found.case(), found.updated(email=ADDRESS)])
    return found


async def invited(house: House, merchant: Merchant, address: str = ADDRESS) -> str:
    """Make a good sign-in token."""
    contact = house.portal.marks.contact(merchant.merchant_id, address)
    token = await access.invite(house.portal.db, merchant.merchant_id, contact)
    assert token is not None
    return token


def altered(draw: random.Random, good: str) -> str:
    """Guess near a good token: another character somewhere, one left out, one more, two swapped, another case."""
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
    place = draw.randrange(len(good))
    other = draw.choice(letters.replace(good[place], ""))
    end = draw.randrange(len(good))
    guess = draw.choice(
        (
            good[:place] + other + good[place + 1 :],
            good[:place] + good[place + 1 :],
            good[:place] + other + good[place:],
            good[end:] + good[:end],
            good.swapcase(),
            good[:-1] + draw.choice(letters),
            "".join(draw.choices(letters, k=43)),
        )
    )
    return guess if guess != good else "A" * 43


@pytest.mark.part(IN_PROCESS)
async def test_no_guess_at_a_token_a_session_a_key_or_a_pay_link_holds(
    house: House, merchant: Merchant, customer: Customer, tally: Tally
) -> None:
    guesses, draw = tally.size(IN_PROCESS), random.Random(tally.seed)
    token = await invited(house, merchant)
    async with house.portal.db.transaction([merchant.merchant_id]) as tx:
        session = await access.sign_in(tx, merchant.merchant_id, await invited(house, merchant))
    assert session is not None
    keys = LinkKeys({"k1": SIGNING_KEY.public_key().public_bytes_raw()})
    made = 0
    while made < guesses:
        size = min(AT_ONCE, guesses - made)
        async with house.portal.db.transaction([merchant.merchant_id]) as tx:
            for number in range(size):
                match number % 4:
                    case 0:
                        guess = altered(draw, token)
                        held: Any = await access.sign_in(tx, merchant.merchant_id, guess)
                    case 1:
                        guess = altered(draw, session)
                        held = await store.contact_of_session(tx, merchant.merchant_id, guess)
                    case 2:
                        guess = altered(draw, merchant.api_key)
                        held = await store.find_api_key(tx, guess)
                    case _:
                        guess = link_guess(draw, customer)
                        held = keys.read(guess)
                assert held is None, guess
        made += size
    async with house.portal.db.transaction([merchant.merchant_id]) as tx:
        assert await store.sign_in_token_is_good(tx, merchant.merchant_id, token)
        assert await store.contact_of_session(tx, merchant.merchant_id, session) is not None
        assert await store.find_api_key(tx, merchant.api_key) is not None
    assert keys.read(customer.link()) is not None
    tally.did(IN_PROCESS, made)


def link_guess(draw: random.Random, customer: Customer) -> str:
    """Guess at a pay link: a good one with a bit turned somewhere, or a signature that is for something else."""
    good = customer.link()
    other = uuid4()
    signature = SIGNING_KEY.sign(links.to_sign(customer.merchant_id, other, "k1"))
    guess: str = draw.choice(
        (
            lambda: _turned(draw, good),
            lambda: links.token(customer.merchant_id, customer.case_id(), "k1", signature),
            lambda: links.token("m_other", other, "k1", signature),
            lambda: links.token(customer.merchant_id, other, "k2", signature),
            lambda: links.token(customer.merchant_id, other, "k1", draw.randbytes(64)),
            lambda: links.token(customer.merchant_id, other, "k1", b""),
            lambda: good.replace("1.", "2.", 1),
            lambda: good + "." + good,
            lambda: good[: draw.randrange(len(good))],
        )
    )()
    return guess


def _turned(draw: random.Random, good: str) -> str:
    """Turn a bit of what one of the link's parts says."""
    parts = good.split(".")
    number = draw.randrange(1, 4)
    raw = bytearray(base64.urlsafe_b64decode(parts[number] + "=" * (-len(parts[number]) % 4)))
    raw[draw.randrange(len(raw))] ^= 1 << draw.randrange(8)
    parts[number] = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return ".".join(parts)


@pytest.mark.part(OVER_HTTP)
async def test_guessing_over_http_finds_nothing_and_is_soon_slowed_down(
    house: House, merchant: Merchant, customer: Customer, tally: Tally
) -> None:
    guesses, draw = tally.size(OVER_HTTP), random.Random(tally.seed)
    token = await invited(house, merchant)
    here = f"/m/{merchant.merchant_id}"
    where, answers = somewhere(), {"links": Counter[int](), "keys": Counter[int](), "pay": Counter[int]()}
    browser = Browser(house, {}, where)
    mark = (await browser.go(f"{here}/sign-in/{token}")).mark
    for number in range(guesses):
        guess = altered(draw, token)
        opened = await browser.go(f"{here}/sign-in/{guess}")
        pressed = await browser.post(f"{here}/sign-in/{guess}", mark=mark)
        answers["links"].update((opened.status, pressed.status))
        paid = await browser.go(f"/pay/{link_guess(draw, customer)}")
        answers["pay"][paid.status] += 1
        assert customer.customer_id not in opened.html + pressed.html + paid.html
        key = Merchant(merchant.merchant_id, altered(draw, merchant.api_key))
        headers = {"X-Forwarded-For": where}
        status, _ = await house.ask("GET", "/v1/cases", key, headers=headers)
        answers["keys"][status] += 1
        assert status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS}, number
    sys.stdout.write(f"{answers}\n")
    assert set(answers["links"]) <= {403, 404, 410}
    assert set(answers["pay"]) <= {404}
    if guesses > 100:
        assert answers["keys"][HTTPStatus.TOO_MANY_REQUESTS] > guesses / 2
    assert (await browser.post(f"{here}/sign-in/{token}", mark=mark)).status == HTTPStatus.SEE_OTHER
    tally.did(OVER_HTTP, guesses)


@pytest.mark.part(OVER_HTTP)
async def test_whoever_shows_bad_keys_or_asks_for_mails_too_often_has_to_wait(
    house: House, merchant: Merchant, customer: Customer
) -> None:
    where = somewhere()
    bad = Merchant(merchant.merchant_id, "rk_" + secrets.token_urlsafe(32))
    asked = [await house.ask("GET", "/v1/keys", bad, headers={"X-Forwarded-For": where}) for _ in range(40)]
    assert Counter(status for status, _ in asked)[HTTPStatus.TOO_MANY_REQUESTS] >= 10
    kept_out, _ = await house.ask("GET", "/v1/keys", merchant, headers={"X-Forwarded-For": where})
    let_in, _ = await house.ask("GET", "/v1/keys", merchant)
    assert (kept_out, let_in) == (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.OK)
    here, browser = f"/m/{merchant.merchant_id}", Browser(house, {}, where)
    mark = (await browser.go(here)).mark
    mails = [await browser.post(f"{here}/sign-in", mark=mark, email=f"{n}@example.org") for n in range(40)]
    assert Counter(answer.status for answer in mails)[HTTPStatus.TOO_MANY_REQUESTS] >= 10


@pytest.mark.part(RACES)
async def test_of_a_hundred_who_press_at_once_exactly_one_gets_a_session(
    house: House, merchant: Merchant, customer: Customer, tally: Tally
) -> None:
    for race in range(tally.size(RACES)):
        address = f"racer-{race}@example.org"
        token = await invited(house, merchant, address)
        path = f"/m/{merchant.merchant_id}/sign-in/{token}"
        browsers = [Browser(house, {}, somewhere()) for _ in range(RACERS)]
        mark = (await browsers[0].go(path)).mark
        for browser in browsers:
            browser.jar.update(browsers[0].jar)
        answers = await asyncio.gather(*(_press(browser, path, mark) for browser in browsers))
        assert Counter(answers) == {303: 1, 410: RACERS - 1}
        contact = house.portal.marks.contact(merchant.merchant_id, address)
        async with house.db.transaction([merchant.merchant_id]) as tx:
            query = "SELECT count(*) FROM sessions WHERE contact_hash = $1"
            assert await tx.fetchval(query, contact) == 1
        tally.did(RACES)


async def _press(browser: Browser, path: str, mark: str) -> int:
    """Press the button, and again where the page asks to be tried again in a moment."""
    for _ in range(30):
        answer = await browser.post(path, mark=mark)
        if answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
            break
    return answer.status


def _scans(seed: int) -> Iterator[tuple[str, dict[str, str]]]:
    """Draw what mail scanners do: GET, HEAD, sometimes OPTIONS; as browsers, as prefetchers, as tools."""
    draw = random.Random(seed)
    while True:
        method = draw.choice(("GET", "GET", "HEAD", "HEAD", "OPTIONS"))
        kind = draw.choice(
            (
                {"User-Agent": "Mozilla/5.0 (compatible; LinkScanner)"},
                {"Sec-Purpose": "prefetch;prerender", "Purpose": "prefetch"},
                {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
                {"Accept": "*/*", "Range": "bytes=0-100"},
            )
        )
        yield method, kind


@pytest.mark.part(SCANNERS)
async def test_a_scanner_that_opens_every_link_has_no_effect(
    house: House, merchant: Merchant, customer: Customer, tally: Tally
) -> None:
    here = f"/m/{merchant.merchant_id}"
    tokens = [await invited(house, merchant) for _ in range(SIGN_IN_MAILS)]
    pay = f"/pay/{customer.link()}"
    paths = [
        *(f"{here}/sign-in/{token}" for token in tokens),
        pay,
        f"{pay}/return?session=cs_1",
        f"{pay}/return/{UUID(int=7)}",
        f"{pay}/card",
        f"{pay}/pay",
        f"{pay}/sign-in",
        f"{here}/sign-out",
        here,
    ]
    before = await _standing(house, merchant)
    scans = tally.size(SCANNERS)
    for number, (method, headers) in zip(range(scans), _scans(tally.seed), strict=False):
        url = house.url + paths[number % len(paths)]
        told = {"X-Forwarded-For": somewhere(), **headers}
        async with house.http.request(method, url, headers=told, allow_redirects=False) as answer:
            assert answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
            assert answer.status not in {303, 302, 307}, url
            assert f"s_{merchant.merchant_id}" not in answer.cookies
    assert await _standing(house, merchant) == before
    browser = Browser(house, {}, somewhere())
    for token in tokens:
        path = f"{here}/sign-in/{token}"
        assert (await browser.post(path, mark=(await browser.go(path)).mark)).status == HTTPStatus.SEE_OTHER
    tally.did(SCANNERS, scans)


async def _standing(house: House, merchant: Merchant) -> dict[str, list[tuple[Any, ...]]]:
    """Give what a link could have changed."""
    tables = ("sign_in_tokens", "sessions", "cases", "customer_actions", "outbox")
    async with house.db.transaction([merchant.merchant_id]) as tx:
        known = {row["tablename"] for row in await tx.fetch("SELECT tablename FROM pg_tables")}
        wanted = [table for table in tables if table in known]
        return {table: [tuple(row) for row in await tx.fetch(f"TABLE {table}")] for table in wanted}
