"""The issuer: says yes, no, or "let me see the customer first" to one try of one card."""

from dataclasses import dataclass
from datetime import UTC, datetime

from practice_gateway.cards import script
from practice_gateway.cards.declines import DECLINES, Decline
from practice_gateway.model import PaymentMethod


@dataclass(frozen=True, slots=True)
class Approved:
    """The card may be charged."""


@dataclass(frozen=True, slots=True)
class Declined:
    """The card may not."""

    decline: Decline


@dataclass(frozen=True, slots=True)
class Challenged:
    """The customer must authenticate first (3-D Secure)."""


Answer = Approved | Declined | Challenged


def charge(method: PaymentMethod, now: float, *, off_session: bool, authenticated: bool) -> Answer:
    """Answer one try to charge a card; counts a script's tries. now: merchant's Unix seconds."""
    if method.script is not None:
        return _outcome(method.script.answer(now, off_session=off_session, authenticated=authenticated))
    if expired(method, now):
        return Declined(DECLINES["expired_card"])
    if not authenticated and _challenges(method, off_session=off_session):
        return Challenged()
    return _outcome(method.behaviour.charge or script.OK)


def save(method: PaymentMethod, now: float, *, authenticated: bool) -> Answer:
    """Answer the check when a card is saved or attached; a scripted card passes."""
    if method.script is not None:
        return Approved()
    if expired(method, now):
        return Declined(DECLINES["expired_card"])
    if not authenticated and method.behaviour.authentication in ("on_setup", "always"):
        return Challenged()
    return _outcome(method.behaviour.attach or script.OK)


def expired(method: PaymentMethod, now: float) -> bool:
    """Tell whether the card's last month is over, in UTC."""
    today = datetime.fromtimestamp(now, UTC)
    return (method.exp_year, method.exp_month) < (today.year, today.month)


def _challenges(method: PaymentMethod, *, off_session: bool) -> bool:
    match method.behaviour.authentication:
        case "never":
            return False
        case "always":
            return True
        case "on_setup":
            return not (off_session and method.set_up)
        case "off_session_done":
            return not off_session


def _outcome(outcome: str) -> Answer:
    match outcome:
        case script.OK:
            return Approved()
        case script.AUTHENTICATE:
            return Challenged()
        case _:
            return Declined(DECLINES[outcome])
