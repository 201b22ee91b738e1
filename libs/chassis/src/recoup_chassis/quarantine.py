"""Quarantine: what could not be processed, with its bytes, headers and reason.

Promise: nothing is dropped; while something of a customer's is held here, that customer is neither charged
nor written to.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from recoup_chassis.postgres import Tx, columns

TIMER = "timer:"
"""What stands before a refused timer's kind, in place of a topic."""

_PUT = """
INSERT INTO quarantine (topic, partition, record_offset, key, header_names, header_values, value,
                        reason, detail, merchant_id, customer_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT DO NOTHING
"""

_HELD = """
SELECT quarantine_id, topic, partition, record_offset, key, header_names, header_values, value,
       reason, detail, merchant_id, customer_id, quarantined_at
FROM quarantine
WHERE released_at IS NULL
  AND ($1::text IS NULL OR topic = $1) AND ($2::text IS NULL OR reason = $2)
  AND ($3::text IS NULL OR merchant_id = $3)
ORDER BY topic, partition, record_offset LIMIT 1000
"""

_REARM = """
INSERT INTO timers (clock_id, merchant_id, customer_id, kind, subject, due_at) VALUES ($1, $2, $3, $4, $5, $6)
"""

_RELEASE = """
UPDATE quarantine SET released_at = now() WHERE quarantine_id = ANY ($1::bigint[]) AND released_at IS NULL
RETURNING quarantine_id
"""


@dataclass(frozen=True)
class Refused:
    """A record that was refused. `reason` is one word, `detail` says where; neither holds personal data."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None
    reason: str
    detail: str
    merchant_id: str | None
    customer_id: str | None


async def put(tx: Tx, refused: Sequence[Refused]) -> None:
    """Keep refused records. Safe to repeat: a record is kept once."""
    for one in refused:
        names, values = columns(one.headers, 2)
        await tx.execute(
            _PUT,
            one.topic,
            one.partition,
            one.offset,
            one.key,
            [name.replace("\0", "\N{REPLACEMENT CHARACTER}") for name in names],
            values,
            one.value,
            one.reason,
            one.detail.replace("\0", ""),
            one.merchant_id,
            one.customer_id,
        )


@dataclass(frozen=True)
class Filter:
    """Which held records are meant; None is any."""

    topic: str | None = None
    reason: str | None = None
    merchant_id: str | None = None


async def held(tx: Tx, wanted: Filter) -> list[Record]:
    """List what is held, in the order of its offsets, at most 1,000 at a time."""
    return list(await tx.fetch(_HELD, wanted.topic, wanted.reason, wanted.merchant_id))


async def release(tx: Tx, ids: Sequence[int]) -> int:
    """Let these go; give how many there were. Their customers are free again."""
    return len(await tx.fetch(_RELEASE, list(ids)))


async def rearm(tx: Tx, record: Record) -> None:
    """Put a refused timer back, due as it was."""
    headers = dict(zip(record["header_names"], record["header_values"], strict=True))
    await tx.execute(
        _REARM,
        int(headers["clock_id"]),
        record["merchant_id"],
        record["customer_id"],
        record["topic"].removeprefix(TIMER),
        record["key"].decode(),
        datetime.fromisoformat(headers["due_at"].decode()),
    )
