"""The form of a pay link: what the notifier signs (Ed25519) and portal-api verifies; the standard library only.

Promise: a link names one case of one merchant and says nothing else; who holds the key decides what is true.
"""

import base64
import binascii
from dataclasses import dataclass
from uuid import UUID

_VERSION = "1"
_MAX = 600


@dataclass(frozen=True)
class PayLink:
    """A parsed link, its signature not yet verified."""

    merchant_id: str
    case_id: UUID
    key_id: str
    signature: bytes


def to_sign(merchant_id: str, case_id: UUID, key_id: str) -> bytes:
    """Give the bytes that are signed."""
    return "\0".join(("recoup pay link", _VERSION, key_id, merchant_id, str(case_id))).encode()


def token(merchant_id: str, case_id: UUID, key_id: str, signature: bytes) -> str:
    """Give the link's last path segment (URL-safe)."""
    named = f"{key_id}\0{merchant_id}".encode()
    return ".".join((_VERSION, _encode(named), _encode(case_id.bytes), _encode(signature)))


def parse(text: str) -> PayLink:
    """Read a link's last path segment.

    Raises:
        ValueError: it has another form.
    """
    if len(text) > _MAX:
        raise ValueError("the link is too long")
    version, *parts = text.split(".")
    if version != _VERSION or len(parts) != 3:
        raise ValueError("the link has another form")
    try:
        named, case, signature = (
            base64.b64decode(part + "=" * (-len(part) % 4), b"-_", validate=True) for part in parts
        )
        key_id, merchant_id = named.decode().split("\0")
        return PayLink(merchant_id, UUID(bytes=case), key_id, signature)
    except (binascii.Error, UnicodeDecodeError) as wrong:
        raise ValueError("the link has another form") from wrong


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
