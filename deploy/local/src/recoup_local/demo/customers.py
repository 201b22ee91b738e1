"""Customers who read their mail: some open the link and enter a new card, as a person would, page by page."""

import asyncio
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import aiohttp

NEW_CARD = {"number": "4242 4242 4242 4242", "expiry": "04 / 34", "cvc": "123", "name": "A. Customer"}
PAGES = 20
"""Pages that a customer looks at before giving up."""

LOOK_AGAIN = 0.7
"""Seconds until a customer looks again at a page that says it is working, or that can't be shown."""

FROM_THE_MAIL = 20
"""Times that a customer opens the link in the mail while pages can't be shown."""

DOWN = "down"
"""What a page says that can't be shown just now."""

SETTLED = ("settled", "gone", "saved")
"""What a page says when the case was settled before the customer came."""


@dataclass
class Form:
    """A form on a page: where it goes, and what it holds already."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given.get("action", ""), given.get("method", "get").lower()))
            self._open = True
        elif tag in ("input", "button") and self._open and given.get("name") and _counts(given):
            self.forms[-1].fields.setdefault(given["name"], given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False


def _counts(given: dict[str, str]) -> bool:
    """Tell whether a field is sent as the page stands."""
    return given.get("type") not in ("radio", "checkbox") or "checked" in given


def forms(html: str) -> list[Form]:
    """Find the forms of a page, in order."""
    parser = _Forms()
    parser.feed(html)
    return parser.forms


class Customers:
    """Reads the mail of everybody, and acts for those who want to mend their card.

    Args:
        mail_url: the mail sink.
        portal_url: pay links begin with it.
        willing: how many of a hundred mend their card at their first mail.
        only: reads only the mail of addresses that hold this.
    """

    def __init__(self, mail_url: str, portal_url: str, *, willing: int = 35, only: str = "") -> None:
        self._mail_url, self._portal_url, self._willing = mail_url, portal_url, willing
        self._only = only
        self._acted: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_once = asyncio.Semaphore(4)
        self._last = 0
        self.mails: Counter[str] = Counter()
        self.mended = 0
        self.overtaken = 0
        self.gave_up: list[str] = []

    async def live(self, stopping: asyncio.Event) -> None:
        """Read mail until stopped, and finish what was begun."""
        async with aiohttp.ClientSession() as http:
            while not stopping.is_set():
                await self._read(http)
                await asyncio.sleep(0.2)
            await asyncio.gather(*self._tasks)
            await self._read(http)

    async def _read(self, http: aiohttp.ClientSession) -> None:
        async with http.get(f"{self._mail_url}/api/messages?after={self._last}&limit=500") as answer:
            told = await answer.json()
        for mail in told["messages"]:
            self._last = max(self._last, mail["id"])
            address = mail["to"][0]
            if self._only not in address:
                continue
            self.mails[mail["subject"].split(" ")[0]] += 1
            link = next((link for link in mail["links"] if link.startswith(f"{self._portal_url}/pay/")), None)
            if link and address not in self._acted and _draw(address) < self._willing:
                self._acted.add(address)
                task = asyncio.create_task(self.mend(address, link))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def mend(self, address: str, link: str) -> None:
        """Open a pay link and enter a new card, page by page."""
        state = "never tried"
        async with self._at_once, aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            for _ in range(FROM_THE_MAIL):
                try:
                    state = await self._through_the_pages(browser, link)
                except (aiohttp.ClientError, TimeoutError) as error:
                    state = repr(error)
                else:
                    if state != DOWN:
                        break
                await asyncio.sleep(LOOK_AGAIN)
        if state == "passed":
            self.mended += 1
        elif state in SETTLED:
            self.overtaken += 1
        else:
            self.gave_up.append(f"{address}: {state}")

    async def _through_the_pages(self, browser: aiohttp.ClientSession, link: str) -> str:
        """Open the link, ask for a new card, type it, and come back; give what the last page says of itself."""
        html, url = await _page(browser, "GET", link)
        for _ in range(PAGES):
            form, state = _way_on(forms(html)), _state(html)
            if form is not None:
                data = {**form.fields, **{name: NEW_CARD[name] for name in form.fields if name in NEW_CARD}}
                headers = {"Origin": "/".join(url.split("/")[:3]), "Referer": url}
                html, url = await _page(
                    browser, "POST", urljoin(url, form.action), data=data, headers=headers
                )
            elif state in ("working", "notyet"):
                await asyncio.sleep(LOOK_AGAIN)
                html, url = await _page(browser, "GET", url)
            else:
                return state
        return "too many pages"


async def _page(browser: aiohttp.ClientSession, method: str, url: str, **how: Any) -> tuple[str, str]:
    """Give a page and where it is; its connection is given back even where its text breaks off."""
    async with browser.request(method, url, **how) as answer:
        return await answer.text(), str(answer.url)


def _state(html: str) -> str:
    """What a page of ours says that it shows."""
    found = re.search(r'data-state="([a-z]+)"', html)
    return found[1] if found else "a page of somebody else's"


def _way_on(found: list[Form]) -> Form | None:
    """The form that leads to a new card, or on from where it was typed."""
    posts = [form for form in found if form.method == "post"]
    for wanted in ("/card", "/c/pay/", "/return"):
        for form in posts:
            if form.action.split("?")[0].endswith(wanted) or (
                wanted == "/c/pay/" and "number" in form.fields
            ):
                return form
    return None


def _draw(address: str) -> int:
    """A number from 0 to 99, the same for the same address."""
    return int.from_bytes(hashlib.sha256(address.encode()).digest()[:4], "big") % 100
