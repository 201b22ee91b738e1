"""A gateway that posts webhooks, as a process of its own and cheap: requests are written and signed beforehand.

`python -m tests.bench.load PORT PATH CONNECTIONS REQUESTS SERIES` posts on so many kept connections as fast as they
are answered, then prints one JSON line: requests, seconds, statuses, and milliseconds of an answer.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable
from functools import partial
from typing import cast

import uvloop

from .measure import percentile
from .webhooks import charge_failed, request

HOST = "127.0.0.1"
LENGTH = re.compile(rb"(?i)content-length: (\d+)")


class Poster(asyncio.Protocol):
    """One connection: posts the next request when the last was answered."""

    def __init__(self, waiting: deque[bytes], done: asyncio.Future[None]) -> None:
        self._waiting, self._done = waiting, done
        self._transport: asyncio.WriteTransport | None = None
        self._sent = 0.0
        self._answer = b""
        self.statuses: Counter[int] = Counter()
        self.milliseconds: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's is no subclass

    def begin(self) -> None:
        """Post the next request, if one is left."""
        if not self._waiting:
            self._done.set_result(None)
            return
        assert self._transport
        self._sent = time.perf_counter()
        self._transport.write(self._waiting.popleft())

    def data_received(self, data: bytes) -> None:
        """Take an answer, which may come in pieces."""
        self._answer += data
        head, found, body = self._answer.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not found or len(body) < int(length[1] if length else 0):
            return
        self.milliseconds.append((time.perf_counter() - self._sent) * 1000)
        self.statuses[int(head[9:12])] += 1
        self._answer = b""
        self.begin()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionResetError("the server closed the connection"))


async def post(port: int, connections: int, requests: Iterable[bytes]) -> dict[str, object]:
    """Post them all; say how it went."""
    loop = asyncio.get_running_loop()
    waiting = deque(requests)
    count = len(waiting)
    ends: list[asyncio.Future[None]] = [loop.create_future() for _ in range(connections)]
    posters = [Poster(waiting, end) for end in ends]
    for poster in posters:
        await loop.create_connection(partial(_itself, poster), HOST, port)
    began = time.monotonic()
    for poster in posters:
        poster.begin()
    await asyncio.gather(*ends)
    seconds = time.monotonic() - began
    answered = [one for poster in posters for one in poster.milliseconds]
    return {
        "requests": count,
        "seconds": seconds,
        "statuses": sum((poster.statuses for poster in posters), Counter()),
        "p50": percentile(answered, 0.5),
        "p99": percentile(answered, 0.99),
        "cpu": time.process_time(),
    }


def _itself(poster: Poster) -> Poster:
    return poster


def main() -> None:
    """Do as the arguments say."""
    port, path, connections, requests, series = sys.argv[1:]
    written = [request(path, charge_failed(number, series)) for number in range(int(requests))]
    told = uvloop.run(post(int(port), int(connections), written))
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
