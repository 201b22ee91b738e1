"""What one decline's codes forbid, and how far."""

from dataclasses import dataclass

import pytest

from recoup_declines import DefaultAction, all_declines
from recoup_events.values import WaitingFor
from recoup_retry_scheduler.rules.codes import read
from recoup_retry_scheduler.rules.never import Reach


@dataclass(frozen=True)
class Told:
    code: str | None = None
    advice: str | None = None
    network_code: str | None = None
    network_advice: str | None = None


@pytest.mark.parametrize(
    ("gateway", "brand", "told", "rule", "reach"),
    [
        ("stripe", "visa", Told(network_code="4"), "visa_category_1", Reach.CREDENTIAL),
        ("stripe", "visa", Told(network_code="57"), "visa_category_1", Reach.CREDENTIAL),
        ("stripe", "visa", Told(network_advice="1"), "visa_category_1", Reach.CREDENTIAL),
        ("adyen", "visa", Told("2", network_code="41 : Lost card"), "visa_category_1", Reach.CREDENTIAL),
        ("stripe", "mc", Told(network_advice="3"), "mastercard_never", Reach.CREDENTIAL),
        ("stripe", "mastercard", Told(network_advice="01"), "mastercard_update_first", Reach.CREDENTIAL),
        ("ach", None, Told("R07"), "ach_never", Reach.CREDENTIAL),
        ("sepa_dd", None, Told("ac04"), "sepa_never", Reach.CREDENTIAL),
        ("gocardless", "bacs", Told(network_code="ARUDD-B"), "bacs_never", Reach.CREDENTIAL),
        ("becs", None, Told("9"), "becs_never", Reach.CREDENTIAL),
        ("adyen", "visa", Told("46"), "never_retry", Reach.CREDENTIAL),
        ("stripe", "visa", Told("expired_card"), "needs_new_card", Reach.CREDENTIAL),
        (
            "stripe",
            "visa",
            Told("generic_decline", advice="do_not_try_again"),
            "never_retry",
            Reach.CREDENTIAL,
        ),
        ("stripe", "visa", Told("currency_not_supported"), "needs_new_card", Reach.PAYMENT),
    ],
)
def test_a_code_that_says_never_forbids_the_instrument(
    gateway: str, brand: str | None, told: Told, rule: str, reach: Reach
) -> None:
    ban = read(gateway, brand, told).ban
    assert ban is not None
    assert (ban.rule, ban.reach, ban.whom) == (rule, reach, WaitingFor.CARD)


def test_what_becs_wants_mended_by_the_merchant_waits_for_the_merchant() -> None:
    ban = read("becs", None, Told("8")).ban
    assert ban is not None
    assert (ban.rule, ban.reach, ban.whom) == ("becs_fix_first", Reach.PAYMENT, WaitingFor.MERCHANT)


def test_of_two_codes_the_wider_ban_holds() -> None:
    ban = read("stripe", "visa", Told("currency_not_supported", network_code="14")).ban
    assert ban is not None
    assert (ban.rule, ban.reach) == ("visa_category_1", Reach.CREDENTIAL)


def test_a_softer_code_beside_it_lifts_no_ban() -> None:
    assert read("stripe", "visa", Told("insufficient_funds", network_code="04")).ban is not None
    assert read("stripe", "visa", Told("lost_card", network_code="51")).ban is not None


@pytest.mark.parametrize("brand", ["visa", "mastercard", None])
def test_what_a_gateway_says_is_no_decline_forbids_nothing(brand: str | None) -> None:
    said = read("stripe", brand, Told("charge_already_captured", network_code="04"))
    assert (said.charged, said.ban) == (False, None)


def test_every_code_of_the_table_that_says_never_is_a_ban() -> None:
    never = {DefaultAction.NEEDS_NEW_CARD, DefaultAction.NEVER_RETRY}
    rows = [row for row in all_declines() if row.default_action in never and "advice" not in row.gateway]
    bans = [
        read(row.gateway, None, Told(row.code)).ban
        for row in rows
        if row.gateway in {"stripe", "adyen", "ach"}
    ]
    assert len(bans) > 50
    assert None not in bans


@pytest.mark.parametrize(
    "told", [Told(), Told("", "", "", ""), Told("x" * 5000, "y", "z", "?"), Told("\x00", None, ":")]
)
def test_what_nobody_knows_is_read_and_forbids_nothing(told: Told) -> None:
    said = read("nobody", "nothing", told)
    assert (said.charged, said.ban) == (True, None)
