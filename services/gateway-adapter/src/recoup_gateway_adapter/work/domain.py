"""How fast an account may be asked, and what an answer says of its health. All instants are real time, UTC.

Promise: one account's flood or failure takes nothing from another's share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

RATE = 20.0
"""Works a second and account. Each makes up to five requests; Stripe allows 100 a second in live mode, 25 in test
mode (docs.stripe.com/rate-limits), and says 429 beyond."""

BURST = 20.0
AT_ONCE = 16
"""Works of one account that may be under way together."""

TRIPS_AFTER = 5
"""Failures in a row that open the breaker."""

OPEN_FROM, OPEN_TO = timedelta(seconds=15), timedelta(minutes=10)
"""How long the breaker stays open, doubling with each probe that fails."""

REFUSED_FOR = timedelta(minutes=10)
"""How long an account that refuses us is left alone before it is asked once more."""


class Kind(StrEnum):
    """What is asked for."""

    ATTEMPT = "attempt"
    COLLECTION = "collection"
    CARD_SESSION = "card_session"
    FINAL_ACTION = "final_action"


class Priority(IntEnum):
    """Smaller is sooner."""

    PERSON_WAITS = 0
    SOON = 5
    NORMAL = 10


@dataclass(frozen=True)
class Pace:
    """How fast one account may be asked: works a second, saved up to a second's worth, and how many at a time."""

    rate: float = RATE
    burst: float = BURST
    at_once: int = AT_ONCE


STANDARD = Pace()


@dataclass(frozen=True)
class Flow:
    """An account's standing. `tokens`: works it may start at `refilled_at`."""

    merchant_id: str
    account_id: str
    tokens: float
    refilled_at: datetime
    failures: int = 0
    closed_until: datetime | None = None
    closed_because: str | None = None

    @property
    def probing(self) -> bool:
        """Whether it was closed, so that only one request may find out whether it is well again."""
        return self.closed_because is not None


@dataclass(frozen=True)
class Healthy:
    """The account answered."""


@dataclass(frozen=True)
class Failing:
    """It did not, or broke. `why` is a word."""

    why: str


@dataclass(frozen=True)
class Busy:
    """It asks us to slow down."""

    pause: timedelta


@dataclass(frozen=True)
class RefusesUs:
    """Its key is wrong or lacks a right: nothing will pass until somebody mends it."""


Health = Healthy | Failing | Busy | RefusesUs


def refilled(flow: Flow, now: datetime, pace: Pace = STANDARD) -> Flow:
    """Give the account's standing now."""
    gained = max(0.0, (now - flow.refilled_at).total_seconds()) * pace.rate
    return replace(flow, tokens=min(pace.burst, flow.tokens + gained), refilled_at=max(now, flow.refilled_at))


def allowance(flow: Flow, leased: int, now: datetime, pace: Pace = STANDARD) -> int:
    """Tell how many works of a refilled account may start now.

    Args:
        leased: how many are under way.
    """
    if flow.closed_until is not None and now < flow.closed_until:
        return 0
    if flow.probing:
        return 1 if leased == 0 else 0
    return max(0, min(int(flow.tokens), pace.at_once - leased))


def shares(allowances: Sequence[int], slots: int) -> list[int]:
    """Deal slots out to accounts in turn, so that none takes all."""
    dealt = [0] * len(allowances)
    wanting = [n for n, allowed in enumerate(allowances) if allowed > 0]
    while slots > 0 and wanting:
        each = max(1, slots // len(wanting))
        for n in wanting:
            give = min(each, allowances[n] - dealt[n], slots)
            dealt[n] += give
            slots -= give
        wanting = [n for n in wanting if dealt[n] < allowances[n]]
    return dealt


def heard(flow: Flow, health: Health, now: datetime) -> Flow:
    """Apply what an answer, or silence, says of the account."""
    match health:
        case Healthy():
            return replace(flow, failures=0, closed_until=None, closed_because=None)
        case Busy(pause):
            return replace(flow, tokens=0.0, closed_until=now + pause, closed_because="throttled")
        case RefusesUs():
            return replace(flow, closed_until=now + REFUSED_FOR, closed_because="account_refused")
        case Failing(why):
            failures = flow.failures + 1
            if failures < TRIPS_AFTER:
                return replace(flow, failures=failures)
            pause = min(OPEN_FROM * 2 ** min(failures - TRIPS_AFTER, 10), OPEN_TO)
            return replace(flow, failures=failures, closed_until=now + pause, closed_because=why)
