"""Which code spaces a gateway's, a network's and an adviser's codes are read in.

A code means what it means only in its space: 82 is a failed CVV check at Visa and a policy decline at
Mastercard.
"""

from recoup_declines.model import Decline
from recoup_declines.table import Codes, merged, spaces

LONGEST_CODE = 64  # characters; what is longer is no code and is cut

_STRIPE = merged("stripe", "stripe_error", "stripe_advice", "stripe_outcome")
_BRAINTREE = merged("braintree", "braintree_gateway_rejection")
_MOLLIE = merged("mollie", "mollie_failure_reason")
_ISO8583 = merged("iso8583")
_VISA = merged("visa", "iso8583")
_MASTERCARD = merged("mastercard", "iso8583")
_BACS = merged("bacs_arudd", "bacs_addacs")
_NEW_ZEALAND = merged("becs_nz", "nz_direct_debit")
_CHECKOUT = merged("checkout.com")

# A space is also a gateway of its own name: bank schemes answer in their own codes.
_OF_GATEWAY: dict[str, Codes] = {name: merged(name) for name in spaces()} | {
    "stripe": _STRIPE,
    "braintree": _BRAINTREE,
    "mollie": _MOLLIE,
    "visa": _VISA,
    "mastercard": _MASTERCARD,
    "checkout": _CHECKOUT,
    "checkout_com": _CHECKOUT,
}

_ADVICE_OF_GATEWAY: dict[str, Codes] = {"stripe": merged("stripe_advice")}

# Card brands and bank schemes, as Stripe, Adyen, Mollie and GoCardless spell them.
_OF_NETWORK: dict[str, Codes] = {
    "visa": _VISA,
    "electron": _VISA,
    "vpay": _VISA,
    "mastercard": _MASTERCARD,
    "mc": _MASTERCARD,
    "maestro": _MASTERCARD,
    "ach": merged("ach"),
    "us_bank_account": merged("ach"),
    "sepa": merged("sepa_dd"),
    "sepa_dd": merged("sepa_dd"),
    "sepa_debit": merged("sepa_dd"),
    "sepa_core": merged("sepa_dd"),
    "sepa_cor1": merged("sepa_dd"),
    "sepa_b2b": merged("sepa_dd"),
    "sepadirectdebit": merged("sepa_dd"),
    "directdebit": merged("sepa_dd"),
    "bacs": _BACS,
    "bacs_debit": _BACS,
    "becs": merged("becs"),
    "au_becs_debit": merged("becs"),
    "becs_nz": _NEW_ZEALAND,
    "nz_bank_account": _NEW_ZEALAND,
    "pad": merged("pad"),
    "acss_debit": merged("pad"),
    "autogiro": merged("autogiro"),
    "nach": merged("nach_india"),
    "emandate": merged("nach_india"),
}

# GoCardless writes the Bacs message into details.reason_code: ARUDD-0, ADDACS-B (developer.gocardless.com).
_BACS_MESSAGES: dict[str, Codes] = {"arudd-": merged("bacs_arudd"), "addacs-": merged("bacs_addacs")}

_MAC = merged("mastercard_mac")
_VISA_ADVICE = merged("visa_advice")
_NONE: Codes = {}


def text(value: str | None) -> str:
    """A code as text without blanks around it, "" for none; whatever arrives, it is not refused."""
    return ("" if value is None else str(value))[:LONGEST_CODE].strip()


def of_gateway(gateway: str, code: str) -> Decline | None:
    """The gateway's own code, in the first of the gateway's spaces that has it."""
    return _OF_GATEWAY.get(gateway.casefold(), _NONE).get(code.casefold())


def gateway_advice(gateway: str, code: str) -> Decline | None:
    """The gateway's own advice. Only Stripe gives one (docs.stripe.com/declines/card)."""
    return _ADVICE_OF_GATEWAY.get(gateway.casefold(), _NONE).get(code.casefold())


def network_code(brand: str, code: str) -> Decline | None:
    """The issuer's or bank's answer, as the network or scheme spells it.

    The brand's own table first, then ISO 8583, which is all there is for a brand that is unknown or has no
    public table (Amex, Discover). Adyen appends words ("51 : Insufficient funds"): they are left out.
    """
    code = _bare(code)
    if not code:
        return None
    for message, codes in _BACS_MESSAGES.items():
        if code.startswith(message):
            return codes.get(code.removeprefix(message))
    codes = _of_brand(brand)
    return codes.get(code) or codes.get(code.zfill(2))


def network_advice(brand: str, code: str) -> Decline | None:
    """The network's advice: Mastercard's merchant advice code, or Visa's category.

    For any brand but Visa, an unknown one included, it is read as a merchant advice code: no other table is
    public, and a wrong reading of it may stop a try but never makes one.

    Visa's categories are 1 to 4 (developer.cybersource.com, merchantAdviceCode). PayPal passes 01, 03 and 21
    for Visa too, as new account data and revocations: both readings forbid this instrument as it is.
    """
    code = _bare(code)
    if not code:
        return None
    if _of_brand(brand) is _VISA:
        return _VISA_ADVICE.get(code.lstrip("0"))
    return _MAC.get(code.zfill(2))


def _bare(code: str) -> str:
    return code.partition(":")[0].strip().casefold()


def _of_brand(brand: str) -> Codes:
    """Adyen refines brands ("visastandarddebit", "mc_applepay"), others write "Visa" or "MasterCard"."""
    name = brand.casefold().replace(" ", "")
    codes = _OF_NETWORK.get(name)
    if codes is not None:
        return codes
    if name.startswith("visa"):
        return _VISA
    if name.startswith(("mc", "mastercard")):
        return _MASTERCARD
    return _ISO8583
