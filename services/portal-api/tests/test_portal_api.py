"""The merchant's API over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Literal

import pytest
from tests.worlds.portal_house import PRACTICE_GATEWAY, House, Merchant, somewhere

from recoup_events.envelope import read
from recoup_events.models import SettingsChanged
from recoup_local.eventually import eventually
from recoup_portal_api import cli
from recoup_portal_api.policy import handlers as policy, loop as policy_loop

pytestmark = pytest.mark.postgres

ACCOUNT = {
    "gateway": "stripe",
    "name": "Main",
    "livemode": False,
    "base_url": PRACTICE_GATEWAY,
    "api_key": "sk_test_very_secret",
    "webhook_secret": "whsec_very_secret",
}


async def announced(house: House, merchant_id: str) -> list[SettingsChanged]:
    """What the outbox holds of a merchant's settings, in order."""
    rows = await house.as_owner(
        "SELECT topic, key, headers, value FROM outbox WHERE $1 = ANY (headers) ORDER BY outbox_id",
        merchant_id,
    )
    found = [
        read(
            row["topic"],
            row["key"],
            [(n, t.encode()) for n, t in zip(row["headers"][::2], row["headers"][1::2], strict=True)],
            row["value"],
        )
        for row in rows
    ]
    return [event for event in found if isinstance(event, SettingsChanged)]


async def test_a_new_sandbox_merchant_is_announced_with_its_clock(house: House) -> None:
    merchant = await house.merchant(sandbox=True, name="Pane")
    told = await announced(house, merchant.merchant_id)
    assert [(event.setting, event.version) for event in told] == [("merchant", 1), ("clock", 1)]
    assert told[0].value == {"name": "Pane", "sandbox": True, "timezone": "UTC"}


async def test_a_new_live_merchant_has_no_clock_of_its_own(house: House) -> None:
    merchant = await house.merchant()
    assert [event.setting for event in await announced(house, merchant.merchant_id)] == ["merchant"]
    status, answer = await house.ask("PUT", "/v1/sandbox/clock", merchant, json={"rate": 2})
    assert (status, answer["error"]["code"]) == (409, "live")


