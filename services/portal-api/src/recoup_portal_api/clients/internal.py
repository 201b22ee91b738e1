"""One internal port of another service: asks, and tells an answer from a refusal from silence."""

from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
from pydantic import BaseModel, ValidationError

from recoup_chassis.errors import Retryable

PATIENCE = aiohttp.ClientTimeout(total=10, sock_connect=2)
"""Seconds; a person waits."""

ANSWER_BYTES = 1024 * 1024


def http() -> aiohttp.ClientSession:
    """Open what all clients share; it keeps no cookie."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())


class CounterpartDown(Retryable):
    """The other service can't be reached, took too long, or gave an answer that can't be read."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"{name}: {what}")
        self.name, self.what = name, what


@dataclass(frozen=True)
class Refused:
    """The other service says no. `status` is its HTTP status, `code` a word, `message` a sentence."""

    status: int
    code: str
    message: str


class Part(BaseModel):
    """A part of an answer; what a later release adds is ignored."""


Answer = TypeVar("Answer", bound=Part)


class Internal:
    """A client of one internal port.

    Args:
        session: shared, closed by its owner.
        name: the service's, for messages.
        url: of its internal port, without a trailing slash.
        secret: what we show.
    """

    def __init__(self, session: aiohttp.ClientSession, name: str, url: str, secret: str) -> None:
        self._session, self._name, self._url = session, name, url
        self._headers = {"Authorization": f"Bearer {secret}"}

    async def ask(
        self, method: str, path: str, body: dict[str, Any] | None = None, query: dict[str, str] | None = None
    ) -> dict[str, Any] | Refused:
        """Ask; give the JSON object of a 2xx, or the refusal of a 4xx.

        Raises:
            CounterpartDown: no answer, a 5xx, a 401 or 403 (our secret is wrong), or no JSON object.
        """
        try:
            async with self._session.request(
                method,
                self._url + path,
                json=body,
                params=query,
                headers=self._headers,
                timeout=PATIENCE,
                allow_redirects=False,
            ) as response:
                raw = await response.content.read(ANSWER_BYTES + 1)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as silence:
            raise CounterpartDown(self._name, type(silence).__name__) from silence
        if status in {401, 403} or not (200 <= status < 300 or 400 <= status < 500):
            raise CounterpartDown(self._name, f"status {status}")
        answer = self._object(raw)
        if status < 300:
            return answer
        error = answer.get("error")
        told = error if isinstance(error, dict) else {}
        return Refused(status, str(told.get("code", "refused")), str(told.get("message", "refused"))[:500])

    def _object(self, raw: bytes) -> dict[str, Any]:
        try:
            answer = _Any.model_validate_json(raw or b"{}").model_extra
        except ValidationError as wrong:
            raise CounterpartDown(self._name, "no JSON object") from wrong
        return answer or {}

    def read(self, model: type[Answer], answer: dict[str, Any]) -> Answer:
        """Read an answer.

        Raises:
            CounterpartDown: it has another form.
        """
        try:
            return model.model_validate(answer)
        except ValidationError as wrong:
            where = ".".join(map(str, wrong.errors(include_url=False, include_input=False)[0]["loc"]))
            raise CounterpartDown(self._name, f"an answer of another form: {where}") from wrong


class _Any(BaseModel, extra="allow"):
    pass


def segment(name: str) -> str:
    """Write a name as one segment of a path."""
    return quote(name, safe="")
