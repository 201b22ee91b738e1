"""The environment of portal-api."""

import base64
import binascii
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from recoup_chassis.config import Port, ServiceConfig


def keys_from(text: str) -> dict[str, bytes]:
    """Read `kid=base64(32 bytes)`, several with commas.

    Raises:
        ValueError: it has another form.
    """
    keys = {}
    for pair in filter(None, text.split(",")):
        key_id, _, encoded = pair.partition("=")
        keys[key_id] = _thirty_two(encoded)
        if not key_id:
            raise ValueError("kid=base64(32 bytes)[,…]")
    if not keys:
        raise ValueError("kid=base64(32 bytes)[,…]")
    return keys


def secret_from(text: str) -> bytes:
    """Read base64 of 32 bytes.

    Raises:
        ValueError: it has another form.
    """
    return _thirty_two(text)


def origins_from(text: str) -> tuple[str, ...]:
    """Read origins, scheme://host[:port], several with commas.

    Raises:
        ValueError: it has another form.
    """
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path not in {"", "/"}:
            raise ValueError("scheme://host[:port][,…]")
    return tuple(origin.rstrip("/").lower() for origin in origins)


def _thirty_two(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as wrong:
        raise ValueError("32 bytes in base64") from wrong
    if len(raw) != 32:
        raise ValueError("32 bytes in base64")
    return raw


def _checked_keys(text: str) -> str:
    keys_from(text)
    return text


def _checked_secret(text: str) -> str:
    secret_from(text)
    return text


def _checked_origins(text: str) -> str:
    origins_from(text)
    return text


Url = Annotated[
    str, Field(pattern=r"^https?://[^\s/]+(/[^\s]*)?$"), AfterValidator(lambda url: url.rstrip("/"))
]


class Config(ServiceConfig):
    """Frozen. A secret or a URL has no default."""

    http_port: Port = Field(description="the merchant API and the customer's pages")
    http_database_url: str = Field(
        pattern=r"^postgres(ql)?://",
        description="the same database, as the restricted role that sees one merchant a request",
    )
    portal_base_url: Url = Field(description="where customers reach the pages, https://…")
    portal_secret: Annotated[str, AfterValidator(_checked_secret)] = Field(
        description="32 random bytes in base64; binds forms to pages and hashes customers' addresses"
    )
    pay_link_public_keys: Annotated[str, AfterValidator(_checked_keys)] = Field(
        description="kid=base64(32-byte Ed25519 public key), several with commas"
    )
    gateway_adapter_url: Url = Field(description="gateway-adapter's internal port")
    notifier_url: Url = Field(description="notifier's internal port")
    internal_secret: str = Field(min_length=16, description="what we show on internal ports")
    ingest_base_url: Url = Field(description="where gateways post webhooks, shown to merchants")
    gateway_base_urls: Annotated[str, AfterValidator(_checked_origins)] = Field(
        default="",
        description="origins that a sandbox account may name as its base_url, with commas; none by default",
    )

    @property
    def allowed_gateways(self) -> tuple[str, ...]:
        """The origins in `gateway_base_urls`."""
        return origins_from(self.gateway_base_urls)

    @property
    def https(self) -> bool:
        """Whether customers reach us by https."""
        return self.portal_base_url.startswith("https:")
