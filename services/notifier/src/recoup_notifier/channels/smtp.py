"""SMTP: a few connections that stay open, and a plain word for what became of each mail.

Promise: what the server accepted is `Delivered`, what it can't have accepted is never called uncertain, and what
it may have accepted is never called anything else.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

CONNECTIONS = 8
"""Open at most to the mail server."""

CONNECT_WITHIN, ANSWER_WITHIN = 10.0, 30.0
"""Seconds: to be greeted, and for each command's answer."""

CLOSING = 421
"""The server ends the connection, for instance because it was idle (RFC 5321, 3.8)."""

_Broken = (OSError, TimeoutError, SMTPException)


@dataclass(frozen=True)
class Server:
    """Where mail is handed over. `tls`: from the first byte; without it, STARTTLS where the server offers it."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None

    @classmethod
    def read(cls, url: str) -> Self:
        """Read smtp://host:port or smtps://user:password@host:port.

        Raises:
            ValueError: it has another form.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"smtp", "smtps"} or not parts.hostname or parts.path not in {"", "/"}:
            raise ValueError("smtp://host:port or smtps://user:password@host:port")
        if (parts.username is None) != (parts.password is None):
            raise ValueError("a user needs a password, a password a user")
        return cls(
            host=parts.hostname,
            port=parts.port or (465 if parts.scheme == "smtps" else 587),
            tls=parts.scheme == "smtps",
            username=unquote(parts.username) if parts.username is not None else None,
            password=unquote(parts.password) if parts.password is not None else None,
        )


@dataclass(frozen=True)
class Delivered:
    """The server has it."""


@dataclass(frozen=True)
class Refused:
    """The server will never take it."""

    answer: str


@dataclass(frozen=True)
class Later:
    """The server does not take it for the time being."""

    answer: str


@dataclass(frozen=True)
class Uncertain:
    """The connection broke while the server was taking it: it may have arrived."""

    answer: str


@dataclass(frozen=True)
class Unreachable:
    """There is no server to talk to: nothing was handed over, this mail is not at fault."""

    answer: str


Outcome = Delivered | Refused | Later | Uncertain | Unreachable


class Smtp:
    """The mail server. `async with` closes its connections at the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: list[SMTP] = []
        self._free = asyncio.Semaphore(CONNECTIONS)

    async def __aenter__(self) -> Self:
        """Connect when the first mail is sent, not before."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Say goodbye on every open connection."""
        for connection in self._idle:
            with contextlib.suppress(*_Broken):
                await connection.quit(timeout=1)
            connection.close()
        self._idle.clear()

    async def send(self, envelope_from: str, recipient: str, mail: bytes) -> Outcome:
        """Hand one mail over. Never raises for what the server or the network does."""
        async with self._free:
            while self._idle:
                outcome = await self._on(self._idle.pop(), envelope_from, recipient, mail)
                if not isinstance(outcome, Unreachable):
                    return outcome  # else the server had closed it meanwhile
            try:
                connection = await self._connect()
            except _Broken as down:
                return Unreachable(_said(down))
            return await self._on(connection, envelope_from, recipient, mail)

    async def _connect(self) -> SMTP:
        server = self._server
        connection = SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.tls,
            start_tls=True if server.username is not None and not server.tls else None,
            username=server.username,
            password=server.password,
            timeout=ANSWER_WITHIN,
        )
        try:
            await connection.connect(timeout=CONNECT_WITHIN)
        except BaseException:
            connection.close()
            raise
        return connection

    async def _on(self, connection: SMTP, envelope_from: str, recipient: str, mail: bytes) -> Outcome:
        """Hand over on this connection, and keep it open where it is still good."""
        good = False
        try:
            outcome, good = await _transaction(connection, envelope_from, recipient, mail)
        finally:
            if good:
                self._idle.append(connection)
            else:
                connection.close()
        return outcome


async def _transaction(
    connection: SMTP, envelope_from: str, recipient: str, mail: bytes
) -> tuple[Outcome, bool]:
    """Give what became of the mail, and whether the connection is good for another one."""
    try:
        await connection.mail(envelope_from)
        await connection.rcpt(recipient)
    except SMTPResponseException as refused:
        if refused.code == CLOSING:
            return Unreachable(_answer(refused)), False
        return await _refusal(connection, refused)
    except _Broken as broken:
        return Unreachable(_said(broken)), False
    try:
        await connection.data(mail)
    except SMTPResponseException as refused:
        return await _refusal(connection, refused)
    except _Broken as broken:
        return Uncertain(_said(broken)), False
    return Delivered(), True


async def _refusal(connection: SMTP, refused: SMTPResponseException) -> tuple[Outcome, bool]:
    good = False
    with contextlib.suppress(*_Broken):
        if refused.code != CLOSING:
            await connection.rset()
            good = True
    answer = _answer(refused)
    return (Refused(answer) if refused.code >= 500 else Later(answer)), good


def _answer(refused: SMTPResponseException) -> str:
    return f"{refused.code} {' '.join(refused.message.split())}"[:300]


def _said(broken: BaseException) -> str:
    return f"{type(broken).__name__}: {broken}"[:300]
