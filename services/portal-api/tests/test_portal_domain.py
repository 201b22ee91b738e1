"""What is decided without a database: standing, verdicts, languages, limits, marks, clocks, environment."""

import base64
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic import ValidationError

from recoup_chassis.config import read
from recoup_events.values import AttemptState
from recoup_portal_api.access.domain import Buckets, Marks, api_key, bearer, hash_of
from recoup_portal_api.config import Config, keys_from
from recoup_portal_api.customer import domain
from recoup_portal_api.customer.domain import Bill, Outcome
from recoup_portal_api.customer.routes.render import WORDS
from recoup_portal_api.policy.domain import Clock, longest_step
from recoup_portal_api.read_models.domain import amount

CASE = UUID(int=1)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def bill(case: int = 1, minor: int = 100, status: str | None = "open") -> Bill:
    return Bill(UUID(int=case), f"in_{case}", None, None, minor, "EUR", status)


OWES = domain.Owes((bill(),))


def test_this_cases_bill_comes_first_and_what_cannot_be_paid_is_left_out() -> None:
    found = domain.standing(CASE, "waiting", [bill(2), bill(3, status="void"), bill(1), bill(4, minor=0)])
    assert isinstance(found, domain.Owes)
    assert [b.invoice_id for b in found.bills] == ["in_1", "in_2"]
    assert found.totals == ((200, "EUR"),)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["succeeded"], domain.Passed()),
        (["succeeded", "succeeded"], domain.Passed()),
        (["succeeded", "pending"], domain.Submitted()),
        (["succeeded", "sending"], domain.Working()),
        (["succeeded", "declined"], domain.Declined("declined")),
        (["declined", "unknown"], domain.Working()),
        (["not_sent"], domain.NotCharged()),
        (["succeeded", "not_sent"], domain.Partly()),
        (["requires_action"], domain.Working()),
        ([], domain.Working()),
        (["a state of a later release"], domain.Working()),
    ],
)
def test_a_page_says_paid_only_of_what_succeeded(states: list[str], expected: domain.Verdict) -> None:
    assert domain.verdict([Outcome("in_1", AttemptState(state)) for state in states], OWES) == expected


def test_what_a_retry_has_paid_in_the_same_moment_is_settled() -> None:
    assert domain.verdict([Outcome("in_1", AttemptState.NOT_SENT)], domain.Settled()) == domain.Settled()


def test_what_the_bank_asks_of_the_customer_comes_before_all_else() -> None:
    asked = Outcome("in_2", AttemptState.REQUIRES_ACTION, authentication_url="https://bank.example")
    declined = Outcome("in_1", AttemptState.DECLINED)
    assert domain.verdict([declined, asked], OWES) == domain.Authenticate("https://bank.example")


@pytest.mark.parametrize(
    "reason", ["fraud_suspected", "card_lost_or_stolen", "revoked_authorization", "x", None]
)
def test_a_masked_reason_reads_as_the_banks_no(reason: str | None) -> None:
    declined = Outcome("in_1", AttemptState.DECLINED, reason)
    assert domain.verdict([declined], OWES) == domain.Declined("declined")


def test_every_reason_that_may_be_told_has_its_sentence_and_both_languages_say_the_same_things() -> None:
    assert {f"reason.{reason}" for reason in (*domain.REASONS, "declined")} <= WORDS["en"].keys()
    assert domain.placeholders(WORDS["en"]) == domain.placeholders(WORDS["it"])


@pytest.mark.parametrize(
    ("locale", "accepted", "expected"),
    [
        (None, None, "en"),
        (None, "de", "en"),
        (None, "de, it;q=0.5, en;q=0.7", "en"),
        (None, "it-CH,en", "it-CH"),
        ("it_IT", "en", "it-IT"),
        ("fr_FR", "it", "it"),
        (None, "it;q=0, en;q=0.1", "en"),
        (None, "it;q=x, ;;;, *", "en"),
        (None, "\udcff", "en"),
    ],
)
def test_the_language_is_the_customers_then_the_browsers(
    locale: str | None, accepted: str | None, expected: str
) -> None:
    assert domain.tag(locale, accepted) == expected


