"""The SMTP side: takes what it is given, up to a size, and puts it into the box."""

import asyncio
from datetime import UTC, datetime

from aiosmtpd.smtp import SMTP, Envelope, Session

from recoup_local.mail.box import Box

MAIL_BYTES = 2 * 1024 * 1024  # a larger one gets 552


class Handler:
    """What aiosmtpd calls."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        """Keep one mail."""
        raw = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        self._box.put(envelope.mail_from or "", list(envelope.rcpt_tos), raw, datetime.now(UTC))
        return "250 kept, delivered to nobody"


async def listen(box: Box, host: str, port: int) -> asyncio.Server:
    """Take mail on a port; 0 is any free one."""
    loop = asyncio.get_running_loop()

    def protocol() -> SMTP:
        return SMTP(
            Handler(box), data_size_limit=MAIL_BYTES, enable_SMTPUTF8=True, hostname="localhost", loop=loop
        )

    return await loop.create_server(protocol, host, port)
