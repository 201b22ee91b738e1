"""How often a network lets one card be tried again. Counted over every charge we know of, whoever made it.

Promise: never one try more than a network's rule allows.
Sources: Visa Core Rules 18 April 2026, ID# 0030640, Table 7-2 (20 reattempts in 30 days since May 2025; 15 before, on
which acquirers may still bill, and after which Stripe blocks the card); Mastercard Transaction Processing Excellence,
10 declines in 24 h and 35 in 30 days, as Braintree and TabaPay state it; in Brazil 7 reattempts in 30 days, 24 h apart
(docs.payzu.com.br, retry program). Amex and Discover publish no limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recoup_retry_scheduler.rules.schemes import network_of
from recoup_retry_scheduler.rules.spelling import on, span, times

LONGEST_WINDOW = timedelta(days=30)
MOST_COUNTED = 35
"""Declines of one card that any limit looks at; older ones change nothing."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `declines` within a sliding window `within`, for one card at one merchant."""

    rule: str
    network: str
    declines: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Reached:
    """A limit that is reached, and the first instant at which it allows one more try."""

    limit: Limit
    until: datetime

    @property
    def because(self) -> str:
        """Say so to the merchant."""
        limit = self.limit
        allowed = f"{limit.network} allows {times(limit.declines)} in {span(limit.within)} on this card"
        return f"{allowed}; the next one from {on(self.until)}"


_VISA_STRICT = (Limit("visa_limit", "Visa", 15, timedelta(days=30)),)
_MASTERCARD = (
    Limit("mastercard_24h", "Mastercard", 10, timedelta(hours=24)),
    Limit("mastercard_30d", "Mastercard", 35, timedelta(days=30)),
)
_MASTERCARD_BRAZIL = (
    *_MASTERCARD,
    Limit("mastercard_brazil", "Mastercard in Brazil", 1, timedelta(hours=24)),
    Limit("mastercard_brazil", "Mastercard in Brazil", 8, timedelta(days=30)),
)
_OF_NETWORK = {"visa": _VISA_STRICT, "mastercard": _MASTERCARD}
BRAZIL = "BR"


def allowed_from(
    brand: str | None, declines: Sequence[datetime], now: datetime, country: str | None = None
) -> datetime:
    """Give the first instant, not before now, at which one more try stays within every limit of the brand.

    Args:
        brand: the card's, as the gateway spells it; of an unknown one no limit is known.
        declines: when this card was declined, in any order, and when a try on it was sent that is not settled.
        country: of the card's issuer.
    """
    found = reached(brand, declines, now, country)
    return now if found is None else found.until


def reached(
    brand: str | None, declines: Sequence[datetime], now: datetime, country: str | None = None
) -> Reached | None:
    """Give the limit that forbids a try at this instant for longest, or None. Arguments as for `allowed_from`."""
    limits = _limits(brand, country)
    if not limits or not declines:
        return None
    longest = None
    ordered = sorted(declines)
    for limit in limits:
        if len(ordered) < limit.declines:
            continue
        until = ordered[-limit.declines] + limit.within
        if until > now and (longest is None or until > longest.until):
            longest = Reached(limit, until)
    return longest


def _limits(brand: str | None, country: str | None) -> tuple[Limit, ...]:
    network = network_of(brand)
    if network == "mastercard" and (country or "").strip().upper() == BRAZIL:
        return _MASTERCARD_BRAZIL
    return _OF_NETWORK.get(network or "", ())
