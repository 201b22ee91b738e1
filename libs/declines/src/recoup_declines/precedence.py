"""One verdict from up to four codes about the same decline: the gateway's, the network's, the advice of both."""

from dataclasses import replace
from functools import lru_cache

from recoup_declines import spaces
from recoup_declines.model import Decline, DeclineClass, DefaultAction, Row

# How long the instrument stays uncharged, from shortest to for ever.
STRICTNESS = {
    action: rank
    for rank, action in enumerate(
        (
            DefaultAction.NOT_A_DECLINE,
            DefaultAction.RETRY_SOON,
            DefaultAction.RETRY_SCHEDULED,
            DefaultAction.FIX_BY_MERCHANT,
            DefaultAction.NEEDS_CUSTOMER_AUTHENTICATION,
            DefaultAction.NEEDS_NEW_CARD,
            DefaultAction.NEVER_RETRY,
        )
    )
}

# Classes that name no reason: any other code knows more.
_SILENT = frozenset({DeclineClass.UNKNOWN, DeclineClass.DO_NOT_HONOR})

# What kind of card it is, not what to do with this decline (Mastercard MAC 40 and 43, Braintree's reference).
_ABOUT_THE_CARD = frozenset({Row("mastercard_mac", "40"), Row("mastercard_mac", "43")})

# "Some data is wrong or outdated." In Europe it also comes with a request for authentication: Visa 1A and 70
# are category 3 there (Visa Core Rules, Table 7-2), and authentication is then the cure.
_MEND_THE_DATA = frozenset(
    {Row("stripe_advice", "confirm_card_data"), Row("mastercard_mac", "01"), Row("visa_advice", "3")}
)


def lookup(
    gateway: str,
    code: str | None,
    *,
    advice: str | None = None,
    brand: str | None = None,
    network_code: str | None = None,
    network_advice: str | None = None,
) -> Decline:
    """Classify a decline. Pure, never raises; case and blanks around a code don't matter.

    Codes say why, advice says what to do, and nobody loosens what another forbids:

    1. `not_a_decline` of the gateway ends it: nothing was tried, whatever an older answer said. An invoice
       that is "already captured" is closed, not charged because of a network code beside it.
    2. The network's code is read in its brand's table, which replaces ISO 8583 for that brand (58 is a later
       try at Visa, never by ISO 8583). Codes that aren't in a table count as not given.
    3. Of the network's and the gateway's code, one that forbids a retry as things stand beats one that allows
       it; if both forbid, the stricter; if equally, the one that names a reason, the network's first. So a
       network code can forbid what the gateway's generic code allows, and a gateway's own stop (Radar, a
       prohibited retry at Braintree, "blocked to prevent excessive retries" at Adyen) holds whatever the
       network said: the gateway would refuse the try. It also knows what a bare code doesn't: with 65, a
       limit, some European issuers ask for authentication (unsourced).
    4. If both allow it, the one that names a reason says how soon; the network's first.
    5. Advice can forbid: MAC 03 and 21 and Stripe's do_not_try_again never again, MAC 01, 41, Visa category 1
       and confirm_card_data not before a new card. It can slow down: a MAC that allows a later try turns
       "soon" into "scheduled" (the wait itself, 1 h to 10 days, is a network rule, not a class). It never
       permits: Stripe's try_again_later does not revive an expired card. Mending data yields to a request
       for authentication.
    6. The class is the deciding code's if it names a reason, else that of another code, else of the advice.
       `masked` holds if any of them is masked.

    A code that isn't in the table is of class `unknown` and scheduled, `known` False: Visa for one
    allows a later try of what it doesn't list (category 4). Treat it with care, say one or two tries.

    Sources: Visa Core Rules 18 April 2026, Table 7-2; docs.stripe.com/declines/card (advice codes, and that
    a network code's meaning depends on the brand); developers.tabapay.com/docs/merchant-advice-code-mac
    (79, 82, 83: decide on the MAC sent with it); the table's own for each row. The order is our judgement.

    Args:
        gateway: Any case. Spaces of one gateway are searched together: for `stripe` decline codes, then error
            codes, advice codes and outcome reasons. A bank scheme is a gateway too (`ach`, `bacs_arudd`).
        code: The gateway's own, most specific code: Stripe's decline_code if there is one, else error.code.
        advice: The gateway's own advice (Stripe's advice_code).
        brand: Card brand or bank scheme, as the gateway spells it; None or unknown reads ISO 8583.
        network_code: Stripe's network_decline_code, Adyen's refusalReasonRaw, GoCardless's reason_code, ...
        network_advice: Stripe's network_advice_code, Adyen's merchantAdviceCode, PayPal's
            payment_advice_code, ...
    """
    return _classified(
        spaces.text(gateway),
        spaces.text(code),
        spaces.text(advice),
        spaces.text(brand),
        spaces.text(network_code),
        spaces.text(network_advice),
    )


