"""Value types and the three permanent functions of the contract; the standard library only.

Promise: nothing here changes its result, ever. The namespace, the form of the names and the hash
decide which facts are the same and where they live; a change would make old facts new ones.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

NAMESPACE = UUID("8f0f1bb4-3c55-5c0e-9d0a-6f1f6c1d7a21")
"""Of every fact's UUIDv5. Permanent."""

_IN_NAMESPACE = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)
_FREE_BITS = ~((0xF000 << 64) | (0xC000 << 48))
_VERSION_5 = (0x5000 << 64) | (0x8000 << 48)
"""A UUIDv5 as `uuid.uuid5` makes it, in half its time: every event is born with several."""

SEPARATOR = "\x1f"
"""Between the parts of a fact's name (ASCII unit separator, which no gateway id contains)."""

TRY_WITHIN = timedelta(hours=6)
"""From a try's being asked for until its `not_after`, real time: it is charged then, neither before nor after."""


def fact_id(account: str, event_type: str, *identity: str) -> UUID:
    """Give the id of a fact, the same from every messenger.

    Args:
        account: the gateway account, or the merchant for our own decisions.
        event_type: the event's type without its version, for instance `payment.failed`.
        identity: the business identity, for instance the gateway's charge id.
    """
    name = _IN_NAMESPACE.copy()
    name.update(SEPARATOR.join((account, event_type, *identity)).encode())
    return UUID(int=int.from_bytes(name.digest()[:16], "big") & _FREE_BITS | _VERSION_5)


def partition_of(merchant: str, customer: str | None, partitions: int) -> int:
    """Give the partition, from 0, of a customer's events, or of a merchant's settings (no customer).

    The first 8 bytes, big-endian, of SHA-256 of merchant NUL customer, modulo the number of partitions.
    """
    name = merchant if customer is None else f"{merchant}\0{customer}"
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], "big") % partitions


