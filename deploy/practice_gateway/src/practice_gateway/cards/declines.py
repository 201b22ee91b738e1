"""What each decline looks like on the wire.

Sources: docs.stripe.com/declines/codes (decline codes), docs.stripe.com/testing (messages, error codes),
docs.stripe.com/declines/card (advice codes), ISO 8583 field 39 and Mastercard merchant advice codes.
"""

from dataclasses import dataclass
from typing import Literal

Advice = Literal["try_again_later", "do_not_try_again", "confirm_card_data"]

DECLINED = "Your card was declined."
BLOCKED = "Stripe blocked this payment as too risky."


@dataclass(frozen=True, slots=True)
class Decline:
    """One way a card says no.

    Attributes:
        reason: the charge's outcome.reason.
        code: the error's code; the charge's failure_code.
        decline_code: the error's decline_code; None where Stripe's test cards have none.
        network: response code of Visa, or ISO 8583; None when the network was never asked.
        advice: Stripe's advice_code.
        mastercard: merchant advice code, for Mastercard only.
        hard: whether Stripe's own retries leave this card alone (docs: non-retryable decline codes).
    """

    reason: str
    code: str
    decline_code: str | None
    message: str
    network: str | None
    advice: Advice | None
    mastercard: str | None = None
    hard: bool = False

    @property
    def blocked(self) -> bool:
        """Tell whether the gateway refused before the network was asked."""
        return self.network is None


def _declined(
    reason: str,
    network: str,
    advice: Advice | None,
    mastercard: str | None = None,
    *,
    message: str = DECLINED,
    hard: bool = False,
) -> Decline:
    return Decline(reason, "card_declined", reason, message, network, advice, mastercard, hard)


_TABLE = (
    _declined("generic_decline", "05", "try_again_later"),
    _declined("do_not_honor", "05", "try_again_later", "02"),
    _declined(
        "insufficient_funds",
        "51",
        "try_again_later",
        "26",
        message="Your card has insufficient funds.",
    ),
    _declined("card_velocity_exceeded", "61", "try_again_later", "27", message="Your card was declined."),
    _declined("withdrawal_count_limit_exceeded", "65", "try_again_later", "25"),
    _declined("issuer_not_available", "91", "try_again_later", "24"),
    _declined("try_again_later", "96", "try_again_later", "24"),
    _declined("reenter_transaction", "19", "try_again_later", "24"),
    _declined("call_issuer", "01", "try_again_later"),
    _declined("restricted_card", "62", "do_not_try_again", "03"),
    _declined("card_not_supported", "57", "do_not_try_again", "03"),
    _declined("transaction_not_allowed", "57", "do_not_try_again", "03", hard=True),
    _declined("currency_not_supported", "57", "do_not_try_again"),
    _declined("invalid_account", "14", "confirm_card_data", "01"),
    _declined("lost_card", "41", "do_not_try_again", "03", hard=True),
    _declined("stolen_card", "43", "do_not_try_again", "03", hard=True),
    _declined("pickup_card", "04", "do_not_try_again", "03", hard=True),
    _declined("stop_payment_order", "R0", "do_not_try_again", "21"),
    _declined("revocation_of_authorization", "R1", "do_not_try_again", "21", hard=True),
    _declined("revocation_of_all_authorizations", "R3", "do_not_try_again", "21", hard=True),
    _declined("security_violation", "63", "try_again_later"),
    _declined("duplicate_transaction", "94", "do_not_try_again"),
    Decline("fraudulent", "card_declined", "fraudulent", DECLINED, "59", "do_not_try_again", "03"),
    Decline("highest_risk_level", "card_declined", "fraudulent", DECLINED, None, None, hard=True),
    Decline("expired_card", "expired_card", None, "Your card has expired.", "54", "confirm_card_data", "01"),
    Decline(
        "incorrect_cvc",
        "incorrect_cvc",
        None,
        "Your card's security code is incorrect.",
        "N7",
        "confirm_card_data",
        "01",
    ),
    Decline(
        "incorrect_number",
        "incorrect_number",
        None,
        "Your card number is incorrect.",
        "14",
        "confirm_card_data",
        "01",
        hard=True,
    ),
    Decline(
        "processing_error",
        "processing_error",
        None,
        "An error occurred while processing your card. Try again in a little bit.",
        "96",
        "try_again_later",
        "24",
    ),
    Decline(
        "authentication_required",
        "authentication_required",
        "authentication_required",
        "Your card was declined. This transaction requires authentication.",
        "1A",
        None,
        hard=True,
    ),
)

DECLINES: dict[str, Decline] = {decline.reason: decline for decline in _TABLE}
AUTHENTICATION_REQUIRED = DECLINES["authentication_required"]
AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    "payment_intent_authentication_failure",
    None,
    "We are unable to authenticate your payment method. "
    "Please choose a different payment method and try again.",
    None,
    None,
)
