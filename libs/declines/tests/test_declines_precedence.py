"""Which of several codes about one decline wins, and that none loosens what another forbids."""

from itertools import product

import pytest

from recoup_declines import DefaultAction, all_declines, forbids_retry, lookup
from recoup_declines.precedence import STRICTNESS

# "-" is not given; "net" is the network's code, "mac" its advice; "by" the row that gave the action.
STRIPE = """
code                    brand      net mac advice            class                          action              by
# The network forbids what the gateway's generic code allows.
generic_decline         visa       14  -   -                 card_invalid                   needs_new_card      visa 14
do_not_honor            visa       R1  -   -                 revoked_authorization          never_retry         visa R1
do_not_honor            mastercard 41  -   -                 card_lost_or_stolen            needs_new_card      iso8583 41
insufficient_funds      visa       43  -   -                 card_lost_or_stolen            needs_new_card      visa 43
generic_decline         visa       1A  -   -                 authentication_required        needs_customer_authentication visa 1A
nonsense                visa       54  -   -                 card_expired                   needs_new_card      visa 54
-                       -          51  -   -                 insufficient_funds             retry_scheduled     iso8583 51
# The brand's table replaces ISO 8583; without a brand ISO 8583 is what there is.
generic_decline         visa       58  -   -                 currency_or_type_not_supported retry_scheduled     visa 58
generic_decline         -          58  -   -                 currency_or_type_not_supported never_retry         iso8583 58
generic_decline         visa       03  -   -                 processing_error               retry_scheduled     visa 03
generic_decline         amex       03  -   -                 merchant_configuration         fix_by_merchant     iso8583 03
generic_decline         visa       82  -   -                 card_invalid                   needs_new_card      visa 82
generic_decline         mc         82  -   -                 currency_or_type_not_supported retry_scheduled     mastercard 82
# Both allow a retry: the one that names a reason says how soon, the network's first.
generic_decline         visa       91  -   -                 issuer_unavailable             retry_soon          visa 91
processing_error        visa       51  -   -                 insufficient_funds             retry_scheduled     visa 51
insufficient_funds      visa       05  -   -                 insufficient_funds             retry_scheduled     stripe insufficient_funds
# The gateway's own stop holds.
expired_card            visa       51  -   -                 card_expired                   needs_new_card      stripe expired_card
fraudulent              visa       05  -   -                 fraud_suspected                never_retry         stripe fraudulent
previously_declined_do_not_retry visa 51 - -                 limit_exceeded                 never_retry         stripe_outcome previously_declined_do_not_retry
authentication_required mastercard 65  -   -                 authentication_required        needs_customer_authentication stripe authentication_required
rate_limit              visa       51  03  -                 api_error                      not_a_decline       stripe_error rate_limit
charge_already_captured -          -   -   try_again_later   api_error                      not_a_decline       stripe_error charge_already_captured
# The stricter of two stops, and of equals the one that names a reason.
expired_card            visa       R0  -   -                 revoked_authorization          never_retry         visa R0
stolen_card             visa       1A  -   -                 card_lost_or_stolen            needs_new_card      stripe stolen_card
do_not_try_again        visa       R0  -   -                 revoked_authorization          never_retry         visa R0
# Stripe's advice.
generic_decline         -          -   -   do_not_try_again  unknown                        never_retry         stripe_advice do_not_try_again
insufficient_funds      -          -   -   do_not_try_again  insufficient_funds             never_retry         stripe_advice do_not_try_again
expired_card            -          -   -   do_not_try_again  card_expired                   never_retry         stripe_advice do_not_try_again
generic_decline         -          -   -   confirm_card_data card_invalid                   needs_new_card      stripe_advice confirm_card_data
authentication_required -          -   -   confirm_card_data authentication_required        needs_customer_authentication stripe authentication_required
generic_decline         -          -   -   try_again_later   unknown                        retry_scheduled     stripe generic_decline
issuer_not_available    -          -   -   try_again_later   issuer_unavailable             retry_soon          stripe issuer_not_available
expired_card            -          -   -   try_again_later   card_expired                   needs_new_card      stripe expired_card
# Mastercard's merchant advice code; for a brand without a table of advice too.
insufficient_funds      mastercard -   03  -                 insufficient_funds             never_retry         mastercard_mac 03
do_not_honor            mastercard -   21  -                 revoked_authorization          never_retry         mastercard_mac 21
do_not_honor            -          -   3   -                 account_closed                 never_retry         mastercard_mac 03
do_not_honor            amex       -   21  -                 revoked_authorization          never_retry         mastercard_mac 21
generic_decline         mc         83  03  -                 fraud_suspected                never_retry         mastercard_mac 03
generic_decline         mc         82  01  -                 currency_or_type_not_supported needs_new_card      mastercard_mac 01
authentication_required mc         65  01  -                 authentication_required        needs_customer_authentication stripe authentication_required
do_not_honor            mastercard -   24  -                 insufficient_funds             retry_scheduled     stripe do_not_honor
issuer_not_available    mastercard -   25  -                 issuer_unavailable             retry_scheduled     mastercard_mac 25
do_not_honor            mastercard -   04  -                 merchant_configuration         fix_by_merchant     mastercard_mac 04
expired_card            mastercard -   04  -                 card_expired                   needs_new_card      stripe expired_card
do_not_honor            mastercard -   41  -                 currency_or_type_not_supported needs_new_card      mastercard_mac 41
do_not_honor            mastercard -   03  try_again_later   account_closed                 never_retry         mastercard_mac 03
# What kind of card it is decides nothing.
do_not_honor            mastercard -   40  -                 do_not_honor                   retry_scheduled     stripe do_not_honor
issuer_not_available    mastercard -   43  -                 issuer_unavailable             retry_soon          stripe issuer_not_available
# Visa's categories.
do_not_honor            visa       -   1   -                 do_not_honor                   needs_new_card      visa_advice 1
do_not_honor            visa       -   02  -                 do_not_honor                   retry_scheduled     stripe do_not_honor
issuer_not_available    visa       -   2   -                 issuer_unavailable             retry_soon          stripe issuer_not_available
do_not_honor            visa       -   03  -                 card_invalid                   needs_new_card      visa_advice 3
do_not_honor            visa       -   21  -                 revoked_authorization          never_retry         visa_advice 21
generic_decline         visa       1A  3   -                 authentication_required        needs_customer_authentication visa 1A
"""  # noqa: E501 - a table reads across