class OpenEnum(StrEnum):
    """A string enumeration that may grow: a value from a later release reads as `unknown`."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.__members__["UNKNOWN"] if isinstance(value, str) else None


class Attribution(OpenEnum):
    """Who made a charge. Only `recoup` moves the attempt ladder; all count towards network limits."""

    RECOUP = "recoup"
    GATEWAY = "gateway"
    MERCHANT = "merchant"
    CUSTOMER = "customer"
    UNKNOWN = "unknown"


class FailureNature(OpenEnum):
    """What kind of failure this is. Only `renewal` opens a case."""

    RENEWAL = "renewal"
    SETUP_UNFINISHED = "setup_unfinished"
    OVERDUE = "overdue"
    STANDALONE = "standalone"
    UNKNOWN = "unknown"


class Collection(OpenEnum):
    """How an invoice is collected."""

    AUTOMATIC = "automatic"
    SEND_INVOICE = "send_invoice"
    UNKNOWN = "unknown"


class SettledBy(OpenEnum):
    """How an invoice came to be paid."""

    CHARGE = "charge"
    OUT_OF_BAND = "out_of_band"
    CREDIT = "credit"
    UNKNOWN = "unknown"


class ReversalKind(OpenEnum):
    """How money that had come in went back."""

    REFUND = "refund"
    DISPUTE = "dispute"
    BANK_RETURN = "bank_return"
    UNKNOWN = "unknown"


class CardChange(OpenEnum):
    """What happened to an instrument. A removed one is never charged."""

    ADDED = "added"
    REPLACED = "replaced"
    NETWORK_UPDATED = "network_updated"
    REMOVED = "removed"
    UNKNOWN = "unknown"


class TryKind(OpenEnum):
    """Why a try is made. Only `scheduled` uses a step of the ladder."""

    SCHEDULED = "scheduled"
    NEW_CARD = "new_card"
    REQUESTED = "requested"
    UNKNOWN = "unknown"


class AttemptState(OpenEnum):
    """Where a charge attempt stands.

    `planned → sending → succeeded | declined | pending | requires_action | unresolved | not_sent`;
    refused unprocessed: `sending → planned`;
    later: `pending | requires_action | unknown → succeeded | declined | not_sent`.
    `unknown` is an outcome that nobody could tell yet; a state of a later release reads the same way.
    """

    PLANNED = "planned"
    SENDING = "sending"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class CaseState(OpenEnum):
    """Where a recovery case stands. `recovered`, `ended` and `reversed` are closed."""

    SCHEDULED = "scheduled"
    TRYING = "trying"
    WAITING = "waiting"
    ENDING = "ending"
    RECOVERED = "recovered"
    ENDED = "ended"
    REVERSED = "reversed"
    UNKNOWN = "unknown"


class WaitingFor(OpenEnum):
    """Whom a waiting case waits for."""

    CARD = "card"
    CUSTOMER = "customer"
    MERCHANT = "merchant"
    AGREEMENT = "agreement"
    UNKNOWN = "unknown"


class Transition(OpenEnum):
    """What a `recovery.changed` tells."""

    OPENED = "opened"
    PLANNED = "planned"
    TRYING = "trying"
    TRY_FAILED = "try_failed"
    WAITING = "waiting"
    ENDING = "ending"
    RECOVERED = "recovered"
    ENDED = "ended"
    REVERSED = "reversed"
    UNKNOWN = "unknown"


class RecoveryWay(OpenEnum):
    """By which way a case was recovered."""

    SCHEDULED_RETRY = "scheduled_retry"
    NEW_CARD = "new_card"
    CUSTOMER_PAYMENT = "customer_payment"
    GATEWAY_RETRY = "gateway_retry"
    MERCHANT = "merchant"
    OUT_OF_BAND = "out_of_band"
    UNKNOWN = "unknown"


class FinalAction(OpenEnum):
    """What becomes of a subscription whose recovery failed."""

    CANCEL = "cancel"
    MARK_UNPAID = "mark_unpaid"
    NOTHING = "nothing"
    UNKNOWN = "unknown"


class FinalActionOutcome(OpenEnum):
    """What became of a final action. `overtaken`: paid, void or cancelled meanwhile."""

    DONE = "done"
    OVERTAKEN = "overtaken"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class InvoiceStatus(OpenEnum):
    """Where an invoice stands. Only `open` is payable."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"
    UNKNOWN = "unknown"


class SubscriptionStatus(OpenEnum):
    """Where a subscription stands."""

    INCOMPLETE = "incomplete"
    INCOMPLETE_EXPIRED = "incomplete_expired"
    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    PAUSED = "paused"
    CANCELED = "canceled"
    UNKNOWN = "unknown"


class Precedence(OpenEnum):
    """Who collects: we do and switch the gateway's own retries off, or the gateway does and we watch and speak."""

    PLATFORM_MANAGEMENT = "platform_management"
    GATEWAY_DEFAULT = "gateway_default"
    UNKNOWN = "unknown"


class RecoveryMode(OpenEnum):
    """How the instants of tries are chosen: `custom` is the merchant's own steps, `smart` the mind's choice."""

    CUSTOM = "custom"
    SMART = "smart"
    UNKNOWN = "unknown"


class AppliesTo(OpenEnum):
    """Which cases follow a new recovery setting: those that are opened from now on, or open ones too."""

    NEW = "new"
    OPEN = "open"
    UNKNOWN = "unknown"


class Channel(OpenEnum):
    """How a message travelled."""

    EMAIL = "email"
    UNKNOWN = "unknown"


class MessageKind(OpenEnum):
    """Which message was sent."""

    PAYMENT_FAILED = "payment_failed"
    ALL_SET = "all_set"
    SIGN_IN = "sign_in"
    UNKNOWN = "unknown"


def utc(instant: datetime) -> str:
    """Write an aware instant as RFC 3339 in UTC with microseconds, the one form used in headers."""
    return instant.astimezone(tz=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
