"""What an answer, a silence or a fact makes of an attempt. Every instant here is real time, UTC.

Promise: a request whose fate is not known is never followed by another one than itself (same key, same bytes),
and nothing but the gateway's own word settles it.

    planned → sending → succeeded | declined | pending | requires_action | unknown | not_sent
    refused unprocessed: sending → planned
    later: pending | requires_action | unknown → succeeded | declined | not_sent
"""

from dataclasses import replace
from datetime import datetime, timedelta

from recoup_events.values import AttemptState
from recoup_gateway_adapter.charging.domain.answers import (
    Absent,
    Answer,
    Captured,
    ChargeOutcome,
    ChargeResult,
    Declined,
    Finding,
    InFlight,
    NeedsAction,
    NoAnswer,
    Outcome,
    Processing,
    Refused,
    Unclear,
    Unprocessed,
)
from recoup_gateway_adapter.charging.domain.attempt import SETTLED, Attempt, Change

REPEAT_AFTER = (timedelta(seconds=2), timedelta(seconds=10), timedelta(seconds=60))
"""How long after a silence the same request is sent again: three times, then the outcome is unknown."""

REQUEST_TIMEOUT = timedelta(seconds=30)
"""A gateway has this long to answer."""

LOOK_UP_AFTER = (timedelta(minutes=5), timedelta(hours=1), *(timedelta(days=1),) * 5)
"""When an unknown outcome is looked up, each after the one before; then a person must."""

ABSENT_SETTLES_AFTER = timedelta(minutes=15)
"""How long after the last request's time-out "not found" may be believed."""

AUTHENTICATION_TAKES_AT_MOST = timedelta(minutes=30)
PENDING_LOOK_UP_EVERY = timedelta(days=1)
UNCLEAR_AGAIN_AFTER = timedelta(minutes=1)

NEEDS_PERSON = "needs_person"
"""Reason of an unknown outcome that no look-up could tell."""


def sending(attempt: Attempt, now: datetime, seen_charge_id: str | None = None) -> Attempt:
    """Mark that the request goes out now, for the first time or again; saved before it does."""
    if attempt.state is AttemptState.SENDING:
        return replace(attempt.noted("sent_again"), unanswered=attempt.unanswered + 1, last_sent_at=now)
    return replace(
        attempt.moved(AttemptState.SENDING, "sending"),
        unanswered=1,
        first_sent_at=now,
        last_sent_at=now,
        seen_charge_id=seen_charge_id,
    )


def not_sent(attempt: Attempt, reason: str) -> Change:
    """Settle an attempt of which certainly no request is out."""
    return Change(attempt.moved(AttemptState.NOT_SENT, reason), None)


def unknown(attempt: Attempt, reason: str, look_up_at: datetime) -> Change:
    """Stop asking; look for what became of it from `look_up_at` on."""
    return Change(replace(attempt.moved(AttemptState.UNKNOWN, reason), look_ups=0), look_up_at)


def answered(attempt: Attempt, answer: Answer, now: datetime) -> Change:
    """Apply what came back, or did not, for a request that was just sent."""
    match answer:
        case Captured() | Declined() | Processing() | NeedsAction():
            return _outcome(attempt, answer, now)
        case Refused(reason):
            in_doubt = attempt.unanswered > 1
            return unknown(attempt, reason, now) if in_doubt else not_sent(attempt, reason)
        case Unprocessed():
            return _unprocessed(attempt, answer, now)
        case InFlight():
            return _silent(attempt, "in_flight", now)
        case NoAnswer(why):
            return _silent(attempt, why, now)


def _unprocessed(attempt: Attempt, answer: Unprocessed, now: datetime) -> Change:
    """Plan it again with the same key; but where an earlier request may live, only that one is repeated."""
    left = attempt.unanswered - 1
    if left:
        return Change(replace(attempt.noted(answer.why), unanswered=left), now + answer.retry_after)
    back = attempt.moved(AttemptState.PLANNED, answer.why)
    return Change(
        replace(back, unanswered=0, first_sent_at=None, last_sent_at=None), now + answer.retry_after
    )


def _silent(attempt: Attempt, why: str, now: datetime) -> Change:
    if attempt.unanswered > len(REPEAT_AFTER):
        return unknown(attempt, why, now + LOOK_UP_AFTER[0])
    return Change(attempt.noted(why), now + REPEAT_AFTER[attempt.unanswered - 1])


def looked_up(attempt: Attempt, finding: Finding, now: datetime) -> Change:
    """Apply what a look-up found for an attempt that is unknown, pending or requires action."""
    match attempt.state:
        case AttemptState.PENDING:
            return _pending_looked_up(attempt, finding, now)
        case AttemptState.REQUIRES_ACTION:
            return _action_looked_up(attempt, finding, now)
        case _:
            return _unknown_looked_up(attempt, finding, now)


def _pending_looked_up(attempt: Attempt, finding: Finding, now: datetime) -> Change:
    match finding:
        case Captured() | Declined():
            return _outcome(attempt, finding, now)
        case Processing() | NeedsAction() | Absent() | Unclear():
            return Change(replace(attempt, look_ups=attempt.look_ups + 1), now + PENDING_LOOK_UP_EVERY)