def rows_of(table: str) -> list[str]:
    return [row for row in table.strip().splitlines()[1:] if not row.startswith("#")]


@pytest.mark.parametrize("row", rows_of(STRIPE))
def test_the_verdict_of_several_codes(row: str) -> None:
    code, brand, network, mac, advice = (None if cell == "-" else cell for cell in row.split()[:5])
    found = lookup("stripe", code, brand=brand, network_code=network, network_advice=mac, advice=advice)
    assert [found.decline_class, found.default_action, *found.decided_by] == row.split()[5:]


OTHERS = """
gateway; code; brand; network code; network advice; advice; action; by
# As in Adyen's own fixtures: words behind the code, or words instead of one.
adyen; 2; mc; 01: Refer to card issuer; -; -; retry_scheduled; adyen 2
adyen; 2; mc; -; 01 : New account information available; -; needs_new_card; mastercard_mac 01
adyen; 2; visastandarddebit; N7 : FRAUD; -; -; needs_new_card; visa N7
adyen; 6; -; DECLINED Expiry Incorrect; -; -; needs_new_card; adyen 6
adyen; 2; -; -; -; do_not_try_again; retry_scheduled; adyen 2
# Bank schemes.
gocardless; other; bacs; ARUDD-2; -; -; never_retry; bacs_arudd 2
gocardless; other; -; ADDACS-B; -; -; needs_new_card; bacs_addacs B
gocardless; other; sepa_core; MD07; -; -; never_retry; sepa_dd MD07
gocardless; other; autogiro; TK82-1; -; -; retry_scheduled; autogiro TK82-1
stripe; card_declined; us_bank_account; R07; -; -; never_retry; ach R07
# Brands as others write them.
mollie; do_not_honor; Maestro; -; 21; -; never_retry; mastercard_mac 21
paypal; 9500; VISA; 51; -; -; never_retry; paypal 9500
paypal; 0500; MASTERCARD; -; 03; -; never_retry; mastercard_mac 03
braintree; 2015; Visa; 62; -; -; needs_new_card; braintree 2015
checkout.com; 20068; Mastercard; -; 02; -; retry_scheduled; mastercard_mac 02
"""


