"""HTTP: a server as a part of the process, the operator's port, and who may call an internal one."""

import asyncio
import contextlib
import hmac
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Problem = Callable[[], Awaitable[str | None]]
"""Says in a sentence what is wrong, or None."""

MAX_CONNECTIONS = 4096


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the process, which stops its parts in order."""
        yield


class HttpServer:
    """A part that serves one ASGI application on one port.

    Args:
        proxied: the application reads its caller's address, and a proxy that `FORWARDED_ALLOW_IPS` names (uvicorn's
            variable) may tell it. Nobody else need believe such a header.
    """

    def __init__(self, app: Any, host: str, port: int, name: str, *, proxied: bool = False) -> None:
        self.name = name
        self._server = _Server(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http="httptools",
                loop="none",
                ws="none",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=proxied,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=10,
                log_level=logging.WARNING,
            )
        )

    async def serve(self, stopping: asyncio.Event) -> None:
        """Serve until stopped; requests in hand get 10 s to end."""
        serving = asyncio.create_task(self._serve())
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
        self._server.should_exit = True
        stop.cancel()
        await serving

    async def _serve(self) -> None:
        try:
            await self._server.serve()
        except SystemExit as refused:  # uvicorn's way to say that the port is taken
            msg = f"{self.name} can't listen on port {self._server.config.port}"
            raise RuntimeError(msg) from refused


def operations(problems: Mapping[str, Problem]) -> Any:
    """Give the operator's application: `/livez`, `/readyz` (503 names what is wrong) and `/metrics`."""

    async def app(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/livez":
            await answer(send, 200, b"alive\n")
        elif path == "/readyz":
            found = [wrong for problem in problems.values() if (wrong := await problem())]
            await answer(send, 503 if found else 200, ("\n".join(found) or "ready").encode() + b"\n")
        elif path == "/metrics":
            await answer(send, 200, generate_latest(), CONTENT_TYPE_LATEST)
        else:
            await answer(send, 404, b"/livez, /readyz, /metrics\n")

    return app


async def answer(
    send: Any,
    status: int,
    body: bytes,
    content_type: str = "text/plain; charset=utf-8",
    headers: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Send one whole ASGI response."""
    length = str(len(body)).encode()
    head = [(b"content-type", content_type.encode()), (b"content-length", length), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


def callers_from(text: str) -> dict[str, bytes]:
    """Read INTERNAL_CALLERS, `name=secret,name=secret`; a secret has at least 16 characters.

    Raises:
        ValueError: it has another form.
    """
    callers = {}
    for pair in filter(None, text.split(",")):
        name, _, secret = pair.partition("=")
        if not name or len(secret) < 16:
            msg = "name=secret,… with secrets of at least 16 characters"
            raise ValueError(msg)
        callers[name] = secret.encode()
    return callers


def caller_of(authorization: str | None, callers: Mapping[str, bytes]) -> str | None:
    """Tell who calls, by `Authorization: Bearer <secret>`, in time that does not depend on the secret."""
    scheme, _, given = (authorization or "").partition(" ")
    found = None
    for name, secret in callers.items():
        if hmac.compare_digest(secret, given.encode("utf-8", "surrogateescape")):
            found = name
    return found if scheme.lower() == "bearer" else None
