"""Accounts: opened, set up, given a clock and ways to fail."""

from typing import Any

from practice_gateway.account import Account, Dunning, Endpoint
from practice_gateway.clock import parse_clock
from practice_gateway.control.request import Answer, Control, ControlError, ControlRoute
from practice_gateway.faults import Faults, parse_faults
from practice_gateway.ids import new_id, new_secret
from practice_gateway.versions import parse_version

ENDINGS = ("cancel", "unpaid", "past_due")
MAX_RETRIES = 12
MAX_DAYS = 60.0
SETTINGS = ("webhooks", "dunning", "api_version", "draft_seconds", "clock")


async def create(control: Control) -> Answer:
    """POST /practice/accounts."""
    control.only("id", "name", "api_key", *SETTINGS)
    _check(control)
    account = control.gateway.open_account(
        name=control.text("name") or "Practice Merchant",
        identifier=control.text("id"),
        api_key=control.text("api_key"),
        version=control.text("api_version"),
    )
    _set_up(control, account)
    return describe(account)


async def update(control: Control) -> Answer:
    """POST /practice/accounts/{account}: only what is sent changes."""
    account = control.account()
    control.only("name", *SETTINGS)
    _check(control)
    _set_up(control, account)
    return describe(account)


async def retrieve(control: Control) -> Answer:
    """GET /practice/accounts/{account}."""
    return describe(control.account())


async def list_all(control: Control) -> Answer:
    """GET /practice/accounts."""
    return {"accounts": [describe(account) for account in control.gateway.accounts.values()]}


def _check(control: Control) -> None:
    """Read every setting once before any takes effect."""
    body = control.body
    if "webhooks" in body:
        _endpoints(body["webhooks"])
    if "dunning" in body:
        _dunning(body["dunning"])
    if "clock" in body:
        parse_clock(body["clock"])
    control.number("draft_seconds", 3_600, 0, 86_400)


def _set_up(control: Control, account: Account) -> None:
    body = control.body
    if "webhooks" in body:
        account.endpoints = _endpoints(body["webhooks"])
    if "dunning" in body:
        account.dunning = _dunning(body["dunning"])
    if "clock" in body:
        account.own_clock = parse_clock(body["clock"])
    if "api_version" in body:
        account.version = parse_version(control.required("api_version"))
    if "name" in body:
        account.name = control.required("name")
    if "draft_seconds" in body:
        account.draft_seconds = control.number("draft_seconds", 3_600, 0, 86_400)


def _endpoints(items: Any) -> list[Endpoint]:
    if not isinstance(items, list):
        raise ControlError('webhooks is a list of {"url", "secret", "events"}')
    return [_endpoint(item, index) for index, item in enumerate(items)]


def _endpoint(item: Any, index: int) -> Endpoint:
    if not isinstance(item, dict) or set(item) - {"url", "secret", "secrets", "events"}:
        message = f"webhooks[{index}] has url, secret (or secrets) and events"
        raise ControlError(message)
    url = item.get("url")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        message = f"webhooks[{index}].url is an http(s) address, not {url!r}"
        raise ControlError(message)
    secrets = item.get("secrets") or [item.get("secret") or new_secret("whsec_")]
    events = item.get("events", ["*"])
    for name, value in (("secrets", secrets), ("events", events)):
        if not isinstance(value, list) or not all(isinstance(found, str) for found in value):
            message = f"webhooks[{index}].{name} is a list of strings"
            raise ControlError(message)
    return Endpoint(id=new_id("we"), url=url, secrets=secrets, events=events)


def _dunning(item: Any) -> Dunning:
    if not isinstance(item, dict) or set(item) - {"enabled", "schedule", "after_last"}:
        raise ControlError("dunning has enabled, schedule (days) and after_last")
    enabled, ending = item.get("enabled", True), item.get("after_last", "cancel")
    schedule = item.get("schedule", Dunning().schedule)
    if not isinstance(enabled, bool):
        raise ControlError("dunning.enabled is true or false")
    if ending not in ENDINGS:
        message = f"dunning.after_last is one of {', '.join(ENDINGS)}"
        raise ControlError(message)
    if (
        not isinstance(schedule, list)
        or len(schedule) > MAX_RETRIES
        or not all(isinstance(days, int | float) and 0 < days <= MAX_DAYS for days in schedule)
    ):
        message = f"dunning.schedule is a list of up to {MAX_RETRIES} numbers of days up to {MAX_DAYS:g}"
        raise ControlError(message)
    return Dunning(enabled=enabled, schedule=[float(days) for days in schedule], after_last=ending)


async def put_clock(control: Control) -> Answer:
    """PUT /practice/accounts/{account}/clock: its own from now on."""
    account = control.account()
    account.own_clock = parse_clock({k: v for k, v in control.body.items() if k != "account"})
    return account.clock.wire()


async def get_clock(control: Control) -> Answer:
    """GET /practice/accounts/{account}/clock."""
    return control.account().clock.wire()


async def delete_clock(control: Control) -> Answer:
    """DELETE /practice/accounts/{account}/clock: follow the common one again, or real time."""
    account = control.account()
    account.own_clock = None
    return account.clock.wire()


async def put_faults(control: Control) -> Answer:
    """PUT /practice/accounts/{account}/faults: replaces all rules."""
    account = control.account()
    account.faults = parse_faults(control.body)
    return account.faults.wire()


async def get_faults(control: Control) -> Answer:
    """GET /practice/accounts/{account}/faults: how often each struck."""
    return control.account().faults.wire()


async def delete_faults(control: Control) -> Answer:
    """DELETE /practice/accounts/{account}/faults."""
    account = control.account()
    account.faults = Faults()
    return account.faults.wire()


def describe(account: Account) -> Answer:
    """Return an account with its secrets: the control API is the operator's."""
    return {
        "id": account.id,
        "name": account.name,
        "api_key": account.api_key,
        "api_version": account.version.name,
        "webhooks": [
            {"id": item.id, "url": item.url, "secrets": item.secrets, "events": item.events}
            for item in account.endpoints
        ],
        "dunning": {
            "enabled": account.dunning.enabled,
            "schedule": account.dunning.schedule,
            "after_last": account.dunning.after_last,
        },
        "draft_seconds": account.draft_seconds,
        "clock": account.clock.wire(),
    }


ROUTES: list[ControlRoute] = [
    ("POST", "/practice/accounts", create),
    ("GET", "/practice/accounts", list_all),
    ("GET", "/practice/accounts/{account}", retrieve),
    ("POST", "/practice/accounts/{account}", update),
    ("PUT", "/practice/accounts/{account}/clock", put_clock),
    ("GET", "/practice/accounts/{account}/clock", get_clock),
    ("DELETE", "/practice/accounts/{account}/clock", delete_clock),
    ("PUT", "/practice/accounts/{account}/faults", put_faults),
    ("GET", "/practice/accounts/{account}/faults", get_faults),
    ("DELETE", "/practice/accounts/{account}/faults", delete_faults),
]