def forbids_retry(action: DefaultAction) -> bool:
    """Whether this instrument must not be charged again as things stand, off session."""
    match action:
        case DefaultAction.RETRY_SCHEDULED | DefaultAction.RETRY_SOON:
            return False
        case (
            DefaultAction.NEEDS_NEW_CARD
            | DefaultAction.NEEDS_CUSTOMER_AUTHENTICATION
            | DefaultAction.NEVER_RETRY
            | DefaultAction.FIX_BY_MERCHANT
            | DefaultAction.NOT_A_DECLINE
        ):
            return True


@lru_cache(maxsize=4096)  # of texts of 64 characters at most: below 10 MB
def _classified(
    gateway: str, code: str, advice: str, brand: str, network_code: str, network_advice: str
) -> Decline:
    own = spaces.of_gateway(gateway, code) or _not_in_table(gateway, code)
    if own.default_action is DefaultAction.NOT_A_DECLINE:
        return own
    network = spaces.network_code(brand, network_code)
    advised = (spaces.network_advice(brand, network_advice), spaces.gateway_advice(gateway, advice))
    heard = [row for row in advised if row is not None and row.decided_by not in _ABOUT_THE_CARD]
    if network is None and not heard:
        return own
    return _verdict(own, network, heard)


def _verdict(own: Decline, network: Decline | None, advised: list[Decline]) -> Decline:
    codes = [own] if network is None else [network, own]
    by_code = decider = _deciding_code(codes)
    for advice in advised:
        if _outranks(advice, decider):
            decider = advice
    reasons = (by_code, *codes, decider, *advised)
    reason = next((row for row in reasons if row.decline_class not in _SILENT), own if own.known else by_code)
    return replace(
        own,
        meaning=reason.meaning,
        decline_class=reason.decline_class,
        default_action=decider.default_action,
        masked=any(row.masked for row in (*codes, *advised)),
        decided_by=decider.decided_by,
        source=reason.source,
        as_of=reason.as_of,
    )


def _deciding_code(codes: list[Decline]) -> Decline:
    """The code that gives the action, of the network's and then the gateway's (points 3 and 4)."""
    strictest = max(STRICTNESS[row.default_action] for row in codes)
    if strictest > STRICTNESS[DefaultAction.RETRY_SCHEDULED]:
        codes = [row for row in codes if STRICTNESS[row.default_action] == strictest]
    return next(
        (row for row in codes if row.decline_class not in _SILENT), codes[-1] if codes[-1].known else codes[0]
    )


def _outranks(advice: Decline, decider: Decline) -> bool:
    """Whether an advice changes what the codes decided (point 5)."""
    if STRICTNESS[advice.default_action] <= STRICTNESS[decider.default_action]:
        return False
    if forbids_retry(advice.default_action):
        authentication = decider.default_action is DefaultAction.NEEDS_CUSTOMER_AUTHENTICATION
        return not (authentication and advice.decided_by in _MEND_THE_DATA)
    return advice.gateway == "mastercard_mac"


def _not_in_table(gateway: str, code: str) -> Decline:
    return Decline(
        gateway=gateway,
        code=code,
        meaning="not in the table" if code else "no code given",
        decline_class=DeclineClass.UNKNOWN,
        soft_or_hard="soft",
        default_action=DefaultAction.RETRY_SCHEDULED,
        masked=False,
        known=False,
        decided_by=Row(gateway, code),
        source="none",
        as_of=None,
    )
