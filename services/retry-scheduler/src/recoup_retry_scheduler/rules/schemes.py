"""What bank schemes and gateways allow of one payment: how often, after which return, with what notice.

Sources (edition of July 2026): Nacha, two reinitiations within 180 days, of R01 and R09 (bankfivenine.com,
reinitiating returned ACH debits); Bacs, within a month of the first presentation (movimo.co.uk), with five working
days' notice by practice (cleardirectdebit.co.uk); BECS, a 6 may be debited again once (ANZ, direct debit FAQs);
Payments Canada Rule H1, one re-presentment within 30 days of 901 and 908 (unsourced); GoCardless, three retries of a
payment (its client libraries' PaymentService); SEPA MS03 by country, as PSPs practise it (developer.gocardless.com,
Success+); UPI, notice of 24 h before a debit (razorpay.com); cards issued in India are not tried without a mandate, as
Stripe's Smart Retries leave them out (docs.stripe.com, smart retries).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

from recoup_events.values import WaitingFor

_SCHEMES = {
    **dict.fromkeys(("ach", "us_bank_account"), "ach"),
    **dict.fromkeys(("sepa", "sepa_dd", "sepa_debit", "sepadirectdebit", "directdebit"), "sepa"),
    **dict.fromkeys(("sepa_core", "sepa_cor1", "sepa_b2b"), "sepa"),
    **dict.fromkeys(("bacs", "bacs_debit", "bacs_arudd", "bacs_addacs"), "bacs"),
    **dict.fromkeys(("becs", "au_becs_debit"), "becs"),
    **dict.fromkeys(("becs_nz", "nz_bank_account", "nz_direct_debit"), "becs_nz"),
    **dict.fromkeys(("pad", "acss_debit"), "pad"),
    **dict.fromkeys(("nach", "emandate", "nach_india"), "nach"),
    "autogiro": "autogiro",
    "upi": "upi",
}
NAMES = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "ach": "ACH",
    "sepa": "SEPA",
    "bacs": "Bacs",
    "becs": "BECS",
}
"""Networks and schemes whose codes forbid by themselves, as a merchant writes them."""

NETWORK_OF_GATEWAY = {"visa": "visa", "mastercard": "mastercard"}
"""Gateways that pass a network's codes on as their own."""

_OWN_CODES = frozenset({*_SCHEMES, *NETWORK_OF_GATEWAY})
"""Gateways whose own codes are the scheme's."""

_MS03_AGAIN = frozenset({"AT", "BE", "DE", "LU", "SK"})
_FOR_EVER = datetime.max.replace(tzinfo=UTC)
_LONGEST = {"bacs": timedelta(days=30), "pad": timedelta(days=30), "ach": timedelta(days=180)}
_BACS_NOTICE = 5
"""Working days."""

_UPI_NOTICE = timedelta(hours=24)


class Told(Protocol):
    """The codes that a scheme's own is taken from."""

    @property
    def code(self) -> str | None:
        """The gateway's own."""

    @property
    def network_code(self) -> str | None:
        """The network's or scheme's."""


@dataclass(frozen=True, slots=True)
class Presented:
    """A payment as its scheme sees it.

    `again`: how often this instrument was tried again. `code`: of the last return, as the scheme writes it, or "".
    """

    gateway: str
    scheme: str | None
    country: str | None
    first_at: datetime
    again: int
    code: str
    no_funds: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A payment that may not be presented again, and who can change that."""

    rule: str
    whom: WaitingFor
    because: str


@lru_cache(maxsize=1024)
def scheme_of(gateway: str, brand: str | None) -> str | None:
    """Name the bank scheme, or None for a card."""
    return _SCHEMES.get(gateway.strip().casefold()) or _SCHEMES.get((brand or "").strip().casefold())


@lru_cache(maxsize=1024)
def network_of(brand: str | None) -> str | None:
    """Name the card network whose rules we know: `visa`, `mastercard` or None; Adyen refines brands (`mc_applepay`)."""
    name = (brand or "").strip().casefold().replace(" ", "")
    if name in {"electron", "vpay"} or name.startswith("visa"):
        return "visa"
    if name == "maestro" or name.startswith(("mc", "mastercard")):
        return "mastercard"
    return None


def bare(code: str | None) -> str:
    """Give a code without the words that Adyen appends ("51 : Insufficient funds")."""
    return (code or "").partition(":")[0].strip().upper()


def scheme_code(gateway: str, codes: Told) -> str:
    """Give the code that the network or scheme itself wrote, or ""; a scheme's gateway speaks for it."""
    own = codes.code if gateway.strip().casefold() in _OWN_CODES else None
    return bare(codes.network_code or own).removeprefix("ARUDD-")


