"""What one decline says, read once: what it forbids, how long it makes wait, what its scheme calls it."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from recoup_declines import Decline, DeclineClass, DefaultAction, lookup
from recoup_events.values import WaitingFor
from recoup_retry_scheduler.rules import never, schemes, waits
from recoup_retry_scheduler.rules.never import Ban, Codes

WAITS_FOR = {
    DefaultAction.NEEDS_NEW_CARD: WaitingFor.CARD,
    DefaultAction.NEVER_RETRY: WaitingFor.CARD,
    DefaultAction.NEEDS_CUSTOMER_AUTHENTICATION: WaitingFor.CUSTOMER,
    DefaultAction.FIX_BY_MERCHANT: WaitingFor.MERCHANT,
}
"""Whom a case waits for after a decline that forbids a try as things stand."""


@dataclass(frozen=True, slots=True)
class Said:
    """A decline, as rules see it.

    Attributes:
        charged: it reached a bank: it counts.
        wait: that the network's advice asks for.
        scheme_code: as the network or scheme writes it, or "".
        no_funds: the gateway's own code says that funds are lacking.
    """

    decline: Decline
    charged: bool
    ban: Ban | None
    wait: timedelta
    technical: bool
    scheme_code: str
    no_funds: bool


@dataclass(frozen=True, slots=True)
class _Codes:
    code: str | None
    advice: str | None
    network_code: str | None
    network_advice: str | None


def read(gateway: str, brand: str | None, codes: Codes) -> Said:
    """Read a decline's codes. Pure; whatever arrives is read, and what is in no table forbids nothing by itself."""
    return _read(gateway, brand, codes.code, codes.advice, codes.network_code, codes.network_advice)


@lru_cache(maxsize=4096)  # of some hundred characters each: below 10 MB
def _read(
    gateway: str,
    brand: str | None,
    code: str | None,
    advice: str | None,
    network_code: str | None,
    network_advice: str | None,
) -> Said:
    codes = _Codes(code, advice, network_code, network_advice)
    decline = lookup(
        gateway,
        code,
        advice=advice,
        brand=brand,
        network_code=network_code,
        network_advice=network_advice,
    )
    return Said(
        decline=decline,
        charged=decline.default_action is not DefaultAction.NOT_A_DECLINE,
        ban=never.ban(gateway, brand, codes),
        wait=waits.advised(brand, network_advice),
        technical=waits.is_technical(decline),
        scheme_code=schemes.scheme_code(gateway, codes),
        no_funds=lookup(gateway, code).decline_class is DeclineClass.INSUFFICIENT_FUNDS,
    )
