"""A setting out of bounds is refused with its field and the bound."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from recoup_events.settings import ClockSetting, MailSetting, MerchantSetting, RecoverySetting, setting_type


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"schedule_days": [3, 1]}, "later than the one before it; the nearest is 1, 3"),
        (
            {"schedule_days": [1, 20], "window_days": 14},
            "beyond window_days, 14; the nearest is day 14, or a window of 20",
        ),
        ({"max_tries": 16}, "networks allow 15 tries of a card in 30 days; the nearest is 15"),
        ({"max_tries": -1}, "greater than or equal to 0"),
        ({"mode": "smart", "min_gap_hours": 400}, "longer than window_days, 14.*the nearest is 336"),
        (
            {"mode": "smart", "max_tries": 15, "min_gap_hours": 48},
            "15 tries, each 48 hours .* window_days, 14; the nearest is 7",
        ),
        ({"mode": "clever"}, "one of custom, smart"),
        ({"applies_to": "some"}, "one of new, open"),
        ({"schedule_days": [0]}, "greater than 0"),
        ({"window_days": 61}, "less than or equal to 60"),
        ({"final_action": "explode"}, "cancel, mark_unpaid, nothing"),
        ({"precedence": "mine"}, "platform_management, gateway_default"),
        ({"windw_days": 3}, "not permitted"),
    ],
)
def test_a_bad_recovery_setting_is_refused_with_its_reason(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        RecoverySetting.model_validate(given)


def test_the_default_schedule_is_1_3_7_days_within_14() -> None:
    assert RecoverySetting() == RecoverySetting(schedule_days=(1, 3, 7), window_days=14)


@pytest.mark.parametrize(
    "given",
    [
        {"mode": "smart", "window_days": 5, "schedule_days": [1, 3, 7]},
        {"mode": "custom", "window_days": 7, "min_gap_hours": 200, "max_tries": 15},
        {"mode": "smart", "max_tries": 7, "min_gap_hours": 48},
        {"mode": "smart", "max_tries": 0, "min_gap_hours": 0},
    ],
)
def test_only_what_the_mode_uses_can_contradict_itself(given: dict[str, object]) -> None:
    assert RecoverySetting.model_validate(given).model_dump(mode="json").items() >= given.items()


def test_whoever_chooses_nothing_keeps_steps_of_their_own_for_cases_to_come() -> None:
    assert (RecoverySetting().mode, RecoverySetting().applies_to) == ("custom", "new")


def test_a_clock_shows_its_origin_and_then_runs_at_its_rate() -> None:
    real, merchant = datetime(2026, 1, 1, tzinfo=UTC), datetime(2030, 6, 1, tzinfo=UTC)
    clock = ClockSetting(origin_real=real, origin_merchant=merchant, rate=3600)
    assert clock.at(real) == merchant
    assert clock.at(real + timedelta(seconds=2)) == merchant + timedelta(hours=2)


def test_a_clock_runs_at_most_a_day_a_second() -> None:
    with pytest.raises(ValidationError, match="86400"):
        ClockSetting(rate=86_401)


def test_a_zone_is_an_iana_zone() -> None:
    with pytest.raises(ValidationError, match="IANA"):
        MerchantSetting(name="A", timezone="Mars/Olympus")


@pytest.mark.parametrize(
    "address", ["a@b", "a b@example.org", "a@example.org\nBcc: x@example.org", "<a@example.org>"]
)
def test_an_address_that_could_break_a_header_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="sender_address"):
        MailSetting(sender_address=address)


def test_a_setting_of_a_later_release_is_known_to_be_unknown() -> None:
    assert setting_type("telepathy") is None
    assert setting_type("account/acct_1") is not None
