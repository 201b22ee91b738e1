import html
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from recoup_declines import DeclineClass
from recoup_events.settings import MailSetting, MessageSetting
from recoup_events.values import CaseState, FinalAction, MessageKind
from recoup_notifier.compose.domain import Facts, Sender, formats_of, greetable, language_of
from recoup_notifier.compose.formats import instant, locale_named, money
from recoup_notifier.compose.liquid import BadTemplate, render
from recoup_notifier.compose.mail import Mail, Origin, SwitchedOff, compose, theirs
from recoup_notifier.compose.twins import html_of, text_of
from recoup_notifier.compose.variables import NAMES, variables
from recoup_notifier.compose.words import languages, words
from recoup_notifier.sequences.domain import Ask, Case

PAY, PORTAL, SIGN_IN = (
    "https://pay.example/pay/1.a.b.c",
    "https://pay.example/m/m_1",
    "https://pay.example/in/xyz",
)
ROME = ZoneInfo("Europe/Rome")
SENDER = Sender("m_1", "Acme & Söhne", ROME, "help@acme.example", "https://acme.example/privacy")
START = datetime(2026, 10, 1, 9, tzinfo=UTC)
CASE = Case(
    merchant_id="m_1",
    case_id=UUID(int=1),
    account_id="acct_1",
    customer_id="cus_1",
    revision=1,
    state=CaseState.SCHEDULED,
    failed_at=START,
    resolve_by=START + timedelta(days=14),
    final_action=FinalAction.CANCEL,
    invoice_id="in_1",
    invoice_number="ACME-0042",
    subscription_id="sub_1",
    owed_minor=123456,
    currency="EUR",
    next_try_at=START + timedelta(days=3),
    brand="visa",
    decline_class="insufficient_funds",
)
FACTS = Facts(
    kind=MessageKind.PAYMENT_FAILED,
    sender=SENDER,
    portal_link=PORTAL,
    customer_name="Anna Rossi",
    locale="en",
    case=CASE,
    pay_link=PAY,
)
SIGNING_IN = replace(
    FACTS, kind=MessageKind.SIGN_IN, case=None, pay_link=None, sign_in_link=SIGN_IN, expires_in_minutes=10
)


def written(facts: Facts, setting: MailSetting | None = None) -> Mail:
    mail = compose(facts, setting or MailSetting())
    assert isinstance(mail, Mail)
    return mail


def edited(
    kind: MessageKind = MessageKind.PAYMENT_FAILED, language: str = "en", **parts: object
) -> MailSetting:
    return MailSetting(messages={kind.value: {language: MessageSetting.model_validate(parts)}})


def seen(mail: Mail) -> str:
    """What a reader of the HTML part sees, and where its links lead."""
    return text_of(mail.html)


EVERY_PAYMENT_MAIL = list(product(sorted(languages()), Ask, FinalAction))


@pytest.mark.parametrize(("language", "ask", "action"), EVERY_PAYMENT_MAIL)
def test_both_parts_of_a_payment_mail_state_every_fact(language: str, ask: Ask, action: FinalAction) -> None:
    case = replace(CASE, final_action=action, next_try_at=CASE.next_try_at if ask is Ask.NOTHING else None)
    facts = replace(FACTS, locale=language, ask=ask, case=case)
    mail, given = written(facts), variables(facts, language)
    for part in (mail.text, seen(mail)):
        plain = " ".join(part.split())
        for name in (
            "amount",
            "deadline",
            "reason",
            "next_step",
            "consequence",
            "invoice_number",
            "failed_on",
        ):
            assert " ".join(given[name].split()) in plain, f"{name} is missing"
        for fact in (
            "Anna Rossi",
            "Acme & Söhne",
            "help@acme.example",
            "https://acme.example/privacy",
            PAY,
            PORTAL,
        ):
            assert fact in plain, f"{fact} is missing"
        assert (given["next_try"] in plain) if ask is Ask.NOTHING else given["next_try"] is None
    assert given["amount"] in mail.subject
    assert "Acme & Söhne" in mail.subject
    assert mail.language == language


@pytest.mark.parametrize("language", sorted(languages()))
def test_all_set_names_what_was_paid_and_asks_for_nothing(language: str) -> None:
    recovered = replace(CASE, state=CaseState.RECOVERED, recovered_minor=99900)
    mail = written(replace(FACTS, kind=MessageKind.ALL_SET, locale=language, case=recovered))
    paid = money(99900, "EUR", locale_named(language))
    for part in (mail.subject, mail.text, seen(mail)):
        assert " ".join(paid.split()) in " ".join(part.split())
    for part in (mail.text, seen(mail)):
        assert "ACME-0042" in part
        assert PAY not in part