def _action_looked_up(attempt: Attempt, finding: Finding, now: datetime) -> Change:
    match finding:
        case Captured() | Declined() | Processing():
            return _outcome(attempt, finding, now)
        case NeedsAction() | Absent():
            until = attempt.action_until
            if until is not None and now < until:
                return Change(attempt, until)
            return not_sent(attempt, "authentication_expired")
        case Unclear():
            return Change(replace(attempt, look_ups=attempt.look_ups + 1), now + UNCLEAR_AGAIN_AFTER)


def _unknown_looked_up(attempt: Attempt, finding: Finding, now: datetime) -> Change:
    match finding:
        case Captured() | Declined() | Processing() | NeedsAction():
            return _outcome(attempt, finding, now)
        case Absent() if _absence_is_believed(attempt, now):
            return not_sent(attempt, "not_found")
        case Absent() | Unclear():
            return _look_up_later(attempt, now)


def _absence_is_believed(attempt: Attempt, now: datetime) -> bool:
    sent = attempt.last_sent_at
    return sent is None or now >= sent + REQUEST_TIMEOUT + ABSENT_SETTLES_AFTER


def _look_up_later(attempt: Attempt, now: datetime) -> Change:
    made = attempt.look_ups + 1
    if made < len(LOOK_UP_AFTER):
        return Change(replace(attempt, look_ups=made), now + LOOK_UP_AFTER[made])
    return Change(replace(attempt.noted(NEEDS_PERSON), look_ups=made), None)


def superseded(attempt: Attempt, finding: Finding, now: datetime) -> Change | None:
    """End an attempt that waits for the customer, because the customer chose to pay otherwise.

    Returns None where it can't be ended now: it waits for something else, or nobody can tell.
    """
    if attempt.state is not AttemptState.REQUIRES_ACTION:
        return None
    match finding:
        case NeedsAction() | Absent():
            return not_sent(attempt, "superseded")
        case Captured() | Declined() | Processing():
            return _outcome(attempt, finding, now)
        case Unclear():
            return None


def told(attempt: Attempt, fact: ChargeOutcome, now: datetime) -> Change | None:
    """Apply a fact about the charge that this attempt's own request made; None where it says nothing new.

    The charge that was there before the request went out is not its own, whatever names the two together: an
    invoice that waits for 3-D Secure still shows the charge that was declined before.
    """
    if attempt.settled or attempt.state is AttemptState.PLANNED:
        return None
    if fact.charge_id is not None and fact.charge_id == attempt.seen_charge_id:
        return None
    match fact.result:
        case ChargeResult.SUCCEEDED:
            return _outcome(attempt, Captured(fact.charge_id, fact.payment_intent_id), now)
        case ChargeResult.FAILED:
            return _outcome(attempt, Declined(fact.charge_id, fact.payment_intent_id, fact.decline_code), now)
        case ChargeResult.PENDING if attempt.state is not AttemptState.PENDING:
            return _outcome(attempt, Processing(fact.charge_id, fact.payment_intent_id), now)
        case ChargeResult.PENDING | ChargeResult.REQUIRES_ACTION:
            return None


def decided(attempt: Attempt, state: AttemptState) -> Change | None:
    """Settle, by a person's word, an attempt that no look-up could tell; None where it is not such a one."""
    if attempt.state is not AttemptState.UNKNOWN or state not in SETTLED:
        return None
    return Change(attempt.moved(state, "decided_by_person"), None)


def session_goes_on(attempt: Attempt) -> bool | None:
    """Tell whether the next invoice of a card session may be charged; None: not yet.

    A decline stops the session: a card that was just declined is not tried on the customer's other invoices.
    What needs no money any more doesn't.
    """
    match attempt.state:
        case AttemptState.SUCCEEDED | AttemptState.PENDING:
            return True
        case AttemptState.DECLINED:
            return False
        case AttemptState.NOT_SENT:
            return attempt.reason.startswith(("invoice_", "payment_", "nothing_owed"))
        case _:
            return None


def _outcome(attempt: Attempt, outcome: Outcome, now: datetime) -> Change:
    named = replace(attempt, payment_intent_id=outcome.payment_intent_id or attempt.payment_intent_id)
    match outcome:
        case Captured(charge_id):
            done = replace(named, charge_id=charge_id or attempt.charge_id)
            return Change(done.moved(AttemptState.SUCCEEDED, "captured"), None)
        case Declined(charge_id, _, code):
            failed = replace(named, charge_id=charge_id or attempt.charge_id, decline_code=code)
            return Change(failed.moved(AttemptState.DECLINED, code or "declined"), None)
        case Processing(charge_id):
            waiting = replace(named, charge_id=charge_id or attempt.charge_id, look_ups=0)
            return Change(waiting.moved(AttemptState.PENDING, "processing"), now + PENDING_LOOK_UP_EVERY)
        case NeedsAction(_, url):
            return _needs_action(named, url, now)


def _needs_action(attempt: Attempt, url: str | None, now: datetime) -> Change:
    """Let a customer who is present authenticate; off session it is a decline."""
    if not attempt.customer_present:
        failed = replace(attempt, decline_code="authentication_required")
        return Change(failed.moved(AttemptState.DECLINED, "authentication_required"), None)
    until = now + AUTHENTICATION_TAKES_AT_MOST
    asked = replace(attempt, action_url=url, action_until=until)
    return Change(asked.moved(AttemptState.REQUIRES_ACTION, "authentication_required"), until)
