"""A write to a broker's connection that is lost: on uvloop aiokafka must be told in its own words.

asyncio's transports take such a write and drop it; uvloop's raise RuntimeError, which aiokafka does not foresee. It
ends the task that keeps the metadata, and whoever waits for that waits for ever: a commit, for instance, or a lookup of
the group's coordinator. Known as aiokafka issue 1038, open since 2024.
"""

from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError

_send = AIOKafkaConnection.send


@wraps(_send)
def _send_or_say_that_it_is_lost(connection: AIOKafkaConnection, *request: Any, **how: Any) -> Any:
    try:
        return _send(connection, *request, **how)
    except KafkaError:  # one of the library's own, and a RuntimeError too
        raise
    except RuntimeError as error:
        connection.close(reason=CloseReason.CONNECTION_BROKEN)
        raise KafkaConnectionError(f"the connection to the broker is lost: {error}") from error


def tell_in_kafkas_words() -> None:
    """Have aiokafka learn of a lost connection by its own error, whatever the event loop raises."""
    AIOKafkaConnection.send = _send_or_say_that_it_is_lost
