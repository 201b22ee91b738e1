"""Links into the customer's pages: pay links are signed here (Ed25519), and only here."""

import base64
import binascii
import re
from dataclasses import dataclass
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from recoup_events import links

_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class BadKey(ValueError):
    """PAY_LINK_SIGNING_KEY has another form than `kid=base64(32-byte Ed25519 seed)`."""


@dataclass(frozen=True)
class SigningKey:
    """The key that signs pay links; portal-api holds its public half under the same id."""

    key_id: str
    key: Ed25519PrivateKey

    @classmethod
    def read(cls, text: str) -> "SigningKey":
        """Read `kid=base64(32-byte seed)`.

        Raises:
            BadKey: it has another form.
        """
        key_id, equals, encoded = text.partition("=")
        try:
            seed = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            seed = b""
        if not _KEY_ID.fullmatch(key_id) or not equals or len(seed) != 32:
            raise BadKey("kid=base64(32-byte Ed25519 seed)")
        return cls(key_id, Ed25519PrivateKey.from_private_bytes(seed))


@dataclass(frozen=True)
class Links:
    """Makes links. `base_url` is portal-api's public address without a slash at its end."""

    base_url: str
    signing_key: SigningKey

    def pay(self, merchant_id: str, case_id: UUID) -> str:
        """Give the link that shows what one case owes and settles it; the same for the same case and key."""
        key = self.signing_key
        signature = key.key.sign(links.to_sign(merchant_id, case_id, key.key_id))
        return f"{self.base_url}/pay/{links.token(merchant_id, case_id, key.key_id, signature)}"

    def portal(self, merchant_id: str) -> str:
        """Give the link to the merchant's customer portal."""
        return f"{self.base_url}/m/{merchant_id}"
