"""The two technical errors. A business outcome is a returned value, never one of these."""

import asyncio

import aiokafka.errors
import asyncpg
from pydantic import ValidationError


class Retryable(Exception):
    """It may pass by itself: back off and do the same again."""


class Unprocessable(Exception):
    """This message can't be processed, now or later: quarantine it and go on. `reason` is one word."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


RETRYABLE_CLASSES = frozenset({"08", "40", "53", "55", "57", "58"})
"""SQLSTATE classes: connection, rollback, resources, lock not available, operator, system error."""

UNPROCESSABLE_CLASSES = frozenset({"22", "23"})
"""SQLSTATE classes: data exception, integrity constraint violation."""


def is_retryable(error: BaseException) -> bool:
    """Tell whether the same work may pass later: the broker, the database or the network is at fault."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] in RETRYABLE_CLASSES
    if isinstance(error, aiokafka.errors.KafkaError):
        return True
    return isinstance(
        error,
        Retryable | asyncpg.InterfaceError | OSError | asyncio.TimeoutError | EOFError,
    )


def unprocessable(error: BaseException) -> Unprocessable | None:
    """Give the refusal that an error means, or None where it is no refusal of the message."""
    if isinstance(error, Unprocessable):
        return error
    if isinstance(error, asyncpg.PostgresError) and (error.sqlstate or "")[:2] in UNPROCESSABLE_CLASSES:
        return Unprocessable(f"sqlstate_{error.sqlstate}", str(error.args[0] if error.args else "")[:300])
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return Unprocessable("schema", f"{'.'.join(map(str, first['loc']))}: {first['msg']}"[:300])
    return None
