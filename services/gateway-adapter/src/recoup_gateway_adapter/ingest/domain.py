"""What is refused at the door, and what is let in."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Reason(StrEnum):
    """Why a webhook is refused; each has its counter."""

    NOT_FOUND = "not_found"
    METHOD = "method"
    TOO_LARGE = "too_large"
    CUT_OFF = "cut_off"
    SIGNATURE = "signature"
    JSON = "json"
    SCHEMA = "schema"
    LIVEMODE = "livemode"
    ACCOUNT = "account"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"


STATUS = {
    Reason.NOT_FOUND: 404,
    Reason.METHOD: 405,
    Reason.TOO_LARGE: 413,
    Reason.CUT_OFF: 400,
    Reason.SIGNATURE: 400,
    Reason.JSON: 400,
    Reason.SCHEMA: 400,
    Reason.LIVEMODE: 400,
    Reason.ACCOUNT: 400,
    Reason.BUSY: 503,
    Reason.UNAVAILABLE: 503,
}

BODY_BYTES = 512 * 1024
"""The largest body let in. Stripe's own are far below."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A verified webhook on its way into the store."""

    merchant_id: str
    account_id: str
    webhook_id: str
    event_at: datetime
    event_type: str
    customer_id: str | None
    body: bytes = field(repr=False)
