"""A gateway account, opened; and what a merchant's settings say about charging."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class AccountRef:
    """Which account, and whose."""

    account_id: str
    merchant_id: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Account(AccountRef):
    """A gateway account with its API key. Never log it: the key is left out of its repr.

    Args:
        base_url: the gateway's API without a trailing slash; None is the gateway's own.
        api_version: the gateway's version to ask for; None is the account's default.
        collection_paused: we charge nothing here until somebody resumes it.
    """

    livemode: bool
    base_url: str | None
    api_version: str | None
    enabled: bool
    collection_paused: bool
    api_key: str = field(repr=False)

    @property
    def ref(self) -> AccountRef:
        """Which account, whatever its key and settings are."""
        return AccountRef(self.account_id, self.merchant_id, self.gateway)


@dataclass(frozen=True, slots=True)
class WebhookDoor:
    """What ingest needs to let a webhook of this account in.

    Args:
        secrets: the current one, and the one before it until `old_secret_until` (real time).
    """

    account_id: str
    merchant_id: str
    gateway: str
    livemode: bool
    enabled: bool
    secret: str = field(repr=False)
    old_secret: str | None = field(default=None, repr=False)
    old_secret_until: datetime | None = None

    def secrets(self, now: datetime) -> tuple[str, ...]:
        """Give the secrets that are valid at a real instant, the current one first."""
        if self.old_secret is None or self.old_secret_until is None or now >= self.old_secret_until:
            return (self.secret,)
        return (self.secret, self.old_secret)


@dataclass(frozen=True, slots=True)
class NewAccount(AccountRef):
    """An account as a merchant gives it to us. `collection_paused` None leaves it as it is."""

    name: str
    livemode: bool
    base_url: str | None
    api_version: str | None
    collection_paused: bool | None
    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
