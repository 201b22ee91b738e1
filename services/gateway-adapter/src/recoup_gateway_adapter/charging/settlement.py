"""What a person who waits is told of an attempt: its state, a reason that may be told, where to authenticate."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from pydantic import BaseModel

from recoup_declines import lookup
from recoup_events.values import AttemptState
from recoup_gateway_adapter.charging.domain import Attempt

WAIT_SECONDS = 3.0
"""How long a request waits for an outcome; after that the page asks again."""

LOOK_EVERY_SECONDS = 0.05
MOVING = frozenset({AttemptState.PLANNED, AttemptState.SENDING})


class Settlement(BaseModel):
    """What became of one invoice. `decline_masked`: why not, as a decline class; null where it must not be told."""

    invoice_id: str
    attempt_id: UUID
    state: AttemptState
    decline_masked: str | None = None
    authentication_url: str | None = None


def settlement_of(attempt: Attempt) -> Settlement:
    """Give what may be told of an attempt."""
    declined, waiting = AttemptState.DECLINED, AttemptState.REQUIRES_ACTION
    return Settlement(
        invoice_id=attempt.invoice_id,
        attempt_id=attempt.attempt_id,
        state=attempt.state,
        decline_masked=_reason(attempt.decline_code) if attempt.state is declined else None,
        authentication_url=attempt.action_url if attempt.state is waiting else None,
    )


def _reason(code: str | None) -> str | None:
    decline = lookup("stripe", code)
    return None if decline.masked else decline.decline_class.value


async def outcomes(
    load: Callable[[], Awaitable[Sequence[Attempt]]], seconds: float = WAIT_SECONDS
) -> Sequence[Attempt]:
    """Give attempts when none of them is on its way any more, or as they stand when the time is up.

    A planned attempt behind one that waits for somebody will not move: it is not waited for.
    """
    clock = asyncio.get_running_loop()
    until = clock.time() + seconds
    while True:
        found = await load()
        if not _on_their_way(found) or clock.time() >= until:
            return found
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _on_their_way(attempts: Sequence[Attempt]) -> bool:
    for attempt in attempts:
        if attempt.state in MOVING:
            return True
        if not attempt.settled and attempt.state is not AttemptState.PENDING:
            return False
    return False
