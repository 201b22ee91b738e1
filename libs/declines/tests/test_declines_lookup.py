"""A code alone: where it is looked for, and what becomes of one that isn't in the table."""

import pytest

from recoup_declines import Decline, DeclineClass, DefaultAction, forbids_retry, lookup

CODES = """
gateway      code                  found                       class                 action
stripe       insufficient_funds    stripe                      insufficient_funds    retry_scheduled
stripe       expired_card          stripe                      card_expired          needs_new_card
stripe       card_declined         stripe_error                unknown               retry_scheduled
stripe       debit_not_authorized  stripe_error                revoked_authorization never_retry
stripe       rate_limit            stripe_error                api_error             not_a_decline
stripe       confirm_card_data     stripe_advice               card_invalid          needs_new_card
stripe       highest_risk_level    stripe_outcome              fraud_suspected       never_retry
braintree    2010                  braintree                   card_invalid          needs_new_card
braintree    risk_threshold        braintree_gateway_rejection fraud_suspected       never_retry
mollie       possible_fraud        mollie_failure_reason       fraud_suspected       never_retry
checkout     20051                 checkout.com                insufficient_funds    retry_scheduled
checkout.com 20004                 checkout.com                card_lost_or_stolen   needs_new_card
adyen        46                    adyen                       limit_exceeded        never_retry
paypal       5910                  paypal                      issuer_unavailable    never_retry
ach          R01                   ach                         insufficient_funds    retry_scheduled
bacs_arudd   0                     bacs_arudd                  insufficient_funds    retry_scheduled
bacs_addacs  0                     bacs_addacs                 revoked_authorization needs_new_card
sepa_dd      AM04                  sepa_dd                     insufficient_funds    retry_scheduled
visa         06                    iso8583                     processing_error      retry_soon
"""


@pytest.mark.parametrize("row", CODES.strip().splitlines()[1:])
def test_a_code_alone_is_found_in_the_spaces_of_its_gateway(row: str) -> None:
    gateway, code, space, decline_class, action = row.split()
    found = lookup(gateway, code)
    assert (found.gateway, found.code, found.decline_class, found.default_action) == (
        space,
        code,
        decline_class,
        action,
    )
    assert found.known
    assert found.decided_by == (space, code)


def test_case_and_blanks_do_not_matter() -> None:
    assert lookup(" Stripe ", " EXPIRED_card\n") == lookup("stripe", "expired_card")
    assert lookup("ach", "r01") == lookup("ach", "R01")


@pytest.mark.parametrize("code", [None, "", "   ", "no_such_code", "x" * 100_000, "\x00", "٣"])
@pytest.mark.parametrize("gateway", ["stripe", "", "no_such_gateway", "g" * 100_000])
def test_what_is_not_in_the_table_is_unknown_scheduled_and_bounded(gateway: str, code: str | None) -> None:
    found = lookup(gateway, code)
    assert (found.decline_class, found.default_action) == (
        DeclineClass.UNKNOWN,
        DefaultAction.RETRY_SCHEDULED,
    )
    assert not found.known
    assert len(found.code) <= 64
    assert len(found.gateway) <= 64


def test_codes_that_are_no_codes_count_as_not_given() -> None:
    alone = lookup("stripe", "do_not_honor")
    for nothing in (None, "", "  ", ":", "no_such_code", "00", "x" * 100_000):
        assert (
            lookup(
                "stripe",
                "do_not_honor",
                advice=nothing,
                brand=nothing,
                network_code=nothing,
                network_advice=nothing,
            )
            == alone
        )


def test_an_unknown_code_beside_a_known_network_code_stays_unknown_to_us() -> None:
    found = lookup("stripe", "a_new_code", brand="visa", network_code="51")
    assert (found.known, found.code, found.decline_class) == (
        False,
        "a_new_code",
        DeclineClass.INSUFFICIENT_FUNDS,
    )


def test_the_verdict_keeps_the_gateways_own_code_and_label() -> None:
    found = lookup("stripe", "generic_decline", brand="visa", network_code="41")
    assert (found.gateway, found.code, found.soft_or_hard) == ("stripe", "generic_decline", "soft")
    assert (found.meaning, found.source, found.as_of) == facts_of(lookup("visa", "41"))


def facts_of(decline: Decline) -> tuple[object, ...]:
    return (decline.meaning, decline.source, decline.as_of)


def test_one_masked_code_masks_the_whole() -> None:
    assert lookup("stripe", "generic_decline", brand="visa", network_code="41").masked
    assert lookup("stripe", "lost_card", brand="visa", network_code="51").masked
    assert lookup("stripe", "fraudulent", advice="try_again_later").masked
    assert not lookup("stripe", "generic_decline", brand="visa", network_code="51").masked


def test_only_the_two_retries_leave_the_instrument_chargeable() -> None:
    assert [action for action in DefaultAction if not forbids_retry(action)] == [
        DefaultAction.RETRY_SCHEDULED,
        DefaultAction.RETRY_SOON,
    ]
