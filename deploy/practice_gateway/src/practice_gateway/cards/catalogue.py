"""Stripe's documented test cards: number, `pm_card_…` name, and how the card behaves.

Source: docs.stripe.com/testing.
"""

from dataclasses import dataclass
from typing import Literal

Authentication = Literal["never", "on_setup", "off_session_done", "always"]


@dataclass(frozen=True, slots=True)
class TestCard:
    """A card and its behaviour.

    Attributes:
        attach: decline reason when it is saved or verified; None when that succeeds.
        charge: decline reason when it is charged; None when that succeeds.
        authentication: never; on_setup (3-D Secure when saved, off session free afterwards);
            off_session_done (saved elsewhere: off session free, on session 3-D Secure); always.
        dispute: reason of the dispute that follows a charge by itself.
    """

    __test__ = False  # pytest: its name is the field's word, not a test

    number: str
    brand: str
    funding: str = "credit"
    country: str = "US"
    attach: str | None = None
    charge: str | None = None
    authentication: Authentication = "never"
    dispute: str | None = None

    @property
    def last4(self) -> str:
        """Return the last four digits."""
        return self.number[-4:]


def _refusing(number: str, reason: str) -> TestCard:
    """Return a card that can be neither saved nor charged."""
    return TestCard(number, "visa", attach=reason, charge=reason)


_CARDS = (
    TestCard("4242424242424242", "visa"),
    TestCard("4000056655665556", "visa", funding="debit"),
    TestCard("5555555555554444", "mastercard"),
    TestCard("5200828282828210", "mastercard", funding="debit"),
    TestCard("5105105105105100", "mastercard", funding="prepaid"),
    TestCard("378282246310005", "amex"),
    TestCard("6011111111111117", "discover"),
    TestCard("4000003800000008", "visa", country="IT"),
    TestCard("4000008260000000", "visa", country="GB"),
    TestCard("4000002760000016", "visa", country="DE"),
    TestCard("4000002500001001", "visa", country="FR"),
    _refusing("4000000000000002", "generic_decline"),
    _refusing("4000000000009995", "insufficient_funds"),
    _refusing("4000000000009987", "lost_card"),
    _refusing("4000000000009979", "stolen_card"),
    _refusing("4000000000000069", "expired_card"),
    _refusing("4000000000000127", "incorrect_cvc"),
    _refusing("4000000000000119", "processing_error"),
    _refusing("4242424242424241", "incorrect_number"),
    _refusing("4000000000006975", "card_velocity_exceeded"),
    _refusing("4100000000000019", "highest_risk_level"),
    TestCard("4000000000000341", "visa", charge="generic_decline"),
    TestCard("4000000000004954", "visa", charge="highest_risk_level"),
    TestCard("4000000000009235", "visa"),
    TestCard("4000002500003155", "visa", country="FR", authentication="on_setup"),
    TestCard("4000002760003184", "visa", country="DE", authentication="always"),
    TestCard("4000003800000446", "visa", country="IT", authentication="off_session_done"),
    TestCard(
        "4000008260003178", "visa", country="GB", charge="insufficient_funds", authentication="on_setup"
    ),
    TestCard("4000000000003220", "visa", authentication="always"),
    TestCard("4000000000003063", "visa", authentication="always"),
    TestCard("4000008400001629", "visa", charge="generic_decline", authentication="always"),
    TestCard("4000000000003055", "visa"),
    TestCard("4000000000000259", "visa", dispute="fraudulent"),
    TestCard("4000000000002685", "visa", dispute="product_not_received"),
)

BY_NUMBER: dict[str, TestCard] = {card.number: card for card in _CARDS}

_NAMES = {
    "pm_card_visa": "4242424242424242",
    "pm_card_visa_debit": "4000056655665556",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_mastercard_debit": "5200828282828210",
    "pm_card_mastercard_prepaid": "5105105105105100",
    "pm_card_amex": "378282246310005",
    "pm_card_discover": "6011111111111117",
    "pm_card_it": "4000003800000008",
    "pm_card_gb": "4000008260000000",
    "pm_card_de": "4000002760000016",
    "pm_card_fr": "4000002500001001",
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_visa_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_visa_chargeDeclinedLostCard": "4000000000009987",
    "pm_card_visa_chargeDeclinedStolenCard": "4000000000009979",
    "pm_card_chargeDeclinedExpiredCard": "4000000000000069",
    "pm_card_chargeDeclinedIncorrectCvc": "4000000000000127",
    "pm_card_chargeDeclinedProcessingError": "4000000000000119",
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": "4000000000006975",
    "pm_card_radarBlock": "4100000000000019",
    "pm_card_chargeDeclinedFraudulent": "4100000000000019",
    "pm_card_chargeCustomerFail": "4000000000000341",
    "pm_card_riskLevelHighest": "4000000000004954",
    "pm_card_riskLevelElevated": "4000000000009235",
    "pm_card_authenticationRequiredOnSetup": "4000002500003155",
    "pm_card_authenticationRequired": "4000002760003184",
    "pm_card_authenticationRequiredSetupForOffSession": "4000003800000446",
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": "4000008260003178",
    "pm_card_threeDSecure2Required": "4000000000003220",
    "pm_card_threeDSecureRequired": "4000000000003063",
    "pm_card_threeDSecureRequiredChargeDeclined": "4000008400001629",
    "pm_card_threeDSecureOptional": "4000000000003055",
    "pm_card_createDispute": "4000000000000259",
    "pm_card_createDisputeProductNotReceived": "4000000000002685",
}

BY_NAME: dict[str, TestCard] = {name: BY_NUMBER[number] for name, number in _NAMES.items()}


def passes_luhn(number: str) -> bool:
    """Tell whether a card number's check digit holds."""
    if not number.isascii() or not number.isdigit() or not 12 <= len(number) <= 19:
        return False
    digits = [int(digit) for digit in reversed(number)]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
