"""The notifier's environment."""

from typing import Annotated

from pydantic import AfterValidator, Field

from recoup_chassis.config import Port, ServiceConfig
from recoup_chassis.http import callers_from
from recoup_events.settings import Address
from recoup_notifier.channels.smtp import Server
from recoup_notifier.compose.links import SigningKey


def _callers(text: str) -> str:
    callers_from(text)
    return text


def _server(text: str) -> str:
    Server.read(text)
    return text


def _signing_key(text: str) -> str:
    SigningKey.read(text)
    return text


class Config(ServiceConfig):
    """What the notifier needs beyond what every service needs."""

    internal_port: Port = Field(description="where portal-api asks for sign-in mails and previews")
    internal_callers: Annotated[str, AfterValidator(_callers)] = Field(
        repr=False, description="name=secret,… with secrets of at least 16 characters"
    )
    smtp_url: Annotated[str, AfterValidator(_server)] = Field(
        repr=False, description="smtp://host:port or smtps://user:password@host:port"
    )
    mail_from: Address = Field(description="the address that mails come from, and that bounces go to")
    pay_link_signing_key: Annotated[str, AfterValidator(_signing_key)] = Field(
        repr=False, description="kid=base64(32-byte Ed25519 seed)"
    )
    portal_base_url: str = Field(
        pattern=r"^https?://[^\s?#]*[^\s?#/]$",
        description="the public address of the customers' pages, no slash at its end",
    )
