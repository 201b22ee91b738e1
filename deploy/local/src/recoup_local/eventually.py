"""Wait for what must become true, instead of sleeping and hoping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")
PAUSE = 0.05  # seconds between looks


@overload
async def eventually(check: Callable[[], Awaitable[T]], within: float = 30) -> T: ...
@overload
async def eventually(check: Callable[[], T], within: float = 30) -> T: ...
async def eventually(check: Callable[[], T | Awaitable[T]], within: float = 30) -> T:
    """Look until `check` gives something true, and return it.

    Args:
        check: plain or async. False, None and empty values, and AssertionError, mean: not yet.
        within: seconds until it fails. A limit against hanging, not a measurement.

    Raises:
        AssertionError: it never held; the last reason is its cause. Any other exception passes at once.
    """
    deadline = time.monotonic() + within
    while True:
        reason: AssertionError | None = None
        try:
            found = check()
            value: T = await found if inspect.isawaitable(found) else found
            if value:
                return value
        except AssertionError as error:
            reason = error
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {within} s: {reason or getattr(check, '__name__', check)}"
            ) from reason
        await asyncio.sleep(PAUSE)
