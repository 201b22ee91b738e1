"""Which codes forbid an instrument for good, and how far: for this payment, or for every one of the merchant's.

Each code is looked at by itself: one that says never is not softened by another that says later.
Sources: Visa Core Rules 18 April 2026, ID# 0030640, Table 7-2, category 1 (R0 is of one payment alone: we read it as
strictly as the others, like the table of declines); Mastercard merchant advice codes 01, 03 and 21
(developers.tabapay.com/docs/merchant-advice-code); ACH R07 and R08 (vacul.org); SEPA, worldline SPS appendix 6; Bacs
ARUDD (movimo.co.uk, docs.acquired.com); BECS (ANZ, direct debit FAQs); for all other codes the table of
`recoup_declines`, whose classes of one payment stop no other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from recoup_declines import Decline, DeclineClass, DefaultAction, lookup
from recoup_events.values import WaitingFor
from recoup_retry_scheduler.rules.schemes import (
    NAMES,
    NETWORK_OF_GATEWAY,
    bare,
    network_of,
    scheme_code,
    scheme_of,
)
from recoup_retry_scheduler.rules.spelling import declined


class Reach(StrEnum):
    """What a ban forbids."""

    PAYMENT = "payment"
    CREDENTIAL = "credential"


@dataclass(frozen=True, slots=True)
class Ban:
    """An instrument that must not be charged any more: for one payment, or for all. `whom`: who can help."""

    rule: str
    reach: Reach
    whom: WaitingFor
    because: str


class Codes(Protocol):
    """What a decline was told by."""

    @property
    def code(self) -> str | None:
        """The gateway's own."""

    @property
    def advice(self) -> str | None:
        """The gateway's."""

    @property
    def network_code(self) -> str | None:
        """The network's or scheme's."""

    @property
    def network_advice(self) -> str | None:
        """The network's."""


@dataclass(frozen=True, slots=True)
class _Never:
    rule: str
    reach: Reach
    codes: frozenset[str]
    whom: WaitingFor


def _never(rule: str, reach: Reach, codes: str, whom: WaitingFor = WaitingFor.CARD) -> _Never:
    return _Never(rule, reach, frozenset(codes.split()), whom)


_ALL, _ONE = Reach.CREDENTIAL, Reach.PAYMENT
_BY_CODE = {
    "visa": (_never("visa_category_1", _ALL, "04 07 12 14 15 41 43 46 57 R0 R1 R3"),),
    "ach": (_never("ach_never", _ALL, "R07 R08"),),
    "sepa": (_never("sepa_never", _ALL, "AC01 AC04 AC06 AG01 MD01 MD02 MD06 MD07 MS02 SL01"),),
    "bacs": (_never("bacs_never", _ALL, "1 2 3 5 6 A B"),),
    "becs": (
        _never("becs_never", _ALL, "2 3 4 9"),
        _never("becs_fix_first", _ONE, "1 5"),
        _never("becs_fix_first", _ONE, "8", WaitingFor.MERCHANT),
    ),
}
_BY_ADVICE = {
    "visa": (_never("visa_category_1", _ALL, "01"),),
    "mastercard": (
        _never("mastercard_never", _ALL, "03 21"),
        _never("mastercard_update_first", _ALL, "01"),
    ),
}
_CURE = {
    WaitingFor.CARD: "until the customer pays another way",
    WaitingFor.MERCHANT: "until you have mended your set-up and the customer pays another way",
}
_FORBIDDING = frozenset({DefaultAction.NEEDS_NEW_CARD, DefaultAction.NEVER_RETRY})
_OF_THIS_PAYMENT = frozenset({DeclineClass.DUPLICATE, DeclineClass.CURRENCY_OR_TYPE_NOT_SUPPORTED})


def ban(gateway: str, brand: str | None, codes: Codes) -> Ban | None:
    """Give the widest ban that a decline's codes speak, or None."""
    own = lookup(gateway, codes.code)
    if own.default_action is DefaultAction.NOT_A_DECLINE:
        return None
    narrower = None
    for found in (*_of_network(gateway, brand, codes), *_of_table(gateway, brand, codes, own)):
        if found.reach is Reach.CREDENTIAL:
            return found
        narrower = narrower or found
    return narrower


def _of_network(gateway: str, brand: str | None, codes: Codes) -> Iterator[Ban]:
    network = (
        scheme_of(gateway, brand)
        or network_of(brand)
        or NETWORK_OF_GATEWAY.get(gateway.strip().casefold(), "")
    )
    code = scheme_code(gateway, codes)
    code = code.zfill(2) if network == "visa" else code
    for never in _BY_CODE.get(network, ()):
        if code in never.codes:
            yield _told(never, f"{NAMES[network]}'s code {code}")
    advice = bare(codes.network_advice).zfill(2)
    for never in _BY_ADVICE.get(network or "mastercard", ()):
        if advice in never.codes:
            yield _told(never, f"{NAMES[network or 'mastercard']}'s advice {advice}")


def _told(never: _Never, what: str) -> Ban:
    further = "any further charge of this card or mandate"
    of = further if never.reach is Reach.CREDENTIAL else "another try of this payment"
    return Ban(never.rule, never.reach, never.whom, f"{what} forbids {of} {_CURE[never.whom]}")


def _of_table(gateway: str, brand: str | None, codes: Codes, own: Decline) -> Iterator[Ban]:
    for row in (
        own,
        lookup("", None, brand=brand, network_code=codes.network_code),
        lookup("", None, brand=brand, network_advice=codes.network_advice),
        lookup(gateway, None, advice=codes.advice),
    ):
        if row.default_action in _FORBIDDING:
            reach = Reach.PAYMENT if row.decline_class in _OF_THIS_PAYMENT else Reach.CREDENTIAL
            because = f"{declined(row)}, which is final {_CURE[WaitingFor.CARD]}"
            yield Ban(row.default_action.value, reach, WaitingFor.CARD, because)
