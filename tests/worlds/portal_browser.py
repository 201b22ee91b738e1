"""A browser without a screen: it keeps cookies, follows no redirect, and reads a page's state and mark."""

import re
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

from .portal_house import House


@dataclass
class Answer:
    """What a browser got."""

    status: int
    html: str
    headers: Any
    cookies: SimpleCookie

    @property
    def state(self) -> str:
        found = re.search(r'data-state="([^"]+)"', self.html)
        return found[1] if found else ""

    @property
    def mark(self) -> str:
        found = re.search(r'name="mark" value="([^"]+)"', self.html)
        assert found
        return found[1]


@dataclass
class Browser:
    """Keeps cookies, follows no redirect."""

    house: House
    jar: dict[str, str]
    address: str
    last_session: str = ""

    async def go(self, path: str, method: str = "GET", *, language: str = "en", **form: str) -> Answer:
        headers = {"Accept-Language": language, "X-Forwarded-For": self.address}
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        async with self.house.http.request(
            method, self.house.url + path, headers=headers, data=form or None, allow_redirects=False
        ) as answer:
            for name, morsel in answer.cookies.items():
                if name.startswith("s_") and morsel.value:
                    self.last_session = morsel.value
                self.jar[name] = morsel.value
            return Answer(answer.status, await answer.text(), answer.headers, answer.cookies)

    async def post(self, path: str, **form: str) -> Answer:
        return await self.go(path, "POST", **form)
