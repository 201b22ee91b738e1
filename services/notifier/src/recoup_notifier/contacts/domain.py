"""Whom to write to."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contact:
    """A customer as the gateway knows them. Personal; never logged."""

    merchant_id: str
    customer_id: str
    account_id: str
    version: int
    email: str | None = None
    name: str | None = None
    locale: str | None = None
    timezone: str | None = None