@pytest.mark.parametrize("language", sorted(languages()))
def test_a_sign_in_mail_says_how_long_its_link_works(language: str) -> None:
    mail = written(replace(SIGNING_IN, locale=language))
    for part in (mail.text, seen(mail)):
        assert SIGN_IN in part
        assert "10" in part


@pytest.mark.parametrize("language", sorted(languages()))
def test_every_reason_next_step_consequence_and_button_has_its_sentence(language: str) -> None:
    ours = words(language)
    assert set(ours.reasons) == {*DeclineClass, "masked", "masked_debit"}
    assert set(ours.next_steps) == set(Ask)
    assert set(ours.consequences) == set(FinalAction)
    assert set(ours.buttons) == {*Ask, "sign_in"}
    assert set(ours.labels) == set(words("en").labels)


@pytest.mark.parametrize("language", sorted(languages()))
@pytest.mark.parametrize(
    "case",
    [
        replace(CASE, masked=True, decline_class="do_not_honor"),
        replace(CASE, decline_class="card_lost_or_stolen"),
        replace(CASE, decline_class="fraud_suspected"),
    ],
)
def test_a_masked_decline_reads_your_bank_declined_this_card(language: str, case: Case) -> None:
    sentence = {"en": "Your bank declined this card.", "it": "La sua banca ha rifiutato questa carta."}[
        language
    ]
    mail = written(replace(FACTS, locale=language, case=case))
    assert sentence in mail.text
    assert sentence in seen(mail)
    for word in ("stolen", "lost", "fraud", "rubat", "smarrit", "frod"):
        assert not re.search(rf"\b{word}", (mail.text + seen(mail)).lower())


def test_without_a_subscription_no_cancellation_is_threatened() -> None:
    assert "cancel" not in written(replace(FACTS, case=replace(CASE, subscription_id=None))).text.lower()


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("it", "it"), ("it-IT", "it"), ("it_CH", "it"), ("IT", "it"), ("en-GB", "en"), ("de", "en"), (None, "en"),
        ("", "en"), ("auto", "en"), ("pt-BR", "pt-br"), ("pt-PT", "en"), ("zh-Hant-TW", "en"), ("\u0130t", "en"),
    ],
)  # fmt: skip
def test_the_language_follows_the_customers_locale(locale: str | None, language: str) -> None:
    assert language_of(locale, {"en", "it", "pt-br"}) == language


@pytest.mark.parametrize(
    ("locale", "language", "formats"),
    [
        ("en-GB", "en", "en_GB"),
        ("it", "it", "it"),
        ("de-CH", "en", "en"),
        (None, "it", "it"),
        ("pt-BR", "pt-br", "pt_BR"),
    ],
)
def test_amounts_and_dates_follow_the_territory_where_the_language_is_the_customers(
    locale: str | None, language: str, formats: str
) -> None:
    assert formats_of(locale, language) == formats


@pytest.mark.parametrize(
    ("minor", "currency", "locale", "text"),
    [
        (2900, "EUR", "en", "€29.00"), (123456, "EUR", "it", "1.234,56 €"), (500, "JPY", "en", "¥500"),
        (1234, "KWD", "en", "KWD 1.234"), (199900, "IDR", "en", "IDR 1,999.00"), (199901, "HUF", "en", "HUF 1,999.01"),
        (1, "USD", "en", "$0.01"), (2900, "GBP", "xx", "£29.00"), (10**15, "EUR", "en", "€10,000,000,000,000.00"),
    ],
)  # fmt: skip
def test_money_keeps_every_digit_of_its_currency(minor: int, currency: str, locale: str, text: str) -> None:
    assert " ".join(money(minor, currency, locale_named(locale)).split()) == text


def test_instants_name_their_zone() -> None:
    rome = datetime(2026, 10, 15, 9, tzinfo=UTC).astimezone(ROME)
    assert instant(rome, locale_named("it")) == "15 ottobre 2026, 11:00 CEST"
    sao_paulo = rome.astimezone(ZoneInfo("America/Sao_Paulo"))
    assert instant(sao_paulo, locale_named("en_GB")) == "15 October 2026, 06:00 UTC-03"


@pytest.mark.parametrize(
    "name",
    [
        "Win now http://evil.example",
        "a" * 61,
        "www.evil.example",
        "",
        None,
        "  ",
        "evil.example",
        "x@evil",
        "a\x07b",
    ],
)
def test_a_name_that_carries_a_message_is_not_greeted(name: str | None) -> None:
    assert greetable(name) is None


def test_an_ordinary_name_is_greeted() -> None:
    assert greetable(" Anna   Maria\nD'Àngelo-Smith ") == "Anna Maria D'Àngelo-Smith"
    assert greetable("Dr. Wu") == "Dr. Wu"


