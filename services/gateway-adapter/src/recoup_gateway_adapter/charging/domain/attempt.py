"""A charge attempt and the states it may pass through."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from recoup_events.values import AttemptState, TryKind

KEY_LENGTH = 255
"""Characters that a key may have at Stripe (docs.stripe.com/api/idempotent_requests)."""

KEY_MARGIN = timedelta(hours=4)
"""A key is used no longer than the gateway keeps it, less this."""

_S = AttemptState
SETTLED = frozenset({_S.SUCCEEDED, _S.DECLINED, _S.NOT_SENT})
LOCKING = frozenset({_S.SENDING, _S.PENDING, _S.REQUIRES_ACTION, _S.UNKNOWN})
"""While an attempt is in one of these, nothing else is asked for its invoice."""

MOVES: dict[AttemptState, frozenset[AttemptState]] = {
    _S.PLANNED: frozenset({_S.SENDING, _S.NOT_SENT}),
    _S.SENDING: frozenset(
        {_S.PLANNED, _S.SUCCEEDED, _S.DECLINED, _S.PENDING, _S.REQUIRES_ACTION, _S.UNKNOWN, _S.NOT_SENT}
    ),
    _S.PENDING: frozenset({_S.SUCCEEDED, _S.DECLINED}),
    _S.REQUIRES_ACTION: SETTLED | {_S.PENDING},
    _S.UNKNOWN: SETTLED | {_S.PENDING, _S.REQUIRES_ACTION},
    _S.SUCCEEDED: frozenset(),
    _S.DECLINED: frozenset(),
    _S.NOT_SENT: frozenset(),
}
"""What may follow what; the database's trigger says the same."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One charge of one invoice, asked at most once. Instants are real time, UTC.

    `number`: of the invoice, over all kinds of attempt, from 1. `body`: the request's exact bytes.
    `not_after`: the last instant at which it may be sent for the first time.
    `unanswered`: requests that were sent, or may have been, and of which the gateway has not said what became.
    `position`: its turn among a card session's attempts, from 0.
    `seen_charge_id`: the invoice's latest charge before this attempt was first sent.
    """

    merchant_id: str
    account_id: str
    customer_id: str
    attempt_id: UUID
    invoice_id: str
    number: int
    idempotency_key: str
    body: bytes
    kind: TryKind
    customer_present: bool
    instrument_id: str | None = None
    case_id: UUID | None = None
    try_id: UUID | None = None
    card_session_id: UUID | None = None
    position: int = 0
    not_after: datetime | None = None
    state: AttemptState = AttemptState.PLANNED
    reason: str = "planned"
    revision: int = 0
    unanswered: int = 0
    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None
    look_ups: int = 0
    seen_charge_id: str | None = None
    charge_id: str | None = None
    payment_intent_id: str | None = None
    action_url: str | None = None
    action_until: datetime | None = None
    decline_code: str | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing can become of it any more."""
        return self.state in SETTLED

    @property
    def invoice(self) -> tuple[str, str, str]:
        """Merchant, account and invoice: what is held while money may be on its way."""
        return self.merchant_id, self.account_id, self.invoice_id

    def moved(self, state: AttemptState, reason: str) -> "Attempt":
        """Give the attempt in its next state; `reason` is a word."""
        assert state in MOVES[self.state], f"{self.state} → {state}"
        return replace(self, state=state, reason=reason, revision=self.revision + 1)

    def noted(self, reason: str) -> "Attempt":
        """Give the attempt in the same state for another reason."""
        return replace(self, reason=reason, revision=self.revision + 1)


@dataclass(frozen=True)
class Change:
    """An attempt after something happened, and when the executor must look at it again (None: no more)."""

    attempt: Attempt
    again_at: datetime | None


def idempotency_key(merchant_id: str, account_id: str, invoice_id: str, number: int) -> str:
    """Give the key of an invoice's attempt: the same for ever, at most 255 characters."""
    key = f"recoup:{merchant_id}:{account_id}:{invoice_id}:{number}"
    if len(key) <= KEY_LENGTH:
        return key
    named = f"{merchant_id}\0{account_id}\0{invoice_id}".encode()
    return f"recoup:{hashlib.sha256(named).hexdigest()}:{number}"


def key_is_young(attempt: Attempt, now: datetime, window: timedelta) -> bool:
    """Tell whether the gateway still knows the key of what may have been sent.

    A key from the future is of an unknown age: a clock was set back since, by nobody knows how much.

    Args:
        window: how long the gateway keeps a key at least.
    """
    return attempt.first_sent_at is None or timedelta(0) <= now - attempt.first_sent_at < window - KEY_MARGIN
