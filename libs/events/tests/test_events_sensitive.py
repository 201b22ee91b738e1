"""What looks like a card number, a check code or a key is hidden, and nothing else."""

import json

import pytest
from hypothesis import given, strategies as st

from recoup_events.sensitive import (
    _CODE,
    _RUN,
    _may_hold_code,
    _may_hold_key,
    _may_hold_number,
    found_in,
    hidden,
)

NUMBERS = (
    "4242424242424242", "5555555555554444", "2223003122003222", "378282246310005", "36227206271667",
    "3566002020360505", "6011111111111117", "6205500000000000004",
)  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("between", ["", " ", "-", ".", "\N{NO-BREAK SPACE}"])
def test_a_card_number_is_hidden_however_it_is_grouped(number: str, between: str) -> None:
    groups = between.join(number[n : n + 4] for n in range(0, len(number), 4))
    for text in (groups, f"mine is {groups} 12/28 123", f"no.\n{groups}, thanks", f"({groups})"):
        for raw in (text.encode(), json.dumps({"name": text}).encode()):
            assert found_in(raw) == "a card number"
            assert found_in(hidden(raw)) is None
            assert len(hidden(raw)) == len(raw)


def test_a_number_in_json_stays_one() -> None:
    assert json.loads(hidden(b'{"note": 4242424242424242, "n": 1}')) == {"note": 4 * 10**15, "n": 1}


@pytest.mark.parametrize(
    "text",
    [
        '"cvc_check": "pass"', "pi_1_secret_2", "task_1", "cvc 12", "4242424242424241", "1772366400", "1772366400000",
        "2026-03-01T12:00:00.000Z", "+39 02 1234 5678", "42424242-4242-4242-abcd-000000000000",
        "key_4242424242424242", "a4242424242424242", "pi_3NxYzK2eZvKYlo2C0abcdEFG", "4242 4242 4242",
        "00000000-0000-0000-0000-000000000000",
    ],
)  # fmt: skip
def test_what_is_no_card_number_stays(text: str) -> None:
    assert hidden(text.encode()) == text.encode()


@pytest.mark.parametrize(
    "text", ["cvc 737", '"cvv": "123"', "CVC2: 1234", "security_code=999", "my Security Code 123!"]
)
def test_a_check_code_is_hidden_where_it_is_called_one(text: str) -> None:
    assert found_in(text.encode()) == "a card's check code"
    assert found_in(hidden(text.encode())) is None


@pytest.mark.parametrize("key", ["sk_live_", "rk_test_", "whsec_", "pk_live_"])
def test_a_key_is_hidden(key: str) -> None:
    raw = f"see {key}51HCabcDEF012345 please".encode()
    assert found_in(raw) == "a secret key"
    assert hidden(raw) == f"see {key}{'0' * 16} please".encode()
    assert found_in(hidden(raw)) is None


@given(st.text())
def test_hidden_is_as_long_as_before_and_hides_all(text: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    assert len(hidden(raw)) == len(raw)
    assert found_in(hidden(raw)) is None


@given(st.lists(st.sampled_from([*NUMBERS, "1", " ", "-", "a", "42"]), max_size=12).map("".join))
def test_nothing_is_left_of_numbers_that_touch(text: str) -> None:
    assert found_in(hidden(text.encode())) is None


KEYS = (
    "sk_live_", "sk_test_", "rk_live_", "rk_test_", "pk_live_", "pk_test_", "whsec_", '"rk_', " rk_", "=rk_",
)  # fmt: skip
PIECES = (
    *KEYS, "rk_", "bank_", "live_", "(rk_", "network_", "x" * 40, "cvc", "CvV", "csc", "cvn2", "Security",
    "_code", "4242424242424242", "4242 4242 4242 42", "\\u00a042", "\N{NO-BREAK SPACE}", " ", ":", '"', "1", "987",
    "c", "v", "n", "s",
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_a_first_look_misses_nothing_that_the_second_would_hide(text: str) -> None:
    raw = text.encode()
    assert _may_hold_number(raw) or not _RUN.search(raw)
    assert _may_hold_code(raw) or not _CODE.search(raw)
    assert _may_hold_key(raw) == any(key in text for key in KEYS)
