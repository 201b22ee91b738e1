"""A pay link survives its way through a mail and refuses every other form."""

from uuid import UUID

import pytest
from hypothesis import given, strategies as st

from recoup_events import links

CASE = UUID("bb04e48a-24ac-4f82-b2ea-09aca62749a9")


def test_a_link_reads_back_as_written() -> None:
    token = links.token("m_1", CASE, "k1", b"s" * 64)
    assert links.parse(token) == links.PayLink("m_1", CASE, "k1", b"s" * 64)
    assert all(character.isalnum() or character in "-_." for character in token)


def test_what_is_signed_names_key_merchant_and_case() -> None:
    base = links.to_sign("m_1", CASE, "k1")
    assert len({base, links.to_sign("m_2", CASE, "k1"), links.to_sign("m_1", CASE, "k2")}) == 3
    assert links.to_sign("m_1", UUID(int=1), "k1") != base


@given(st.text(max_size=700))
def test_any_other_text_is_refused_with_a_value_error(text: str) -> None:
    try:
        link = links.parse(text)
    except ValueError:
        return
    assert links.token(link.merchant_id, link.case_id, link.key_id, link.signature)


def test_a_link_of_another_version_is_refused() -> None:
    token = links.token("m_1", CASE, "k1", b"s" * 64)
    with pytest.raises(ValueError, match="another form"):
        links.parse("2" + token[1:])