@pytest.mark.parametrize(
    "authorization", [None, "Bearer rk_wrong", "Basic cms6", "Bearer ", "Bearer rk_" + "x" * 500, "rk_x"]
)
async def test_without_a_good_key_nothing_is_told(house: House, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    status, answer = await house.ask("GET", "/v1/settings/recovery", headers=headers)
    assert (status, answer["error"]["code"]) == (401, "unauthorized")


async def test_whoever_keeps_showing_bad_keys_is_slowed_down_and_nobody_else(house: House) -> None:
    merchant = await house.merchant()
    where = {"X-Forwarded-For": somewhere()}
    bad = [where | {"Authorization": f"Bearer rk_{n}"} for n in range(25)]
    statuses = [(await house.ask("GET", "/v1/keys", headers=headers))[0] for headers in bad]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert (await house.ask("GET", "/v1/keys", merchant, headers=where))[0] == 429
    assert (await house.ask("GET", "/v1/keys", merchant))[0] == 200


async def test_a_default_reads_as_version_0_and_a_change_counts_up_and_is_announced_once(
    house: House,
) -> None:
    merchant = await house.merchant()
    status, answer = await house.ask("GET", "/v1/settings/recovery", merchant)
    assert (status, answer["version"], answer["value"]["schedule_days"]) == (200, 0, [1.0, 3.0, 7.0])
    body = {"schedule_days": [1, 2], "window_days": 10, "final_action": "mark_unpaid"}
    for version in (1, 1):
        status, answer = await house.ask("PUT", "/v1/settings/recovery", merchant, json=body)
        assert (status, answer["version"]) == (200, version)
    told = [event for event in await announced(house, merchant.merchant_id) if event.setting == "recovery"]
    assert [event.version for event in told] == [1]
    assert told[0].value["final_action"] == "mark_unpaid"
    _, log = await house.ask("GET", "/v1/audit", merchant)
    newest = log["entries"][0]
    assert (newest["action"], newest["subject"]) == ("setting.changed", "recovery")


@pytest.mark.parametrize(
    ("setting", "body", "field", "bounds"),
    [
        ("recovery", {"window_days": 61}, "window_days", {"le": 60}),
        ("recovery", {"window_days": 0}, "window_days", {"ge": 1}),
        ("recovery", {"schedule_days": [90]}, "schedule_days.0", {"le": 60}),
        ("recovery", {"schedule_days": [3, 1]}, "schedule_days", {}),
        ("recovery", {"schedule_days": [20]}, "schedule_days", {}),
        ("recovery", {"window": 3}, "window", {}),
        ("recovery", {"max_tries": 16}, "max_tries", {}),
        ("recovery", {"mode": "smart", "max_tries": 15, "min_gap_hours": 48}, "max_tries", {}),
        ("recovery", {"mode": "smart", "min_gap_hours": 337}, "min_gap_hours", {}),
        ("merchant", {"name": "x", "timezone": "Mars/Olympus"}, "timezone", {}),
        ("mail", {"sender_address": "nobody"}, "sender_address", None),
        ("stop", {"everything": "perhaps"}, "everything", {}),
        ("portal", [], "body", {}),
    ],
)
async def test_a_setting_out_of_bounds_is_refused_with_its_field_and_bounds(
    house: House, setting: str, body: Any, field: str, bounds: dict[str, Any] | None
) -> None:
    merchant = await house.merchant()
    status, answer = await house.ask("PUT", f"/v1/settings/{setting}", merchant, json=body)
    assert status == 422
    problem = answer["error"]["fields"][0]
    assert problem["field"] == field
    assert bounds is None or problem["bounds"] == bounds
    assert [e.setting for e in await announced(house, merchant.merchant_id)] == ["merchant"]


async def test_a_policy_that_contradicts_itself_is_refused_with_the_nearest_that_does_not(
    house: House,
) -> None:
    merchant = await house.merchant()
    body = {"mode": "smart", "max_tries": 15, "min_gap_hours": 48}
    _, answer = await house.ask("PUT", "/v1/settings/recovery", merchant, json=body)
    assert answer["error"]["message"] == (
        "max_tries: 15 tries, each 48 hours after the one before, do not fit into window_days, 14; the nearest is 7"
    )
    status, _ = await house.ask("PUT", "/v1/settings/recovery", merchant, json={**body, "max_tries": 7})
    assert status == 200


async def test_a_merchant_an_account_and_a_key_are_called_by_one_line(house: House) -> None:
    merchant = await house.merchant()
    for name in ("Pane\nBcc: all@example.org", "Pane\x9f", ""):
        account = {**ACCOUNT, "name": name}
        for method, path, body in (
            ("PUT", "/v1/settings/merchant", {"name": name}),
            ("PUT", "/v1/accounts/acct_1", account),
            ("POST", "/v1/keys", {"name": name}),
        ):
            status, answer = await house.ask(method, path, merchant, json=body)
            assert (status, answer["error"]["fields"][0]["field"]) == (422, "name")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("PUT clock", {"now": 0}),
        ("PUT clock", {"now": "1772000000"}),
        ("PUT clock", {"now": "2026-01-01T00:00:00"}),
        ("PUT clock", {"rate": "2"}),
        ("POST clock/advance", {"hours": "2"}),
    ],
)
async def test_a_number_is_no_instant_and_a_text_no_number(
    house: House, path: str, body: dict[str, Any]
) -> None:
    method, _, name = path.partition(" ")
    status, answer = await house.ask(method, f"/v1/sandbox/{name}", await house.merchant(), json=body)
    assert (status, answer["error"]["fields"][0]["field"]) == (422, next(iter(body)))


async def test_a_filter_with_a_slip_in_its_name_is_refused(house: House) -> None:
    status, answer = await house.ask("GET", "/v1/cases?sate=scheduled", await house.merchant())
    assert (status, answer["error"]["fields"][0]["field"]) == (422, "query")
    assert answer["error"]["message"] == "query: has an unknown parameter; known here: cursor, limit, state"


async def test_a_filter_that_comes_twice_is_refused(house: House) -> None:
    merchant = await house.merchant()
    for query in ("state=scheduled&state=scheduled", "cursor=%C2%A6&cursor=false&cursor="):
        status, answer = await house.ask("GET", f"/v1/cases?{query}", merchant)
        assert (status, answer["error"]["message"]) == (422, "query: has a parameter more than once")


async def test_the_api_answers_in_its_one_form_below_a_path_that_no_route_can_have(house: House) -> None:
    status, answer = await house.ask("GET", "/v1/cases/%0A", await house.merchant())
    assert (status, answer["error"]["code"]) == (404, "http")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b"[" * 100_000, 400),
        (b'{"contact": "a\\u0000b"}', 422),
        (b'{"messages": {"payment_failed": {"en": {"subject": "a\\u0000b"}}}}', 422),
        (b'{"contact": "\\ud800"}', 422),
        (b"x" * 600_000, 413),
    ],
)
async def test_bytes_that_are_no_setting_get_4xx(house: House, body: bytes, status: int) -> None:
    merchant = await house.merchant()
    headers = {"content-type": "application/json"}
    found, answer = await house.ask("PUT", "/v1/settings/mail", merchant, data=body, headers=headers)
    assert (found, "error" in answer) == (status, True)


