import email
import email.policy
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr

import pytest
from hypothesis import given, strategies as st

from recoup_notifier.channels.mail import Letter, address_of, as_bytes
from recoup_notifier.channels.smtp import Server

LETTER = Letter(
    message_id="<1@recoup.example>",
    sender_name="Acme",
    sender_address="billing@acme.example",
    recipient="anna@example.com",
    subject="Über €29",
    text="Grüße\n",
    html="<p>Grüße</p>\n",
    language="en",
    written_at=datetime(2026, 10, 1, tzinfo=UTC),
    reply_to="help@acme.example",
)


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_is_seven_bits_with_lines_ended_by_cr_lf() -> None:
    raw = as_bytes(LETTER)
    assert raw.isascii()
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_a_mail_has_its_two_parts_and_says_that_no_person_wrote_it() -> None:
    message = read(as_bytes(LETTER))
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert message["Subject"] == "Über €29"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"] is None


@given(st.text(max_size=200), st.text(max_size=100))
def test_no_name_or_text_adds_a_header_or_a_recipient(name: str, text: str) -> None:
    letter = replace(
        LETTER, sender_name=f"{name}\r\nBcc: x@y.example", text=f"{text}\r\n.\r\nRCPT TO:<x@y.example>"
    )
    message = read(as_bytes(letter))
    assert message["Bcc"] is None
    assert [address.addr_spec for address in message["To"].addresses] == ["anna@example.com"]
    assert [address.addr_spec for address in message["From"].addresses] == ["billing@acme.example"]


@pytest.mark.parametrize("subject", ["a\nBcc: x@y.example", "a\r\n\r\nbody"])
def test_a_subject_with_a_line_break_is_refused_not_sent(subject: str) -> None:
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        as_bytes(replace(LETTER, subject=subject))


BROKEN = "en\r\nBcc: x@y.example"


@pytest.mark.parametrize(
    "letter",
    [
        replace(LETTER, language=BROKEN),
        replace(LETTER, recipient=BROKEN),
        replace(LETTER, sender_address=BROKEN),
        replace(LETTER, reply_to=BROKEN),
        replace(LETTER, message_id=BROKEN),
    ],
    ids=["language", "recipient", "sender", "reply_to", "message_id"],
)
def test_no_other_header_takes_a_line_break_either(letter: Letter) -> None:
    with pytest.raises(ValueError, match="linefeed or carriage return"):
        as_bytes(letter)


@given(st.text(max_size=300), st.text(alphabet='ab=_\u00e9\n.-"', max_size=300))
def test_both_parts_are_read_as_they_were_written(text: str, html: str) -> None:
    plain, other = read(as_bytes(replace(LETTER, text=text, html=html))).iter_parts()
    assert isinstance(plain, EmailMessage)
    assert isinstance(other, EmailMessage)
    assert [part.get_content().replace("\r\n", "\n").rstrip("\n") for part in (plain, other)] == [
        "\n".join(re.split("\r\n|\r|\n", written)).rstrip("\n") for written in (text, html)
    ]


@given(st.text(alphabet=st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=120))
def test_a_subject_and_a_sender_are_read_as_they_were_written(words: str) -> None:
    message = email.message_from_bytes(as_bytes(replace(LETTER, subject=words, sender_name=words)))
    name, address = parseaddr(message["From"])
    assert [str(make_header(decode_header(told))) for told in (message["Subject"], name)] == [words, words]
    assert address == LETTER.sender_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("anna@example.com", "anna@example.com"),
        ("  a.b+c@example.com ", "a.b+c@example.com"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
        ("anna", None),
        ("a@b@c.example", None),
        ("Anna <anna@example.com>", None),
        ("a@x.example,b@y.example", None),
        ("a@x.example\r\nRCPT TO:<b@y.example>", None),
        ("änna@example.com", None),
        ("a b@example.com", None),
        ("a@" + "x" * 300 + ".example", None),
        ("a@-.example..", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_is_one_plain_address(text: str | None, address: str | None) -> None:
    assert address_of(text) == address


@given(st.text(max_size=300))
def test_no_text_breaks_the_reading_of_addresses(text: str) -> None:
    address = address_of(text)
    assert address is None or (address.isascii() and "\n" not in address)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://127.0.0.1:2525", Server("127.0.0.1", 2525, tls=False, username=None, password=None)),
        (
            "smtps://u%40x:p%2F@mail.example",
            Server("mail.example", 465, tls=True, username="u@x", password="p/"),
        ),
        ("smtp://u:p@mail.example", Server("mail.example", 587, tls=False, username="u", password="p")),
    ],
)
def test_a_mail_servers_address_is_read(url: str, server: Server) -> None:
    assert Server.read(url) == server


@pytest.mark.parametrize(
    "url", ["http://x", "smtp://", "mail.example:25", "smtp://u@x", "smtp://x/path", "smtp://x:y"]
)
def test_anything_else_is_no_mail_servers_address(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Server.read(url)
