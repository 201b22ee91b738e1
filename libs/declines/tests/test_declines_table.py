"""The table is complete, sourced, and says of every code what follows."""

import csv
import re
from collections import Counter
from importlib import resources

import pytest

from recoup_declines import DeclineClass, DefaultAction, all_declines, lookup
from recoup_declines.precedence import STRICTNESS
from recoup_declines.table import spaces


def rows_of(name: str) -> list[dict[str, str]]:
    text = resources.files("recoup_declines").joinpath(name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


CODES = rows_of("codes.csv")
SOURCES = {row["source"]: row for row in rows_of("sources.csv")}
OUR_OWN_SPACES = {"stripe_outcome", "visa_advice"}


def test_959_codes_of_27_spaces_and_8_of_our_own() -> None:
    ours = [row for row in CODES if row["space"] in OUR_OWN_SPACES]
    assert (len(CODES) - len(ours), len(spaces() - OUR_OWN_SPACES), len(ours)) == (959, 27, 8)


def test_every_code_is_classified_labelled_and_explained() -> None:
    for row in CODES:
        assert row["class"] in set(DeclineClass), row
        assert row["default_action"] in set(DefaultAction), row
        assert row["soft_or_hard"] in {"soft", "hard"}, row
        assert row["masked"] in {"yes", "no"}, row
        assert row["meaning"].strip(), row
        assert row["code"].strip() == row["code"], row
        assert row["code"], row


def test_every_code_has_a_source_with_its_date_and_every_source_a_code() -> None:
    assert {row["source"] for row in CODES} == set(SOURCES)
    for source in SOURCES.values():
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", source["as_of"]), source
        assert source["as_of_means"] in {"edition", "transcribed", "compiled"}, source
        assert source["document"].strip(), source


def test_no_code_stands_twice_in_its_space_in_any_case() -> None:
    spelt = Counter((row["space"], row["code"].casefold()) for row in CODES)
    assert [code for code, times in spelt.items() if times > 1] == []


def test_no_more_is_from_memory_than_we_say() -> None:
    unsourced = Counter(row["space"] for row in CODES if row["source"] == "unsourced")
    assert unsourced == {"pad": 18, "mollie_failure_reason": 15, "gocardless": 4, "bacs_arudd": 2}


def test_every_action_has_its_place_in_the_order_of_strictness() -> None:
    assert set(STRICTNESS) == set(DefaultAction)


def test_only_api_errors_are_no_declines_and_only_stripe_has_them() -> None:
    for decline in all_declines():
        no_decline = decline.default_action is DefaultAction.NOT_A_DECLINE
        assert no_decline == (decline.decline_class is DeclineClass.API_ERROR), decline
        assert not no_decline or decline.gateway == "stripe_error", decline


def test_a_wrong_set_up_of_the_merchant_is_the_merchants_to_fix() -> None:
    for decline in all_declines():
        if decline.decline_class is DeclineClass.MERCHANT_CONFIGURATION:
            assert decline.default_action is DefaultAction.FIX_BY_MERCHANT, decline


@pytest.mark.parametrize(
    "decline_class",
    [DeclineClass.CARD_LOST_OR_STOLEN, DeclineClass.REVOKED_AUTHORIZATION, DeclineClass.CARD_EXPIRED],
)
def test_no_dead_or_revoked_instrument_is_charged_again(decline_class: DeclineClass) -> None:
    actions = {row.default_action for row in all_declines() if row.decline_class is decline_class}
    assert actions <= {DefaultAction.NEEDS_NEW_CARD, DefaultAction.NEVER_RETRY}


def test_every_row_is_found_again_by_its_own_space_and_code() -> None:
    for decline in all_declines():
        assert lookup(*decline.decided_by).decided_by == decline.decided_by


def test_a_documented_range_is_spelt_out() -> None:
    assert lookup("braintree", "2109").meaning == lookup("braintree", "2999").meaning
    assert lookup("braintree", "2500").code == "2500"
    assert not lookup("braintree", "2109-2999").known


# Written from the words of the meanings, not from the classes that the column was first filled from.
HIDDEN = re.compile(
    r"\blost\b|stolen|fraud|pick up|retain|should be captured|blacklist"
    r"|(block|decline) list|\brisk (?!engine demands 3DS)|Radar's"
    r"|security (violation|rule)|deceased|died|insolven|court|violation of law|blocked by law|sanction",
    re.IGNORECASE,
)


def test_reasons_that_tip_off_a_thief_or_hurt_a_family_are_masked() -> None:
    for decline in all_declines():
        assert decline.masked or not HIDDEN.search(decline.meaning), decline


@pytest.mark.parametrize("code", ["fraudulent", "lost_card", "stolen_card", "merchant_blacklist"])
def test_what_stripe_wants_presented_as_a_generic_decline_is_masked(code: str) -> None:
    assert lookup("stripe", code).masked


@pytest.mark.parametrize("code", ["insufficient_funds", "expired_card", "authentication_required"])
def test_what_the_customer_can_mend_is_told(code: str) -> None:
    assert not lookup("stripe", code).masked
