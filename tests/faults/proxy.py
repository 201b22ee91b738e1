"""A TCP proxy that can be made to treat its connections badly, as a network does.

Promise: no byte is lost in the middle of a stream, for TCP never does that. What a fault cuts stays cut.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Sequence
from enum import StrEnum
from typing import Self

from recoup_local.ports import LOOPBACK, free_port

CHUNK = 64 * 1024
SLOW = 0.4
"""Seconds that a slow network keeps each chunk."""

NOTICED_WITHIN = 11.0
"""Seconds after which a server learns by keepalive that nobody is there any more: 5 s idle, 3 probes 2 s apart."""


class Fault(StrEnum):
    """What a network does to connections."""

    DELAY = "delay"
    """Every chunk comes late; nothing is cut."""

    BLACK_HOLE = "black hole"
    """Nothing gets through and nobody is told; connections of before stay silent when it is over."""

    RESET = "reset"
    """Connections are reset, new ones too."""

    HALF_CLOSE = "half close"
    """The server's side is closed towards the client, which may go on talking to nobody."""


class Proxy:
    """Passes connections on from a port of its own.

    Args:
        port: where it passes them on to, on loopback; may change.
    """

    def __init__(self, port: int = 0) -> None:
        self.upstream, self.port = port, free_port()
        self.met = 0
        """Connections that the latest fault was done to."""
        self._fault: Fault | None = None
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._pass_on, LOOPBACK, self.port)
        return self

    async def close(self) -> None:
        """Cut everything and listen no more."""
        assert self._server is not None
        self._server.close()
        links = [*self._links]
        for link in links:
            link.reset()
        await asyncio.gather(*(link.over.wait() for link in links))

    def strike(self, fault: Fault) -> None:
        """Begin a fault: it is done to every connection there is, and to each that comes until it is healed."""
        self._fault, self.met = fault, len(self._links)
        for link in [*self._links]:
            link.suffer(fault)

    def heal(self) -> None:
        """End the fault for what comes; what was cut or swallowed stays so."""
        self._fault = None
        for link in self._links:
            link.late = 0.0

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(reader, writer)
        self._links.add(link)
        try:
            if self._fault is not None:
                self.met += 1
                link.suffer(self._fault)
            await link.pass_on(self.upstream)
        finally:
            self._links.discard(link)
            link.over.set()


class _Link:
    """One connection and its other half."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._client = reader, writer
        self._server: asyncio.StreamWriter | None = None
        self._ways: Sequence[asyncio.Task[None]] = ()
        self._cut = self._silent = False
        self.late = 0.0
        self.over = asyncio.Event()

    async def pass_on(self, port: int) -> None:
        """Carry both ways until both ends have closed, or it is cut."""
        try:
            if not self._cut:
                reader, self._server = await asyncio.open_connection(LOOPBACK, port)
        except OSError:
            self.reset()
        if self._cut or self._server is None:  # it may have been cut meanwhile
            self.reset()
            return
        self._ways = (
            asyncio.create_task(self._carry(self._reader, self._server)),
            asyncio.create_task(self._carry(reader, self._client)),
        )
        await asyncio.wait(self._ways)
        self._client.close()
        self._server.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(CHUNK):
                if self.late:
                    await asyncio.sleep(self.late)
                if not self._silent:
                    writer.write(chunk)
                    await writer.drain()
            if not self._silent:
                writer.write_eof()
                return
        except OSError:
            if not self._silent:
                self.reset()
                return
        if reader is self._reader:  # the client has given up; of a server that has nobody hears
            self.reset()

    def suffer(self, fault: Fault) -> None:
        """Have a fault done to it."""
        match fault:
            case Fault.DELAY:
                self.late = SLOW
            case Fault.BLACK_HOLE:
                self._fall_silent()
            case Fault.RESET:
                self.reset()
            case Fault.HALF_CLOSE:
                self._fall_silent()
                if not self._client.is_closing():
                    self._client.write_eof()

    def _fall_silent(self) -> None:
        self._silent = True
        asyncio.get_running_loop().call_later(NOTICED_WITHIN, self._noticed)

    def _noticed(self) -> None:
        _abort(self._server)

    def reset(self) -> None:
        """Cut it with RST instead of FIN."""
        self._cut = True
        _abort(self._client)
        _abort(self._server)
        for way in self._ways:
            if way is not asyncio.current_task():
                way.cancel()


def _abort(writer: asyncio.StreamWriter | None) -> None:
    if writer is None:
        return
    end: socket.socket | None = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        if end is not None and end.fileno() >= 0:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
