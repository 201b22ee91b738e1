"""What issuers and gateways call a cause: the code on the wire, and the network's own beside it.

Promise: labels are corrupted as an issuer corrupts them, by odds that the population oracle may know; the tables here
are the simulation's own, so that they judge what the product makes of them.
"""

from dataclasses import dataclass
from functools import lru_cache

from .paths import Cause
from .world import World

NEVER_RETRY = frozenset(
    {"revocation_of_authorization", "revocation_of_all_authorizations", "stop_payment_order"}
)
NEEDS_NEW_CARD = frozenset(
    {"expired_card", "lost_card", "stolen_card", "pickup_card", "restricted_card", "invalid_account"}
)
TECHNICAL = frozenset({"issuer_not_available", "processing_error"})

VISA = {
    "insufficient_funds": "51", "do_not_honor": "05", "generic_decline": "05", "try_again_later": "19",
    "card_velocity_exceeded": "65", "issuer_not_available": "91", "processing_error": "96", "expired_card": "54",
    "lost_card": "41", "stolen_card": "43", "pickup_card": "04", "restricted_card": "62", "invalid_account": "14",
    "revocation_of_authorization": "R1", "revocation_of_all_authorizations": "R3", "stop_payment_order": "R0",
}  # fmt: skip
"""Visa's response codes; Mastercard's are told as advice codes."""


@dataclass(frozen=True)
class Codes:
    """What a decline is told as; None is left out by the gateway."""

    code: str
    advice: str | None = None
    network_code: str | None = None
    network_advice: str | None = None


@lru_cache(maxsize=4096)
def code_odds(cause: Cause, vague: float, funds: float, card: float) -> dict[str, float]:
    """Give the odds of each code for a cause.

    Args:
        vague: share of lacks of funds that this issuer calls do_not_honor.
        funds: share of holds that are called insufficient_funds.
        card: share of ended cards that are called do_not_honor.
    """
    plain, held = 1 - card, 1 - funds
    named: dict[Cause, dict[str, float]] = {
        Cause.FUNDS: {
            "insufficient_funds": 1 - vague,
            "do_not_honor": vague * 0.9,
            "generic_decline": vague * 0.1,
        },
        Cause.HELD: {
            "insufficient_funds": funds,
            "do_not_honor": held * 0.7,
            "generic_decline": held * 0.15,
            "try_again_later": held * 0.07,
            "card_velocity_exceeded": held * 0.08,
        },
        Cause.DOWN: {"issuer_not_available": 0.6, "processing_error": 0.4},
        Cause.EXPIRED: {"expired_card": plain, "do_not_honor": card},
        Cause.LOST: {
            "lost_card": plain * 0.35,
            "stolen_card": plain * 0.35,
            "pickup_card": plain * 0.3,
            "do_not_honor": card,
        },
        Cause.CLOSED: {"invalid_account": plain * 0.8, "restricted_card": plain * 0.2, "do_not_honor": card},
        Cause.REVOKED: {
            "revocation_of_authorization": 0.6,
            "revocation_of_all_authorizations": 0.2,
            "stop_payment_order": 0.2,
        },
    }
    return named.get(cause, {"do_not_honor": 0.85, "generic_decline": 0.15})


def odds_of(world: World, issuer: int, cause: Cause) -> dict[str, float]:
    """Give the odds of each code for a cause at one of the world's issuers."""
    odds = world.odds
    return code_odds(cause, world.issuers[issuer].vague, odds["holds_as_funds"], odds["cards_as_vague"])


def told_as(world: World, issuer: int, cause: Cause, luck: float) -> str:
    """Give the code that is told.

    Args:
        luck: uniform in [0, 1), the same for the same customer and day.
    """
    left = luck
    odds = odds_of(world, issuer, cause)
    for code, share in odds.items():
        left -= share
        if left < 0:
            return code
    return list(odds)[-1]


@lru_cache(maxsize=4096)
def codes(code: str, brand: str, *, passed: bool) -> Codes:
    """Give a code with what the gateway and the network say beside it.

    Args:
        passed: the merchant's gateway passes the network's codes.
    """
    if code in NEVER_RETRY:
        advice, mastercard = "do_not_try_again", "21"
    elif code in {"expired_card", "invalid_account"}:
        advice, mastercard = "confirm_card_data", "01"
    elif code in NEEDS_NEW_CARD:
        advice, mastercard = "do_not_try_again", "03"
    else:
        advice, mastercard = "try_again_later", "02"
    if not passed:
        return Codes(code)
    return Codes(
        code,
        advice,
        VISA.get(code) if brand == "visa" else None,
        mastercard if brand == "mastercard" else None,
    )
