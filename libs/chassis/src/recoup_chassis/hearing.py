"""Whether a consumer still brings what its topic holds.

A task of the library can end, or wait for what never comes, while the consumer's polls go on without a word. The broker
knows better: it is asked, once a consumer has been silent for a while.
"""

import asyncio
import time

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

SILENT, DEAF, ANSWERS_WITHIN = 30.0, 10.0, 5.0
"""Seconds without a record until the broker is asked whether some wait; that they wait, while none comes, until the
consumer counts as deaf; and until the broker's answer is given up."""


class Hearing:
    """When one consumer last brought something, and whether it is lost.

    `lost` may also be set by who waited in vain for an answer that the consumer should have had long ago.
    """

    def __init__(self) -> None:
        self.lost = False
        self._heard = time.monotonic()
        self._waiting_since: float | None = None

    def heard(self) -> None:
        """Note that the consumer has brought records, or that none waited for it."""
        self._heard, self._waiting_since = time.monotonic(), None

    async def listen(self, consumer: AIOKafkaConsumer) -> None:
        """Ask the broker, where the consumer has been silent; it is lost where records wait that it does not bring."""
        now = time.monotonic()
        if now - self._heard < SILENT:
            return
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                waiting = await _any_waits(consumer)
        except (KafkaError, TimeoutError):
            waiting = True  # for all that can be known
        if not waiting or self._heard > now:  # something came while the broker was asked
            self.heard()
        elif self._waiting_since is None:
            self._waiting_since = now
        else:
            self.lost |= now - self._waiting_since > DEAF


async def _any_waits(consumer: AIOKafkaConsumer) -> bool:
    """Ask the broker whether the partitions that a consumer holds have records beyond what was committed."""
    held = consumer.assignment()
    first, end = await consumer.beginning_offsets(held), await consumer.end_offsets(held)
    done = {where: await consumer.committed(where) or 0 for where in held}
    return any(end[where] > max(first[where], done[where]) for where in held)