async def test_a_body_of_unknown_length_is_capped_too(house: House) -> None:
    merchant = await house.merchant()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    headers = {"content-type": "application/json"}
    status, _ = await house.ask("PUT", "/v1/settings/mail", merchant, data=endless(), headers=headers)
    assert status == 413


async def test_a_setting_too_large_for_its_event_is_refused(house: House) -> None:
    merchant = await house.merchant()
    messages = {f"m{n}": {"en": {"html": "<p>" * 30_000}} for n in range(3)}
    status, answer = await house.ask("PUT", "/v1/settings/mail", merchant, json={"messages": messages})
    assert (status, answer["error"]["code"]) == (422, "too_large")


async def test_sandbox_is_decided_once(house: House) -> None:
    merchant = await house.merchant()
    body = {"name": "x", "sandbox": True}
    status, answer = await house.ask("PUT", "/v1/settings/merchant", merchant, json=body)
    assert (status, answer["error"]["fields"][0]["field"]) == (422, "sandbox")


async def test_the_stop_switch_is_a_setting(house: House) -> None:
    merchant = await house.merchant()
    assert (await house.ask("POST", "/v1/stop", merchant, json={"everything": True}))[0] == 200
    _, answer = await house.ask("GET", "/v1/settings/stop", merchant)
    assert answer["value"]["everything"] is True
    assert (await announced(house, merchant.merchant_id))[-1].setting == "stop"


async def test_changes_at_the_same_time_get_versions_of_their_own(house: House) -> None:
    merchant = await house.merchant()
    answers = await asyncio.gather(
        *(
            house.ask("PUT", "/v1/settings/recovery", merchant, json={"window_days": 10 + n})
            for n in range(20)
        )
    )
    assert sorted(answer["version"] for _, answer in answers) == list(range(1, 21))
    told = [e.version for e in await announced(house, merchant.merchant_id) if e.setting == "recovery"]
    assert sorted(told) == list(range(1, 21))


async def test_a_clock_runs_on_from_where_it_is_and_may_be_set_before_anything_happened(house: House) -> None:
    merchant = await house.merchant(sandbox=True)
    status, answer = await house.ask(
        "PUT", "/v1/sandbox/clock", merchant, json={"rate": 3600, "now": "2026-01-01T00:00:00Z"}
    )
    assert (status, answer["rate"]) == (200, 3600)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert start <= datetime.fromisoformat(answer["now"]) < start + timedelta(days=1)
    _, stopped = await house.ask("PUT", "/v1/sandbox/clock", merchant, json={"rate": 0})
    _, later = await house.ask("GET", "/v1/sandbox/clock", merchant)
    assert later["now"] == stopped["now"] >= answer["now"]


async def test_a_clock_is_moved_on_in_steps_of_a_day_at_the_most(house: House) -> None:
    merchant = await house.merchant(sandbox=True)
    body = {"rate": 0, "now": "2026-01-01T00:00:00Z"}
    await house.ask("PUT", "/v1/sandbox/clock", merchant, json=body)
    for hours in (30, 6):
        status, answer = await house.ask("POST", "/v1/sandbox/clock/advance", merchant, json={"hours": hours})
        assert status == 202
    assert answer["advancing_hours"] == 36
    steps = policy_loop.clock_steps(house.db)
    stopping = asyncio.Event()
    running = asyncio.create_task(steps.serve(stopping))

    async def arrived() -> bool:
        _, clock = await house.ask("GET", "/v1/sandbox/clock", merchant)
        return bool(clock["now"] == "2026-01-02T12:00:00Z")

    await eventually(arrived)
    stopping.set()
    await running
    told = [event.value for event in await announced(house, merchant.merchant_id) if event.setting == "clock"]
    shown = [datetime.fromisoformat(str(value["origin_merchant"])) for value in told[1:]]
    real = [datetime.fromisoformat(str(value["origin_real"])) for value in told[1:]]
    assert [b - a for a, b in pairwise(shown)] == [timedelta(days=1), timedelta(hours=12)]
    assert real[2] - real[1] >= timedelta(seconds=1)


@pytest.mark.parametrize(
    ("body", "field"),
    [({"hours": 0}, "hours"), ({"hours": 10_000}, "hours"), ({"hours": "NaN"}, "hours"), ({}, "hours")],
)
async def test_an_advance_out_of_bounds_is_refused(house: House, body: Any, field: str) -> None:
    merchant = await house.merchant(sandbox=True)
    status, answer = await house.ask("POST", "/v1/sandbox/clock/advance", merchant, json=body)
    assert (status, answer["error"]["fields"][0]["field"]) == (422, field)


