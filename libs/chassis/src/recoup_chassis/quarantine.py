"""Quarantine: what could not be processed, with its bytes, headers and reason.

Promise: nothing is dropped; while something of a customer's is held here, that customer is neither charged
nor written to.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from recoup_chassis.postgres import Tx, columns

_PUT = """
INSERT INTO quarantine (topic, partition, record_offset, key, header_names, header_values, value,
                        reason, detail, merchant_id, customer_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT DO NOTHING
"""

_LIST = """
SELECT quarantine_id, topic, partition, record_offset, reason, detail, merchant_id, customer_id,
       octet_length(value) AS bytes, quarantined_at
FROM quarantine WHERE released_at IS NULL ORDER BY quarantine_id LIMIT 1000
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


async def held(tx: Tx) -> list[dict[str, object]]:
    """List what is held, oldest first, at most 1,000, without the bytes."""
    return [dict(row) for row in await tx.fetch(_LIST)]


async def release(tx: Tx, ids: Sequence[int]) -> int:
    """Let these go without processing them; give how many there were. Their customers are free again."""
    return len(await tx.fetch(_RELEASE, list(ids)))
