"""What is known about a decline, and the vocabulary it is told in."""

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple


class DefaultAction(StrEnum):
    """What follows a decline, unless the merchant says otherwise. Our judgement: no source publishes it."""

    RETRY_SCHEDULED = "retry_scheduled"  # the schedule decides when
    RETRY_SOON = "retry_soon"  # a technical failure: within hours
    NEEDS_NEW_CARD = "needs_new_card"  # never this instrument, until it is replaced or re-mandated
    NEEDS_CUSTOMER_AUTHENTICATION = "needs_customer_authentication"  # only with the customer present
    NEVER_RETRY = "never_retry"  # never this instrument: fraud block, revocation, duplicate, deceased
    FIX_BY_MERCHANT = "fix_by_merchant"  # the merchant's set-up is wrong; the customer hears nothing
    NOT_A_DECLINE = "not_a_decline"  # an API error: no try was made, none is counted


class DeclineClass(StrEnum):
    """Why a payment was declined, in words shared by all gateways. Our judgement as well."""

    ACCOUNT_CLOSED = "account_closed"
    API_ERROR = "api_error"
    AUTHENTICATION_REQUIRED = "authentication_required"
    CARD_EXPIRED = "card_expired"
    CARD_INVALID = "card_invalid"
    CARD_LOST_OR_STOLEN = "card_lost_or_stolen"
    CURRENCY_OR_TYPE_NOT_SUPPORTED = "currency_or_type_not_supported"
    DO_NOT_HONOR = "do_not_honor"
    DUPLICATE = "duplicate"
    FRAUD_SUSPECTED = "fraud_suspected"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    ISSUER_UNAVAILABLE = "issuer_unavailable"
    LIMIT_EXCEEDED = "limit_exceeded"
    MANDATE_INVALID = "mandate_invalid"
    MERCHANT_CONFIGURATION = "merchant_configuration"
    PROCESSING_ERROR = "processing_error"
    REVOKED_AUTHORIZATION = "revoked_authorization"
    UNKNOWN = "unknown"


SoftOrHard = Literal["soft", "hard"]


class Row(NamedTuple):
    """Where a fact stands in the table: `lookup(*row)` finds it again."""

    space: str
    code: str


@dataclass(frozen=True, slots=True)
class Decline:
    """One decline, classified.

    Attributes:
        gateway: The code space of the gateway's own code (`stripe`, `stripe_error`, `bacs_arudd`, ...), or
            the gateway as it was given when it or its code isn't in the table.
        code: The gateway's own code, as the table spells it; "" when there was none.
        meaning: The reason in a few English words, for the merchant. Never for the customer when `masked`.
        decline_class: The reason, from the most informative code at hand.
        soft_or_hard: The gateway's own label. Decide on `default_action`, not on this: Checkout.com calls
            every 20xxx soft, lost cards included.
        default_action: What follows, from the strictest code at hand.
        masked: The customer must not learn the reason (lost, stolen, picked up, fraud, security, block lists;
            also a death, a court order, insolvency or a law). Say "your bank declined this card".
        known: The gateway's own code is in the table. False is worth counting and showing to the merchant.
        decided_by: The row that gave `default_action`.
        source: Where `meaning` was found; "unsourced" where it is from memory.
        as_of: The edition of `source`, or the day it was transcribed, or else the day the table was compiled
            (`sources.csv` says which); None for a code that isn't in the table.
    """

    gateway: str
    code: str
    meaning: str
    decline_class: DeclineClass
    soft_or_hard: SoftOrHard
    default_action: DefaultAction
    masked: bool
    known: bool
    decided_by: Row
    source: str
    as_of: dt.date | None
