"""The table says what the reference says, and forbids what the networks' rules forbid (needs ../shared)."""

import csv
import re
from pathlib import Path

import pytest

from recoup_declines import all_declines, forbids_retry, lookup

REFERENCE = next((home for up in Path(__file__).parents if (home := up / "shared/domain").is_dir()), None)
pytestmark = pytest.mark.skipif(REFERENCE is None, reason="needs ../shared/domain, the reference data")


def reference(name: str) -> list[dict[str, str]]:
    assert REFERENCE is not None
    with (REFERENCE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def first_of(code: str) -> str:
    """The first code of Braintree's documented range."""
    return "2109" if code == "2109-2999" else code


def test_every_reference_code_is_here_with_the_same_facts() -> None:
    for row in reference("decline_codes.csv"):
        found = lookup(row["gateway"], first_of(row["code"]))
        ours = [found.gateway, found.meaning, found.decline_class, found.soft_or_hard, found.default_action]
        theirs = [
            row[name] for name in ("gateway", "meaning_short", "class", "soft_or_hard", "default_action")
        ]
        assert [*ours, found.source] == [*theirs, row["source"]]


def test_no_code_is_here_that_the_reference_lacks_but_for_our_own_two_spaces() -> None:
    known = {(row["gateway"], first_of(row["code"])) for row in reference("decline_codes.csv")}
    known |= {("braintree", str(code)) for code in range(2109, 3000)}
    extra = {row.gateway for row in all_declines() if row.decided_by not in known}
    assert extra == {"stripe_outcome", "visa_advice"}


GATEWAY_OF_RULE = {
    "visa_cat1_never": "visa",
    "visa_code_57_reclass": "visa",
    "visa_r_codes_scope": "visa",
    "mc_mac_01": "mastercard_mac",
    "mc_mac_03": "mastercard_mac",
    "mc_mac_21": "mastercard_mac",
    "ach_r08_stop_payment": "ach",
    "ach_r07_revoked": "ach",
    "sdd_never_without_new_mandate": "sepa_dd",
    "bacs_never_codes": "bacs_arudd",
    "becs_never": "becs",
    "becs_fix_first": "becs",
    "stripe_hard_codes": "stripe",
    "adyen_46_block": "adyen",
    "braintree_mc_prohibited": "braintree",
    "braintree_recurring_prohibited": "braintree",
    "cko_do_not_retry": "checkout.com",
    "paypal_pprn": "paypal",
}
NOT_ABOUT_CODES = {"stripe_smart_retries_skip", "stripe_invoice_nonretryable", "gc_will_attempt_retry"}


def codes_of(applies_to: str) -> list[str]:
    """The codes in a rule's words: "30004,30007 (30015 until ...)", "MAC 03", "recurring: 2004,2005"."""
    listed = applies_to.partition("(")[0].rpartition(":")[2]
    listed = re.sub(r"\b(MAC|ARUDD|refusalReasonCode)\b", "", listed)
    return [code.strip() for code in listed.split(",") if code.strip()]


def test_every_code_that_a_rule_forbids_to_retry_is_not_retried() -> None:
    rules = {row["rule_id"]: row for row in reference("network_rules.csv") if row["max_attempts"] == "0"}
    assert set(rules) == set(GATEWAY_OF_RULE) | NOT_ABOUT_CODES
    for rule, gateway in GATEWAY_OF_RULE.items():
        codes = codes_of(rules[rule]["applies_to"])
        assert codes, rule
        for code in codes:
            found = lookup(gateway, code)
            assert found.known, (rule, code)
            assert forbids_retry(found.default_action), (rule, code, found.default_action)
