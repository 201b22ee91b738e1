"""CloudEvents 1.0, Kafka binary binding: an event as headers, key and JSON value, and back.

Promise: `read` judges everything that could be wrong with a record before anybody acts on it, and names it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from pydantic import JsonValue, TypeAdapter, ValidationError

from recoup_events.models import BY_TYPE, CustomerEvent, Event
from recoup_events.topics import EVENT_BYTES
from recoup_events.values import partition_of, utc

_JSON: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True)
class Record:
    """An event on its way: what a Kafka producer needs."""

    topic: str
    partition: int
    key: bytes
    headers: list[tuple[str, bytes]]
    value: bytes | None


class Unreadable(Exception):
    """The record can't be read, now or later: `reason` is one of a fixed few words, `detail` says where."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class UnknownVersion(Exception):
    """The type is one of ours in a version that this release does not know: stop, never quarantine."""

    def __init__(self, ce_type: str) -> None:
        super().__init__(f"{ce_type} comes from a later release; upgrade this reader")
        self.ce_type = ce_type


@dataclass(frozen=True)
class Tombstone:
    """A snapshot was erased: its key, and whose it was."""

    topic: str
    key: str
    merchant_id: str
    customer_id: str | None


def write(event: Event, *, source: str, partitions: int) -> Record:
    """Give the record of an event.

    Args:
        source: who says so, a URI reference such as `/recoup/gateway-adapter`.
        partitions: the cluster's permanent number, the same for every topic.
    """
    customer = event.customer_id if isinstance(event, CustomerEvent) else None
    key = event.key
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(event.id).encode()),
        ("ce_type", event.ce_type().encode()),
        ("ce_source", source.encode()),
        ("ce_subject", key.encode()),
        ("ce_time", utc(event.time).encode()),
        ("ce_recoupmerchant", event.merchant_id.encode()),
        ("content-type", b"application/json"),
    ]
    if customer is not None:
        headers.append(("ce_recoupcustomer", customer.encode()))
    return Record(
        topic=event.TOPIC.name,
        partition=partition_of(event.merchant_id, customer, partitions),
        key=key.encode(),
        headers=headers,
        value=event.model_dump_json().encode(),
    )


def headers_of(raw: Iterable[tuple[str, bytes | None]]) -> dict[str, str]:
    """Read a record's headers leniently: one that is null or no UTF-8 is left out; the last of a name wins."""
    found = {}
    for name, value in raw:
        try:
            found[name] = value.decode() if value is not None else None
        except UnicodeDecodeError:
            continue
    return {name: text for name, text in found.items() if text is not None}


def read(
    topic: str, key: bytes | None, raw_headers: Iterable[tuple[str, bytes | None]], value: bytes | None
) -> Event | Tombstone:
    """Read a record.

    Raises:
        Unreadable: headers, size, NUL, JSON or schema are wrong, or a null where none may be.
        UnknownVersion: the record comes from a later release.
    """
    headers = headers_of(raw_headers)
    ce_type = headers.get("ce_type", "")
    model = BY_TYPE.get(ce_type)
    if value is None:
        return _tombstone(topic, key, headers)
    if model is None or model.TOPIC.name != topic:
        if re.fullmatch(rf"recoup\.{re.escape(topic)}\.v[1-9][0-9]{{0,5}}", ce_type):
            raise UnknownVersion(ce_type)
        raise Unreadable("headers", f"ce_type is {ce_type[:100]!r}")
    if len(value) > EVENT_BYTES:
        raise Unreadable("size", f"{len(value)} bytes, {EVENT_BYTES} allowed")
    return _parse(model, headers, value)


def _parse(model: type[Event], headers: Mapping[str, str], value: bytes) -> Event:
    if b"\\u0000" in value or b"\0" in value:
        raise Unreadable("nul", "a NUL character in the value")
    try:
        fields = _JSON.validate_json(value)
        event = model.model_validate(
            {**fields, "id": UUID(headers["ce_id"]), "time": headers["ce_time"]},
        )
    except KeyError as missing:
        raise Unreadable("headers", f"{missing.args[0]} is missing") from missing
    except ValidationError as wrong:
        first = wrong.errors(include_url=False, include_input=False)[0]
        reason = "json" if first["type"] == "json_invalid" else "schema"
        where = ".".join(map(str, first["loc"]))
        raise Unreadable(reason, f"{where}: {first['msg']}"[:300]) from None
    except ValueError as wrong:
        raise Unreadable("headers", f"ce_id: {wrong}"[:300]) from wrong
    if headers.get("ce_recoupmerchant") != event.merchant_id:
        raise Unreadable("headers", "ce_recoupmerchant differs from the value's merchant_id")
    return event


def _tombstone(topic: str, key: bytes | None, headers: Mapping[str, str]) -> Tombstone:
    known = next((model for model in BY_TYPE.values() if model.TOPIC.name == topic), None)
    if known is None or not known.TOPIC.snapshot:
        raise Unreadable("null", "a null value where none may be")
    if not key or "ce_recoupmerchant" not in headers:
        raise Unreadable("headers", "a tombstone needs its key and ce_recoupmerchant")
    return Tombstone(
        topic=topic,
        key=key.decode(errors="replace"),
        merchant_id=headers["ce_recoupmerchant"],
        customer_id=headers.get("ce_recoupcustomer"),
    )
