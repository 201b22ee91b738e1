"""Records that can't be read, each made of a good one, with the reason that quarantine must give."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from recoup_events.topics import EVENT_BYTES, TOPICS

from .teller import Raw

TEN_MEGABYTES = 10 * 1024 * 1024
Spoil = Callable[[random.Random, Raw], Raw]


@dataclass(frozen=True)
class Kind:
    """One way to spoil a record, and the word that quarantine must have for it."""

    reason: str
    spoil: Spoil


def _header(name: str, value: bytes | None) -> Spoil:
    def spoil(_: random.Random, raw: Raw) -> Raw:
        kept = [header for header in raw.headers if header[0] != name]
        return replace(raw, headers=[*kept, (name, value)])

    return spoil


def _without(name: str) -> Spoil:
    return lambda _, raw: replace(raw, headers=[header for header in raw.headers if header[0] != name])


def _value(value: bytes) -> Spoil:
    return lambda _, raw: replace(raw, value=value)


def _cut(draw: random.Random, raw: Raw) -> Raw:
    return replace(raw, value=(raw.value or b"")[: draw.randrange(1, len(raw.value or b""))])


def _without_field(draw: random.Random, raw: Raw) -> Raw:
    fields = json.loads(raw.value or b"{}")
    needed = sorted({"merchant_id", "account_id", "amount", "version"} & fields.keys())
    del fields[draw.choice(needed)]
    return replace(raw, value=json.dumps(fields).encode())


def _field(name: str, *values: object) -> Spoil:
    def spoil(draw: random.Random, raw: Raw) -> Raw:
        return replace(
            raw, value=json.dumps({**json.loads(raw.value or b"{}"), name: draw.choice(values)}).encode()
        )

    return spoil


def _padded(size: int) -> Spoil:
    return lambda _, raw: replace(raw, value=(raw.value or b"") + b" " * (size - len(raw.value or b"")))


def _no_headers(_: random.Random, raw: Raw) -> Raw:
    return replace(raw, headers=[])


KINDS = {
    "a header that is null": Kind("headers", _header("ce_type", None)),
    "a header that is no UTF-8": Kind("headers", _header("ce_type", b"\xff\xfe\xfd")),
    "a merchant's header that is no UTF-8": Kind("headers", _header("ce_recoupmerchant", b"\xc3\x28")),
    "a merchant's header with a NUL": Kind("headers", _header("ce_recoupmerchant", b"m_\x00")),
    "another merchant's header": Kind("headers", _header("ce_recoupmerchant", b"m_another")),
    "a type that nobody has": Kind("headers", _header("ce_type", b"recoup.nothing.v1")),
    "a version that is no number": Kind("headers", _header("ce_type", b"recoup.payment.failed.vx")),
    "an id that is none": Kind("headers", _header("ce_id", b"not-a-uuid")),
    "no id": Kind("headers", _without("ce_id")),
    "no time": Kind("headers", _without("ce_time")),
    "no headers": Kind("headers", _no_headers),
    "a time that is none": Kind("schema", _header("ce_time", b"yesterday")),
    "a time without a zone": Kind("schema", _header("ce_time", b"2026-03-01T12:00:00")),
    "a time beyond the calendar": Kind("schema", _header("ce_time", b"9999-12-31T23:59:59Z")),
    "JSON cut off": Kind("json", _cut),
    "nothing at all": Kind("json", _value(b"")),
    "bytes that are no text": Kind("json", _value(b"\x80\x81\x82\xff")),
    "JSON without a bottom": Kind("json", _value(b"[" * 100_000)),
    "half a character": Kind("json", _value(b'{"merchant_id": "\\ud800"}')),
    "JSON of another shape": Kind("schema", _value(b"[1, 2, 3]")),
    "a field that is missing": Kind("schema", _without_field),
    "a field of another kind": Kind("schema", _field("merchant_id", 7, None, [], {}, "")),
    "a field that is too long": Kind("schema", _field("merchant_id", "m" * 256)),
    "a control character": Kind("schema", _field("merchant_id", "m\x07", "m\n1")),
    "a NUL": Kind("nul", _field("account_id", "acct\x001")),
    "null where none may be": Kind("null", lambda _, raw: replace(raw, value=None)),
    "a value that is too large": Kind("size", _padded(EVENT_BYTES + 1)),
}

LARGE = {"ten megabytes": Kind("size", _padded(TEN_MEGABYTES))}
"""Few of these: each is kept, whole, in every reader's quarantine."""


def kinds_for(topic: str) -> dict[str, Kind]:
    """Give what is poison on a topic: on a snapshot's topic null means erased, but for a key it needs."""
    if not TOPICS[topic].snapshot:
        return KINDS
    keyless = Kind("headers", lambda _, raw: replace(raw, value=None, key=b""))
    return {**KINDS, "null where none may be": keyless}
