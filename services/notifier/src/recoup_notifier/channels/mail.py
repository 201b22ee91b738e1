"""A mail as bytes: RFC 5322 and MIME, from words and addresses.

Promise: nothing that a customer or a merchant wrote can add a header, a recipient or a part.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

_PLAUSIBLE = re.compile(r"[!-~]{1,64}@[^\s@<>\x00-\x20]{1,253}")
_SEVERAL = re.compile(r"[,;:<>()\[\]\\\"]")


@dataclass(frozen=True)
class Letter:
    """A mail and its addresses. `message_id` is the same each time that this message is sent."""

    message_id: str
    sender_name: str
    sender_address: str
    recipient: str
    subject: str
    text: str
    html: str
    language: str
    written_at: datetime
    reply_to: str | None = None


def address_of(text: str | None) -> str | None:
    """Give one plain address in the form in which mail servers take it, or None where there is none."""
    plain = (text or "").strip()
    if not _PLAUSIBLE.fullmatch(plain) or _SEVERAL.search(plain):
        return None
    local, _, domain = plain.rpartition("@")
    try:
        return Address(addr_spec=f"{local}@{domain.encode('idna').decode()}").addr_spec
    except (MessageError, UnicodeError, ValueError, IndexError):
        return None


def as_bytes(letter: Letter) -> bytes:
    """Write a mail out, lines ended by CR LF, 7 bits only."""
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(_phrase(letter.sender_name), addr_spec=letter.sender_address)
    message["To"] = Address(addr_spec=letter.recipient)
    if letter.reply_to:
        message["Reply-To"] = Address(addr_spec=letter.reply_to)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.written_at)
    message["Message-ID"] = letter.message_id
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = letter.language  # last: the parts would take it with them
    return message.as_bytes()


def _phrase(name: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in name).split())
