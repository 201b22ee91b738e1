"""How often a network lets one card be tried again. Counted over every charge we know of, whoever made it.

Promise: never one try more than the stricter reading of a network's rule.
Sources: Visa Core Rules 18 April 2026, ID# 0030640, Table 7-2 (20 since May 2025; 15 is the limit that many
acquirers still bill on); Mastercard Transaction Processing Excellence, 10 declines in 24 h and 35 in 30 days,
as Braintree and TabaPay state it. Amex and Discover publish no limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

LONGEST_WINDOW = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `declines` within a sliding window `within`, for one card at one merchant."""

    declines: int
    within: timedelta


_VISA = (Limit(15, timedelta(days=30)),)
_MASTERCARD = (Limit(10, timedelta(hours=24)), Limit(35, timedelta(days=30)))

# As gateways spell the brands.
_BY_BRAND = {
    "visa": _VISA,
    "electron": _VISA,
    "vpay": _VISA,
    "mastercard": _MASTERCARD,
    "mc": _MASTERCARD,
    "maestro": _MASTERCARD,
}


def allowed_from(brand: str | None, declines: Sequence[datetime], now: datetime) -> datetime:
    """Give the first instant, not before now, at which one more try stays within every limit of the brand.

    Args:
        brand: the card's, as the gateway spells it; of an unknown one no limit is known.
        declines: when this card was declined, in any order, and when a try on it was sent that is not settled.
    """
    first = now
    for limit in _BY_BRAND.get((brand or "").casefold(), ()):
        counted = sorted(at for at in declines if at > now - limit.within)
        if len(counted) >= limit.declines:
            first = max(first, counted[-limit.declines] + limit.within)
    return first
