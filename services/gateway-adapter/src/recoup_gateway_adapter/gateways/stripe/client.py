"""One request to Stripe's API and what came back, or did not.

Promise: the difference between "certainly never arrived" and "anything may have happened" is never blurred,
because a charge hangs on it; a POST is never sent twice here (aiohttp repeats a GET or DELETE once when a kept
connection breaks), and secrets are never logged.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import aiohttp

from recoup_events.sensitive import hidden
from recoup_gateway_adapter.accounts.domain import Account

BASE_URL = "https://api.stripe.com"
VERSION = "2025-05-28.basil"
"""Asked for where the account names none, so that the shape of an answer is known."""

TIMEOUT_SECONDS = 30.0
CONNECT_SECONDS = 10.0
ANSWER_BYTES = 8 * 1024 * 1024

Http = aiohttp.ClientSession
"""Outgoing connections, shared by all accounts; its own time-outs are not used."""

CONNECTIONS, CONNECTIONS_TO_ONE_HOST = 200, 64

Form = Sequence[tuple[str, str]]
Json = dict[str, Any]


@dataclass(frozen=True)
class Answered:
    """Stripe said something. `retry_after`: seconds, where it says so."""

    status: int
    json: Json = field(repr=False)
    request_id: str | None = None
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether it did what it was asked."""
        return 200 <= self.status < 300

    @property
    def error(self) -> Json:
        """The error object, empty where there is none."""
        error = self.json.get("error")
        return error if isinstance(error, dict) else {}

    @property
    def code(self) -> str:
        """One word for what is wrong: the error's code, or else its type, or else the status."""
        word = self.error.get("code") or self.error.get("type") or f"http_{self.status}"
        return "".join(c if c.isalnum() or c in "_-." else "_" for c in str(word))[:64]


@dataclass(frozen=True)
class Silence:
    """Nothing readable came back. `reached`: whether the request may have arrived. `why`: a word."""

    why: str
    reached: bool


Reply = Answered | Silence


def outgoing() -> Http:
    """Open the connections that a process needs; close them as a context."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, limit_per_host=CONNECTIONS_TO_ONE_HOST)
    return aiohttp.ClientSession(connector=connector, trust_env=False)


def segment(name: str) -> str:
    """Write an id as one segment of a path, whatever characters it has; dots alone would lead elsewhere."""
    return quote(name, safe="") if name.strip(".") else "-"


def encoded(form: Form) -> bytes:
    """Write a form, `application/x-www-form-urlencoded`, in the order given."""
    return "&".join(f"{quote_plus(name, safe='[]')}={quote_plus(value)}" for name, value in form).encode()


class StripeClient:
    """Stripe's API for one account.

    Args:
        session: shared by all accounts.
    """

    def __init__(self, session: Http, account: Account) -> None:
        self._session, self.account = session, account
        self._base = (account.base_url or BASE_URL).rstrip("/")
        self.version = account.api_version or VERSION

    @property
    def modern(self) -> bool:
        """Whether an invoice's subscription and payment live where they moved in 2025-03-31.basil."""
        return self.version >= "2025-03-31"

    async def request(
        self, method: str, path: str, form: Form = (), *, idempotency_key: str | None = None
    ) -> Reply:
        """Ask once. A form travels in the query of a GET or DELETE, else in the body."""
        if method in ("GET", "DELETE"):
            query = f"?{encoded(form).decode()}" if form else ""
            return await self.send(method, path + query, b"", idempotency_key=idempotency_key)
        return await self.send(method, path, encoded(form), idempotency_key=idempotency_key)

    async def events(self, form: Form) -> Reply:
        """Read a page of the event list as it came: whoever keeps an event of it hides what is in it first."""
        return await self.send("GET", f"/v1/events?{encoded(form).decode()}", b"", clean=bytes)

    async def send(
        self,
        method: str,
        path: str,
        body: bytes,
        *,
        idempotency_key: str | None = None,
        clean: Callable[[bytes], bytes] = hidden,
    ) -> Reply:
        """Ask once with exactly these bytes; `clean` is applied to what comes back, unless it is an error."""
        headers = {
            "Authorization": f"Bearer {self.account.api_key}",
            "Stripe-Version": self.version,
            "User-Agent": "Recoup",
        }
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        if idempotency_key is not None:
            headers["Idempotency-Key"] = idempotency_key
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
        try:
            async with self._session.request(
                method,
                self._base + path,
                data=body,
                headers=headers,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                return await _read(response, clean)
        except aiohttp.ClientConnectorError as never:
            return Silence(type(never).__name__, reached=False)
        except aiohttp.ConnectionTimeoutError:
            return Silence("connect_timeout", reached=False)
        except TimeoutError:
            return Silence("timeout", reached=True)
        except (aiohttp.ClientError, OSError) as broken:
            return Silence(type(broken).__name__, reached=True)


async def _read(response: aiohttp.ClientResponse, clean: Callable[[bytes], bytes]) -> Reply:
    raw = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        raw += chunk
        if len(raw) > ANSWER_BYTES:
            return Silence("answer_too_large", reached=True)
    try:
        parsed = json.loads(clean(bytes(raw)) if response.status < 400 else hidden(bytes(raw)))
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        if response.status < 400:
            return Silence("unreadable_answer", reached=True)
        parsed = {}
    return Answered(
        response.status,
        parsed,
        response.headers.get("Request-Id"),
        _seconds(response.headers.get("Retry-After")),
    )


def _seconds(text: str | None) -> float | None:
    """Read a Retry-After in seconds, at most an hour; a date is not used by Stripe."""
    try:
        return min(max(float(text), 0.0), 3600.0) if text else None
    except ValueError:
        return None
