"""What every request passes before anything else: a cap on its body; and every answer after: safe headers.

Promise: no page runs a script that is not ours, sits in a foreign frame, is cached, or says where one came from.
"""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

from recoup_chassis.http import answer

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

API_BODY, PAGE_BODY = 512 * 1024, 16 * 1024
"""Bytes. A setting may have 254 kB, and JSON may write a character in six bytes."""

YEAR = 365 * 86_400
JSON = "application/json"


class TooLarge(HTTPException):
    """The body is beyond its cap."""

    def __init__(self) -> None:
        super().__init__(413, "the body is too large")


class Gate:
    """ASGI middleware around the whole application.

    Args:
        https: customers reach us by https: browsers are told to stay with it, and forms lead to https only.
    """

    def __init__(self, app: App, *, https: bool) -> None:
        self._app, self._https = app, https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 413."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["nonce"] = nonce
        cap = API_BODY if scope["path"].startswith("/v1") else PAGE_BODY

        answered = False

        async def guarded(message: MutableMapping[str, Any]) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                message["headers"] = [*message.get("headers", []), *self._headers(message, nonce)]
            await send(message)

        if _announced(scope) > cap:
            await answer(guarded, 413, b'{"error":{"code":"http","message":"the body is too large"}}', JSON)
            return
        try:
            await self._app(scope, _capped(receive, cap), guarded)
        except Exception:
            if not answered:  # else it was answered and logged, and is raised again for servers that log only
                raise

    def _headers(self, message: MutableMapping[str, Any], nonce: str) -> list[tuple[bytes, bytes]]:
        forms = (
            "https:" if self._https else "https: http:"
        )  # the gateway's page is where a form's answer leads
        policy = (
            f"default-src 'none'; style-src 'self'; img-src 'self'; script-src 'nonce-{nonce}'; "
            f"connect-src 'self'; form-action 'self' {forms}; base-uri 'none'; frame-ancestors 'none'"
        )
        headers = [
            (b"content-security-policy", policy.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"x-frame-options", b"DENY"),
            (b"referrer-policy", b"no-referrer"),
            (b"cross-origin-opener-policy", b"same-origin"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
            (b"x-robots-tag", b"noindex, nofollow"),
        ]
        if not any(name == b"cache-control" for name, _ in message.get("headers", [])):
            headers.append((b"cache-control", b"no-store"))
        if self._https:
            headers.append((b"strict-transport-security", f"max-age={2 * YEAR}; includeSubDomains".encode()))
        return headers


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:18])
    return 0


def _capped(receive: Receive, cap: int) -> Receive:
    seen = 0

    async def counting() -> MutableMapping[str, Any]:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > cap:
            raise TooLarge
        return message

    return counting
