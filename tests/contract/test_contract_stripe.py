"""Every public body of a Stripe webhook, in versions of ten years, goes through the adapter over HTTP, signed.

What each becomes stands in stripe.csv, reviewed from Stripe's documentation: one row for each event that a body
becomes, with its key fields, or one row `none`, or `refused`. A body without a row fails.
"""

import csv
import json
from collections import defaultdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from recoup_events.models import Event
from recoup_gateway_adapter.gateways.stripe.signature import is_signed

pytestmark = pytest.mark.postgres

Row = tuple[str, dict[str, str]]
"""An event's topic, and those of its fields that matter; an empty value stands for null."""


def _table() -> dict[str, list[Row]]:
    table: dict[str, list[Row]] = defaultdict(list)
    with Path(__file__).with_name("stripe.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            fields = [pair.partition("=") for pair in row["key_fields"].split(";") if pair]
            table[row["path"]].append((row["event"], {name: value for name, _, value in fields}))
    return dict(table)


TABLE = _table()


@pytest.mark.parametrize("path", sorted(TABLE))
async def test_a_body_becomes_what_its_row_says(path: str, house: Any, bodies: Any) -> None:
    body = bodies.read(path)
    if body is None:
        pytest.skip("no shared folder of public bodies beside this clone")
    parsed = json.loads(body)
    unique = uuid4().hex[:12]
    account = f"acct_{unique}"
    await house.connect(account, f"m_{unique}", livemode=parsed.get("livemode", False))

    status = await house.post(account, body)
    again = await house.post(account, body)

    if TABLE[path] == [("refused", {})]:
        assert (status, again) == (400, 400)
        assert await house.become(f"m_{unique}") == []
        return
    assert (status, again) == (200, 200)
    became = await house.become(f"m_{unique}")
    expected = [] if TABLE[path] == [("none", {})] else TABLE[path]
    shown = [(event.TOPIC.name, _fields(event)) for event in became]
    assert sorted(event.TOPIC.name for event in became) == sorted(name for name, _ in expected), shown
    for name, fields in expected:
        assert any(name == topic and fields.items() <= told.items() for topic, told in shown), (
            name,
            fields,
            shown,
        )


async def test_a_connect_event_is_let_in_by_the_account_that_it_names_and_becomes_nothing(
    house: Any, bodies: Any
) -> None:
    for path in bodies.public():
        body = bodies.read(path)
        named = json.loads(body).get("account")
        if named is not None:
            await house.connect(named, "m_connect", livemode=False)
            assert await house.post(named, body) == 200
    assert await house.become("m_connect") == []


def test_every_body_has_a_row(bodies: Any) -> None:
    assert {*bodies.public(), *bodies.own()} - set(TABLE) == set()


def test_every_row_of_our_own_has_a_body(bodies: Any) -> None:
    assert {path for path in TABLE if path.startswith("own/")} == bodies.own()


def test_every_signature_vector_holds(bodies: Any) -> None:
    for vector in bodies.vectors():
        header = vector["headers"]["Stripe-Signature"].encode()
        holds = is_signed(vector["bytes"], header, [vector["secret"]], vector["now"])
        assert holds == vector["valid"], vector["name"]


def _fields(event: Event) -> dict[str, str]:
    """Write an event's fields flat: `invoice.owed.minor`; null as nothing."""
    flat: dict[str, str] = {}

    def put(name: str, value: Any) -> None:
        if isinstance(value, dict):
            flat[name] = "{}"
            for key, inside in value.items():
                put(f"{name}.{key}", inside)
        else:
            flat[name] = (
                "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
            )

    for name, value in event.model_dump(mode="json").items():
        put(name, value)
    flat["time"] = str(int(event.time.timestamp()))
    return flat
