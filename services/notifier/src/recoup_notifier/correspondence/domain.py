"""May a message go out now? Judged immediately before each try, since the world moves while messages wait.

Promise: pure. A mail about a payment goes out only while what it says is still so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from recoup_events.values import CaseState, MessageKind
from recoup_notifier.contacts.domain import Contact
from recoup_notifier.sequences.domain import Ask, Case, ask_of

PATIENCE = timedelta(minutes=10)
"""Real time that a message waits for its customer or merchant to become known: they come by other topics."""

A_MOMENT = timedelta(seconds=2)
WHILE_HELD = timedelta(seconds=15)
WHILE_UNWRITABLE = timedelta(minutes=15)

BACK_OFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 120, 240, 240, 480, 480, 480, 720))
"""Real time after each temporary refusal, from the first; then the message is given up, after some two days."""


class Reason(StrEnum):
    """Why a message was dropped, or failed."""

    OVERTAKEN = "overtaken"  # the case closed, or something newer is said about it
    NOTHING_TO_CONCLUDE = "nothing_to_conclude"  # all set, but no payment-failed mail was ever sent
    SWITCHED_OFF = "switched_off"  # by the merchant
    NO_CONTACT = "no_contact"  # the customer is not known, or no longer
    NO_MERCHANT = "no_merchant"  # the merchant is not known
    NO_ADDRESS = "no_address"  # the customer has none
    BAD_ADDRESS = "bad_address"  # nothing can be sent there
    ERASED = "erased"
    EXPIRED = "expired"  # a sign-in link is too old
    REFUSED = "refused"  # by the mail server, for good
    GAVE_UP = "gave_up"  # refused for the time being, too often


class ToldBefore(StrEnum):
    """Whether the customer was ever told that the payment failed."""

    YES = "yes"
    NO = "no"
    ON_ITS_WAY = "on_its_way"


@dataclass(frozen=True)
class Queued:
    """A message that waits. Instants are real. `newer`: something was said about the case since."""

    merchant_id: str
    message_id: UUID
    customer_id: str
    account_id: str
    kind: MessageKind
    queued_at: datetime
    handed_over: int
    case_id: UUID | None = None
    case_revision: int | None = None
    expires_at: datetime | None = None
    link: str | None = None
    newer: bool = False
    told_before: ToldBefore = ToldBefore.NO


@dataclass(frozen=True)
class Surroundings:
    """What is known around a message now. `now` is the merchant's instant, `real_now` the real one."""

    now: datetime
    real_now: datetime
    case: Case | None = None
    contact: Contact | None = None
    merchant_known: bool = True
    held: bool = False


@dataclass(frozen=True)
class Go:
    """Send it, asking this."""

    ask: Ask
    contact: Contact


@dataclass(frozen=True)
class Wait:
    """Look again after so much real time."""

    time: timedelta


@dataclass(frozen=True)
class Drop:
    """Never send it."""

    reason: Reason


def judge(message: Queued, around: Surroundings) -> Go | Wait | Drop:
    """Say whether a message may go out now."""
    ask = _still_so(message, around)
    if not isinstance(ask, Ask):
        return ask
    patience = message.queued_at + PATIENCE > around.real_now
    if around.contact is None:
        return Wait(A_MOMENT) if patience else Drop(Reason.NO_CONTACT)
    if not around.merchant_known:
        return Wait(A_MOMENT) if patience else Drop(Reason.NO_MERCHANT)
    if around.contact.email is None:
        return Drop(Reason.NO_ADDRESS)
    if around.held:
        return Wait(WHILE_HELD)
    return Go(ask, around.contact)


def _still_so(message: Queued, around: Surroundings) -> Ask | Wait | Drop:
    if message.expires_at is not None:
        return Drop(Reason.EXPIRED) if message.expires_at <= around.real_now else Ask.NOTHING
    if around.case is None or message.newer:
        return Drop(Reason.OVERTAKEN)
    if message.kind is MessageKind.ALL_SET:
        return _concludes(message.told_before, around.case)
    ask = ask_of(around.case)
    if ask is None or around.now >= around.case.resolve_by:
        return Drop(Reason.OVERTAKEN)
    return ask


def _concludes(told: ToldBefore, case: Case) -> Ask | Wait | Drop:
    if case.state is not CaseState.RECOVERED:
        return Drop(Reason.OVERTAKEN)
    match told:
        case ToldBefore.YES:
            return Ask.NOTHING
        case ToldBefore.NO:
            return Drop(Reason.NOTHING_TO_CONCLUDE)
        case ToldBefore.ON_ITS_WAY:
            return Wait(A_MOMENT)


def after_temporary_refusal(handed_over: int) -> Wait | Drop:
    """Say when to try again.

    Args:
        handed_over: how often the mail server was asked, from 1.
    """
    if handed_over > len(BACK_OFF):
        return Drop(Reason.GAVE_UP)
    return Wait(BACK_OFF[handed_over - 1])