@pytest.mark.parametrize("row", rows_of(OTHERS))
def test_the_spellings_of_other_gateways(row: str) -> None:
    gateway, *given, action, by = row.split("; ")
    code, brand, network, mac, advice = (None if cell == "-" else cell for cell in given)
    found = lookup(gateway, code, brand=brand, network_code=network, network_advice=mac, advice=advice)
    assert (found.default_action, " ".join(found.decided_by)) == (action, by)


def codes_of(*names: str) -> list[str]:
    return [row.code for row in all_declines() if row.gateway in names]


NEVER, NO_DECLINE = DefaultAction.NEVER_RETRY, DefaultAction.NOT_A_DECLINE
OWN = codes_of("stripe", "stripe_error")
NETWORK = sorted(set(codes_of("visa", "mastercard", "iso8583")))


def test_no_code_loosens_what_another_forbids() -> None:
    for own, network, brand in product(OWN, NETWORK, ("visa", "mastercard", "")):
        alone = lookup("stripe", own).default_action
        both = lookup("stripe", own, brand=brand, network_code=network).default_action
        stated = lookup("stripe", None, brand=brand, network_code=network).default_action
        if alone is NO_DECLINE:
            assert both is NO_DECLINE
        elif forbids_retry(alone) or forbids_retry(stated):
            assert STRICTNESS[both] == max(STRICTNESS[alone], STRICTNESS[stated]), (own, brand, network)
        else:
            assert not forbids_retry(both), (own, brand, network)


def test_advice_only_ever_makes_a_verdict_stricter() -> None:
    advised = ["", *codes_of("stripe_advice")]
    macs = ["", *codes_of("mastercard_mac", "visa_advice")]
    for own, advice, mac, brand in product(OWN, advised, macs, ("visa", "mastercard")):
        without = lookup("stripe", own).default_action
        verdict = lookup("stripe", own, advice=advice, brand=brand, network_advice=mac).default_action
        assert STRICTNESS[verdict] >= STRICTNESS[without], (own, advice, mac, brand)


def test_never_again_means_never_again_beside_every_decline() -> None:
    for own in OWN:
        never = NO_DECLINE if lookup("stripe", own).default_action is NO_DECLINE else NEVER
        assert lookup("stripe", own, advice="do_not_try_again").default_action is never
        assert lookup("stripe", own, brand="mastercard", network_advice="03").default_action is never
        assert lookup("stripe", own, brand="mastercard", network_advice="21").default_action is never


# Visa Core Rules 18 April 2026, Table 7-2.
VISA_CATEGORY_1 = ["04", "07", "12", "14", "15", "41", "43", "46", "57", "R0", "R1", "R3"]


@pytest.mark.parametrize("network_code", VISA_CATEGORY_1)
def test_what_visa_never_approves_is_never_tried_again_with_the_same_card(network_code: str) -> None:
    for own in OWN:
        verdict = lookup("stripe", own, brand="visa", network_code=network_code).default_action
        assert verdict in {DefaultAction.NEEDS_NEW_CARD, NEVER, NO_DECLINE}
