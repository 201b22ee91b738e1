"""A gateway's end of the ingest port: keep-alive connections that send any bytes, and its signatures.

Written on bare sockets, because no HTTP library sends the headers that a forger would.
"""

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Self, TypeVar
from urllib.parse import urlsplit

Item = TypeVar("Item")
BUSY = 503
COME_AGAIN = 30
"""How often it is tried, a second apart."""


@dataclass(frozen=True, slots=True)
class Post:
    """One request: where, with which headers, and what. A header may hold any bytes."""

    path: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    method: str = "POST"

    def wire(self) -> bytes:
        """Give the request's bytes."""
        head = [f"{self.method} {self.path} HTTP/1.1".encode(), b"host: ingest"]
        head += [name + b": " + value for name, value in self.headers]
        head.append(f"content-length: {len(self.body)}".encode())
        return b"\r\n".join(head) + b"\r\n\r\n" + self.body


def signature(body: bytes, secret: str, at: int, scheme: str = "v1") -> bytes:
    """Give the header's value: `t=<Unix seconds>,v1=<HMAC-SHA256 of "<t>.<body>">`."""
    proof = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},{scheme}={proof}".encode()


def signed(path: str, body: bytes, secret: str, at: float) -> Post:
    """Give a genuine request, signed at this real instant (Unix seconds)."""
    return Post(path, body, ((b"stripe-signature", signature(body, secret, int(at))),))


@dataclass
class Line:
    """One connection, opened again when the other side closes it."""

    host: str
    port: int
    opened: int = 0
    _streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = field(default=None, repr=False)

    @classmethod
    def to(cls, url: str) -> Self:
        """Give a line to an address."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        return cls(parts.hostname, parts.port)

    async def send(self, post: Post) -> int:
        """Send a request and give the status of its answer, on a new connection where the old one was closed."""
        fresh = self._streams is None
        try:
            return await self._once(post)
        except (ConnectionError, asyncio.IncompleteReadError):
            await self.close()
            if fresh:
                raise
            return await self._once(post)

    async def insist(self, post: Post) -> int:
        """Send a request, and again while the answer is 503: that asks a gateway to come again."""
        for _ in range(COME_AGAIN):
            if (status := await self.send(post)) != BUSY:
                return status
            await asyncio.sleep(1)
        return BUSY

    async def _once(self, post: Post) -> int:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self.host, self.port)
            self.opened += 1
        reader, writer = self._streams
        writer.write(post.wire())
        with contextlib.suppress(ConnectionError):  # the answer may be there although it would hear no more
            await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        if post.method != "HEAD":
            _, _, length = head.partition(b"content-length:")
            await reader.readexactly(int(length.partition(b"\r\n")[0] or b"0"))
        if b"connection: close" in head:
            await self.close()
        return status

    async def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            with contextlib.suppress(ConnectionError):
                await self._streams[1].wait_closed()
            self._streams = None


async def over(
    url: str, connections: int, items: Iterator[Item], send: Callable[[Line, Item], Awaitable[None]]
) -> None:
    """Take items one by one, each sent over whichever of the connections is free; nothing is kept."""
    async with lines(url, connections) as opened, asyncio.TaskGroup() as together:
        for line in opened:
            together.create_task(_each(line, items, send))


async def _each(line: Line, items: Iterator[Item], send: Callable[[Line, Item], Awaitable[None]]) -> None:
    for item in items:
        await send(line, item)


@contextlib.asynccontextmanager
async def lines(url: str, connections: int) -> AsyncIterator[list[Line]]:
    """Hold lines, and hang up at the end."""
    opened = [Line.to(url) for _ in range(connections)]
    try:
        yield opened
    finally:
        for line in opened:
            await line.close()
