"""Verdicts and plans as answers: narrowed to what the wire can spell, and spelt."""

from dataclasses import replace
from datetime import datetime, timedelta
from operator import attrgetter

from recoup_events.values import WaitingFor
from recoup_retry_scheduler.rehearsal.books import Answer, Plan
from recoup_retry_scheduler.rehearsal.wire import spelt
from recoup_retry_scheduler.rules.spelling import on
from recoup_retry_scheduler.rules.verdict import Allowed, Forbidden

_WAITS_FOR = {
    WaitingFor.CARD: "card_updated",
    WaitingFor.CUSTOMER: "customer_authentication",
    WaitingFor.MERCHANT: "merchant",
}
NEW_CARD_P = 0.5
"""Of a card that was not tried yet nothing is known."""

_SECOND = timedelta(seconds=1)


def both(one: Allowed | Forbidden, other: Allowed | Forbidden) -> Allowed | Forbidden:
    """Give what is allowed by both; they are of one payment, and end alike."""
    if isinstance(one, Forbidden) or isinstance(other, Forbidden):
        return one if isinstance(one, Forbidden) else other
    later = max(one, other, key=attrgetter("earliest"))
    return replace(later, gap=max(one.gap, other.gap))


def in_whole_seconds(instants: Allowed) -> Allowed:
    """Narrow instants to those that the wire can spell."""
    earliest, latest = instants.earliest, instants.latest
    if not earliest.microsecond and not latest.microsecond:
        return instants
    if earliest.microsecond:
        earliest = earliest.replace(microsecond=0) + _SECOND
    return replace(instants, earliest=earliest, latest=latest.replace(microsecond=0))


def kept_within(plan: Plan, instants: Allowed) -> Plan | None:
    """Give a plan at an instant that is allowed: whoever chose, the rules have the last word."""
    if instants.earliest > instants.latest:
        return None
    at = min(max(plan.at, instants.earliest), instants.latest).replace(microsecond=0)
    return plan if at == plan.at else replace(plan, at=at)


def refusing(verdict: Forbidden) -> Answer:
    """Spell that no try follows."""
    if verdict.whom is None:
        return {"action": "stop", "reason": verdict.reason}
    return {"action": "wait", "for": _WAITS_FOR[verdict.whom], "reason": verdict.reason}


def another_card(latest: datetime) -> Answer:
    """Spell that this card is not tried again, though it may be."""
    reason = f"No try of this card is worth its cost, or no step is left; another can pay until {on(latest)}."
    return {"action": "wait", "for": _WAITS_FOR[WaitingFor.CARD], "reason": reason}


def planning(plan: Plan) -> Answer:
    """Spell a try."""
    return {
        "action": "retry",
        "at": spelt(plan.at),
        "p": round(plan.p, 4),
        "propensity": plan.propensity,
        "reason": plan.reason,
    }


def new_card(instants: Allowed) -> str:
    """Say why a new card is tried when it is."""
    if not instants.because:
        return "A new card is tried at once."
    return f"A new card is tried as soon as it may be. {instants.because}."