def test_a_customers_name_can_add_no_markup() -> None:
    mail = written(replace(FACTS, customer_name="<b onclick=x>Bob"))
    assert "<b onclick" not in mail.html
    assert html.escape("<b onclick=x>Bob") in mail.html
    assert "<b onclick=x>Bob" in mail.text


def test_a_merchant_may_rewrite_a_message() -> None:
    setting = edited(
        subject="About {{ invoice_number }}",
        text="Pay {{ amount }}: {{update_payment_method}}",
        html="<p>Pay {{ amount }}</p>",
    )
    mail = written(FACTS, setting)
    assert (mail.subject, mail.origin) == ("About ACME-0042", Origin.MERCHANT)
    assert mail.text == f"Pay €1,234.56: {PAY}\n"
    assert ">Pay €1,234.56</p>" in mail.html


def test_what_a_merchant_writes_only_as_text_is_sent_as_html_too_and_the_other_way_round() -> None:
    mail = written(FACTS, edited(text="Dear <you>,\n\npay {{ amount }} at\n{{ update_payment_method }}."))
    assert f'<a href="{PAY}">{PAY}</a>.' in mail.html
    assert "Dear &lt;you&gt;," in mail.html
    mail = written(FACTS, edited(html='<h1>Hi</h1><p>Pay <a href="{{ update_payment_method }}">here</a></p>'))
    assert mail.text == f"Hi\n\nPay here {PAY}\n"
    assert '<h1 style="' in mail.html


def test_a_merchant_may_write_in_a_language_of_their_own() -> None:
    setting = edited(language="de", subject="Zahlung {{ amount }}", text="Bitte zahlen.")
    mail = written(replace(FACTS, locale="de-AT"), setting)
    assert (mail.language, mail.subject.replace("\xa0", " ")) == ("de", "Zahlung € 1.234,56")
    assert written(replace(FACTS, locale="fr"), setting).language == "en"


def test_a_merchant_may_switch_a_message_off_in_one_language() -> None:
    setting = edited(enabled=False)
    assert compose(FACTS, setting) == SwitchedOff("en")
    assert written(replace(FACTS, locale="it"), setting).language == "it"


@pytest.mark.parametrize(
    "bad",
    [
        "{{ nothing_of_that_name }}", "{% if %}", "{{ amount | nofilter }}", "{{ amount | replace: 'a', 'b' }}",
        "{% include 'facts' %}", "{% for a in (1..1000000000) %}x{% endfor %}", "{{ 1 | divided_by: 0 }}",
        "{% for a in (1..9000) %}{{ amount }} is a lot, is it not? A lot, a lot, a lot, a lot{% endfor %}",
        "{% assign a = 'aaaaaaaa' %}{% for i in (1..30) %}{% assign a = a | append: a %}{% endfor %}", "{{ amount",
    ],
)  # fmt: skip
def test_a_merchants_template_that_fails_gives_way_to_ours_and_says_why(bad: str) -> None:
    mail = written(FACTS, edited(text=bad))
    assert mail.origin is Origin.OURS_INSTEAD
    assert mail.problem
    assert mail.text == written(FACTS).text


def test_a_preview_refuses_what_sending_survives() -> None:
    with pytest.raises(BadTemplate, match="text: 'oops' is undefined"):
        theirs(FACTS, MessageSetting(text="{{ oops }}"), "en")
    with pytest.raises(BadTemplate, match="subject: it comes out empty"):
        theirs(FACTS, MessageSetting(subject="{{ next_try | truncate: 0, '' }}"), "en")


def test_a_subject_is_one_line() -> None:
    mail = written(FACTS, edited(subject="a{{ amount }}\r\nBcc: x@y.example\u2028 {{ invoice_number }}"))
    assert mail.subject == "a€1,234.56 Bcc: x@y.example ACME-0042"


def test_every_documented_variable_can_be_used_in_every_message() -> None:
    everything = " ".join("{{ %s }}" % name for name in NAMES)  # noqa: UP031  # braces are Liquid's
    for facts in (FACTS, replace(FACTS, kind=MessageKind.ALL_SET), SIGNING_IN):
        assert render(everything, "text", variables(facts, "en")).split()


def test_every_variable_is_documented() -> None:
    page = Path(__file__).parents[3].joinpath("docs", "mail.md").read_text().partition("| variable |")[2]
    documented = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert documented == set(NAMES)


def test_text_and_html_turn_into_each_other_without_loss() -> None:
    text = "One & two,\nthree.\n\nFour https://x.example/a?b=1&c=2.\n"
    assert text_of(html_of(text)) == text