@pytest.mark.parametrize(
    ("minor", "currency", "expected"),
    [
        (1999, "EUR", "19.99"),
        (500, "JPY", "500"),
        (12345, "KWD", "12.345"),
        (0, "USD", "0.00"),
        (7, "CLF", "0.0007"),
    ],
)
def test_an_amount_has_the_digits_of_its_currency(minor: int, currency: str, expected: str) -> None:
    assert str(amount(minor, currency)) == expected
    assert amount(minor, currency) == Decimal(expected)


def test_a_bucket_empties_and_fills_again() -> None:
    now = [0.0]
    bucket = Buckets(capacity=2, per_second=0.5, clock=lambda: now[0], names=2)
    assert [bucket.take("a") for _ in range(3)] == [0.0, 0.0, 2.0]
    now[0] = 2.0
    assert (bucket.wait("a"), bucket.take("a"), bucket.take("a")) == (0.0, 0.0, 2.0)
    for name in ("b", "c"):
        bucket.take(name)
    assert bucket.wait("a") == 0.0, "the least recent name is forgotten first"


def test_an_address_is_known_by_a_keyed_hash_of_its_own_merchant() -> None:
    marks = Marks(b"\x01" * 32)
    assert marks.contact("m_1", " Ada@Example.org ") == marks.contact("m_1", "ada@example.org")
    assert marks.contact("m_1", "ada@example.org") != marks.contact("m_2", "ada@example.org")
    assert marks.contact("m_1", "ada@example.org") != Marks(b"\x02" * 32).contact("m_1", "ada@example.org")


def test_a_forms_mark_is_good_on_its_own_page_for_its_own_reader() -> None:
    marks = Marks(b"\x01" * 32)
    mark = marks.form("/pay/a", "reader")
    assert marks.is_form("/pay/a", "reader", mark)
    for page, reader, given in (
        ("/pay/b", "reader", mark),
        ("/pay/a", "other", mark),
        ("/pay/a", "reader", "é"),
    ):
        assert not marks.is_form(page, reader, given)


def test_a_key_is_256_random_bits_and_only_its_hash_is_kept() -> None:
    key = api_key(bytes(range(32)))
    assert key.startswith("rk_")
    assert base64.urlsafe_b64decode(key[3:] + "=") == bytes(range(32))
    assert (len(hash_of(key)), bearer(f"bearer {key}"), bearer(key)) == (32, key, None)


def test_a_clock_goes_on_from_where_it_is_and_its_steps_make_a_day_a_second_with_its_rate() -> None:
    clock = Clock(NOON, NOON, 10.0)
    later = NOON + timedelta(minutes=1)
    assert clock.running(2.0, later).at(later) == clock.at(later) == NOON + timedelta(minutes=10)
    assert clock.moved(timedelta(hours=1), later).at(later) == NOON + timedelta(minutes=70)
    assert longest_step(clock) == timedelta(seconds=86_390)
    assert longest_step(Clock(NOON, NOON, 86_400.0)) == timedelta()


@pytest.mark.parametrize("text", ["", "k1", "k1=AA==", "=" + base64.b64encode(bytes(32)).decode(), "k1=%%%"])
def test_a_public_key_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        keys_from(text)


def test_a_missing_variable_is_named_and_its_value_never_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read(Config, {"PORTAL_SECRET": "c2hvcnQ=", "PORTAL_BASE_URL": "nowhere"})
    told = capsys.readouterr().err
    assert "PAY_LINK_PUBLIC_KEYS is missing" in told
    assert "PORTAL_SECRET is not valid" in told
    assert "c2hvcnQ" not in told
    with pytest.raises(ValidationError):
        Config.model_validate({})