def refusal(payment: Presented) -> Refused | None:
    """Say why this payment may not be presented again at all, or None."""
    if payment.scheme is None and _country(payment) == "IN":
        why = "A card issued in India is not charged without a mandate, and none is known"
        return Refused("india_card", WaitingFor.CUSTOMER, why)
    found = (
        _by_gocardless(payment) if payment.gateway.strip().casefold() == "gocardless" else _by_scheme(payment)
    )
    return found or (_ach(payment) if payment.scheme == "ach" else _sepa(payment))


def _by_gocardless(payment: Presented) -> Refused | None:
    """Of the schemes' limits on presenting again GoCardless keeps some itself, and lets through three retries."""
    if payment.again >= 3:
        return _over("gocardless_limit", "GoCardless retries a payment 3 times at most, and all are used")
    return None


def _by_scheme(payment: Presented) -> Refused | None:
    match payment.scheme, payment.code.lstrip("0"):
        case "becs", "6" if payment.again >= 1:
            return _over(
                "becs_limit", "BECS lets a debit returned with code 6 be made again once, and it was"
            )
        case "pad", "901" | "908" if payment.again >= 1:
            return _over(
                "pad_limit", "A returned pre-authorized debit may be presented again once, and it was"
            )
        case _:
            return None


def _sepa(payment: Presented) -> Refused | None:
    if payment.scheme == "sepa" and payment.code == "MS03" and _country(payment) not in _MS03_AGAIN:
        why = "The bank withholds its reason, which in this country is no leave to try again"
        return _over("sepa_country", why)
    return None


def _ach(payment: Presented) -> Refused | None:
    if payment.again >= 2:
        return _over("ach_limit", "An ACH debit may be reinitiated twice, and it was")
    if payment.again >= 0 and not (payment.code in {"R01", "R09"} if payment.code else payment.no_funds):
        return _over("ach_reason", "An ACH debit may be reinitiated after R01 and R09 alone")
    return None


def _over(rule: str, because: str) -> Refused:
    return Refused(rule, WaitingFor.CARD, f"{because}; the customer has to pay another way")


def _country(payment: Presented) -> str:
    return (payment.country or "").strip().upper()


def title(scheme: str | None) -> str:
    """Name a scheme to a merchant."""
    return NAMES.get(scheme or "", (scheme or "the bank").upper())


def not_before(scheme: str | None, now: datetime) -> datetime:
    """Give the first instant for which notice can still be given."""
    match scheme:
        case "bacs":
            return _working_days_after(now, _BACS_NOTICE)
        case "upi":
            return now + _UPI_NOTICE
        case _:
            return now


def not_after(scheme: str | None, first_at: datetime) -> datetime:
    """Give the last instant at which the scheme takes a payment that first failed at `first_at`."""
    bound = _LONGEST.get(scheme or "")
    return _FOR_EVER if bound is None else first_at + bound


def _working_days_after(now: datetime, days: int) -> datetime:
    """Give the instant so many working days on. At a weekend they are counted from Monday 00:00."""
    at = now
    if at.weekday() > 4:
        at = at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=7 - at.weekday())
    while days:
        at += timedelta(days=1)
        days -= at.weekday() < 5
    return at
