"""A card session, and what a completed one leads to."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

OPEN_FOR = timedelta(hours=24)
"""How long Stripe leaves its page open, real time (docs.stripe.com/api/checkout/sessions, `expires_at`)."""


class SessionState(StrEnum):
    """Where a card session stands."""

    OPEN = "open"
    COMPLETED = "completed"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class CardSession:
    """A customer's visit to the gateway's card page. `invoice_ids`: what the card is to settle, oldest first.

    `ends_at`: real time. `instrument_id`: the new card, once the session is completed.
    """

    merchant_id: str
    card_session_id: UUID
    account_id: str
    customer_id: str
    state: SessionState
    invoice_ids: tuple[str, ...]
    return_url: str
    cancel_url: str
    ends_at: datetime
    gateway_session_id: str | None = None
    instrument_id: str | None = None

    def state_at(self, now: datetime) -> SessionState:
        """Give where it stands at a real instant: one that nobody completed in time has expired."""
        late = self.state is SessionState.OPEN and now > self.ends_at
        return SessionState.EXPIRED if late else self.state


AGAIN_AFTER = timedelta(seconds=5)


@dataclass(frozen=True)
class Done:
    """The session has ended, or the customer has not finished."""


@dataclass(frozen=True)
class Later:
    """The gateway can't be asked just now. `why` is a word."""

    why: str
    pause: timedelta = AGAIN_AFTER


def return_address(url: str, card_session_id: UUID) -> str:
    """Give the address to which the gateway sends the customer back: it names our session."""
    return f"{url}{'&' if '?' in url else '?'}session={card_session_id}"