async def test_an_account_is_not_announced_while_gateway_adapter_is_down(house: House) -> None:
    merchant = await house.merchant(sandbox=True)
    status, answer = await house.ask("PUT", "/v1/accounts/acct_1", merchant, json=ACCOUNT)
    assert (status, answer["error"]["code"]) == (503, "counterpart_down")
    assert (await house.ask("GET", "/v1/accounts", merchant))[1] == {"accounts": []}
    assert "account/acct_1" not in [e.setting for e in await announced(house, merchant.merchant_id)]


@pytest.mark.parametrize(
    ("change", "sandbox", "field"),
    [
        ({"livemode": True}, True, "livemode"),
        ({"base_url": "http://169.254.169.254"}, True, "base_url"),
        ({"base_url": f"{PRACTICE_GATEWAY}.evil.example"}, True, "base_url"),
        ({"base_url": f"{PRACTICE_GATEWAY}@evil.example"}, True, "base_url"),
        ({}, False, "base_url"),
        ({"api_key": "short"}, True, "api_key"),
        ({"webhook_secret": None}, True, "webhook_secret"),
    ],
)
async def test_an_account_that_may_not_be_is_refused_and_its_secrets_are_not_repeated(
    house: House, change: dict[str, Any], sandbox: Literal[True, False], field: str
) -> None:
    merchant = await house.merchant(sandbox=sandbox)
    status, answer = await house.ask("PUT", "/v1/accounts/acct_1", merchant, json=ACCOUNT | change)
    assert (status, answer["error"]["fields"][0]["field"]) == (422, field)
    assert "secret_" not in str(answer)
    assert "short" not in str(answer["error"]["fields"][0].get("input"))


async def test_keys_are_rotated_and_the_last_one_stays(house: House) -> None:
    merchant = await house.merchant()
    _, first = await house.ask("GET", "/v1/keys", merchant)
    old = first["keys"][0]["key_id"]
    status, answer = await house.ask("DELETE", f"/v1/keys/{old}", merchant)
    assert (status, answer["error"]["code"]) == (409, "last_key")
    status, new = await house.ask("POST", "/v1/keys", merchant, json={"name": "second"})
    assert status == 201
    assert (await house.ask("DELETE", f"/v1/keys/{old}", merchant))[0] == 204
    assert (await house.ask("GET", "/v1/keys", merchant))[0] == 401
    merchant.api_key = new["api_key"]
    _, listed = await house.ask("GET", "/v1/keys", merchant)
    assert [key["revoked_at"] is None for key in listed["keys"]] == [False, True]
    assert new["api_key"] not in str(listed)
    stored = await house.as_owner("SELECT key_hash FROM api_keys")
    assert all(new["api_key"].encode() not in row["key_hash"] for row in stored)


async def test_republish_tells_the_same_events_again(house: House) -> None:
    merchant = await house.merchant(sandbox=True)
    await house.ask("PUT", "/v1/settings/portal", merchant, json={"require_sign_in": True})
    before = await announced(house, merchant.merchant_id)
    await policy.republish(house.db)
    after = (await announced(house, merchant.merchant_id))[len(before) :]
    assert sorted(after, key=lambda e: e.setting) == sorted(before, key=lambda e: e.setting)


async def test_a_key_of_the_command_line_works(house: House) -> None:
    merchant = await house.merchant()
    merchant.api_key = (await cli.create_key(house.db, merchant.merchant_id, "another"))["api_key"]
    assert (await house.ask("GET", "/v1/keys", merchant))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "found"),
    [
        ("PUT", "/v1/settings/mail", {"contact": "call 4242 4242 4242 4242"}, "a card number"),
        ("PUT", "/v1/settings/mail", {"sender_name": "Café cvc 737"}, "check code"),
        ("PUT", "/v1/settings/merchant", {"name": "sk_live_51HabcdefABCDEF"}, "a secret key"),
        ("POST", "/v1/keys", {"name": "whsec_51HabcdefABCDEF"}, "a secret key"),
        ("GET", "/v1/cases?cursor=4242%204242-4242+4242", None, "a card number"),
        ("DELETE", "/v1/accounts/4242424242424242", None, "a card number"),
    ],
)
async def test_what_is_sensitive_is_refused_where_it_does_not_belong_and_not_repeated(
    house: House, merchant: Merchant, method: str, path: str, body: dict[str, str] | None, found: str
) -> None:
    status, answer = await house.ask(method, path, merchant, json=body)
    assert (status, answer["error"]["code"]) == (422, "sensitive")
    assert found in answer["error"]["message"]
    assert "4242 4242" not in str(answer)
    assert "51Habc" not in str(answer)
