"""Secrets at rest: AES-256-GCM under a key that has a name, so that keys can be changed.

Promise: a sealed secret opens only for the account and the purpose it was sealed for; copied to another row, it
does not.
"""

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
KEY_BYTES = 32


class CannotOpen(Exception):
    """The secret was sealed with a key that is not among SEALING_KEYS, or for another account, or was changed."""


@dataclass(frozen=True)
class Vault:
    """Seals with the first key, opens with any."""

    newest: str
    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read SEALING_KEYS, `kid=base64(32 bytes)`, the newest first, older ones after commas.

        Raises:
            ValueError: it has another form.
        """
        keys: dict[str, bytes] = {}
        for pair in filter(None, (part.strip() for part in text.split(","))):
            kid, _, encoded = pair.partition("=")
            try:
                key = base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if not 1 <= len(kid.encode()) <= 64 or len(key) != KEY_BYTES or kid in keys:
                msg = "kid=base64(32 bytes),… with the newest key first"
                raise ValueError(msg)
            keys[kid] = key
        if not keys:
            msg = "at least one key, kid=base64(32 bytes)"
            raise ValueError(msg)
        return cls(next(iter(keys)), keys)

    def seal(self, secret: str, *, merchant: str, account: str, purpose: str) -> bytes:
        """Seal a secret for one purpose of one account."""
        kid, nonce = self.newest.encode(), os.urandom(NONCE_BYTES)
        about = _about(merchant, account, purpose)
        sealed = AESGCM(self.keys[self.newest]).encrypt(nonce, secret.encode(), about)
        return bytes([len(kid)]) + kid + nonce + sealed

    def open(self, sealed: bytes, *, merchant: str, account: str, purpose: str) -> str:
        """Open a sealed secret.

        Raises:
            CannotOpen: with these keys, or for this account and purpose, it can't be opened.
        """
        length = sealed[0] if sealed else 0
        kid, rest = sealed[1 : 1 + length], sealed[1 + length :]
        key = self.keys.get(kid.decode(errors="replace"))
        if key is None:
            raise CannotOpen(f"sealed with key {kid.decode(errors='replace')!r}, which SEALING_KEYS lacks")
        about = _about(merchant, account, purpose)
        try:
            return AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], about).decode()
        except (InvalidTag, ValueError):
            raise CannotOpen(f"account {account}: not sealed for this, or changed") from None


def _about(merchant: str, account: str, purpose: str) -> bytes:
    return f"{merchant}\0{account}\0{purpose}".encode()
