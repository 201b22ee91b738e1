"""Why a renewal fails, and whether and when it would pass: one script for each reason."""

import random
from collections.abc import Callable

from practice_gateway.cards.script import AUTHENTICATE, OK, Rule

DAY = 86_400.0
HOUR = 3_600.0
Script = Callable[[random.Random, float], list[Rule]]


def _always(outcome: str) -> Script:
    return lambda _draw, _now: [Rule(outcome)]


def _until(outcome: str, least_days: float, most_days: float) -> Script:
    return lambda draw, now: [Rule(outcome, until=now + draw.uniform(least_days, most_days) * DAY)]


def _times(outcome: str, least: int, most: int) -> Script:
    return lambda draw, _now: [Rule(outcome, tries=draw.randint(least, most))]


REASONS: dict[str, tuple[Script, float]] = {
    # reason: (script, weight in the default mix)
    "insufficient_funds_until_payday": (_until("insufficient_funds", 0.5, 9), 30),
    "insufficient_funds": (_always("insufficient_funds"), 8),
    "do_not_honor_then_ok": (_times("do_not_honor", 1, 3), 12),
    "generic_decline_then_ok": (_times("generic_decline", 1, 2), 8),
    "generic_decline": (_always("generic_decline"), 5),
    "velocity_until_next_week": (_until("card_velocity_exceeded", 1, 6), 6),
    "issuer_down": (_until("issuer_not_available", 0.05, 1), 8),
    "processing_error_once": (_times("processing_error", 1, 1), 5),
    "expired_card": (_always("expired_card"), 6),
    "lost_card": (_always("lost_card"), 2),
    "stolen_card": (_always("stolen_card"), 2),
    "fraudulent": (_always("fraudulent"), 1),
    "revoked": (_always("revocation_of_authorization"), 1),
    "authentication_required": (_always(AUTHENTICATE), 6),
    "good": (_always(OK), 0),
}
