"""Merchant time as a line over real time."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

MAX_RATE = 1_000_000.0  # merchant seconds in a real second


@dataclass(frozen=True, slots=True)
class Clock:
    """now = origin_merchant + rate * (real - origin_real).

    All in Unix seconds, the rate in merchant seconds a real second.
    """

    origin_real: float
    origin_merchant: float
    rate: float

    def at(self, real: float) -> float:
        """Return the merchant's instant at a real one, Unix seconds."""
        return self.origin_merchant + self.rate * (real - self.origin_real)

    def now(self) -> float:
        """Return the merchant's instant now, Unix seconds."""
        return self.at(time.time())

    def real_seconds_until(self, merchant: float) -> float:
        """Return how many real seconds remain until a merchant's instant; infinite while the clock stands."""
        remaining = merchant - self.now()
        if remaining <= 0:
            return 0.0
        return remaining / self.rate if self.rate > 0 else float("inf")

    def wire(self) -> dict[str, Any]:
        """Return the JSON that portal-api speaks too."""
        return {
            "origin_real": rfc3339(self.origin_real),
            "origin_merchant": rfc3339(self.origin_merchant),
            "rate": self.rate,
            "now": rfc3339(self.now()),
        }


REAL = Clock(origin_real=0.0, origin_merchant=0.0, rate=1.0)


def rfc3339(instant: float) -> str:
    """Format Unix seconds as RFC 3339 in UTC."""
    return datetime.fromtimestamp(instant, UTC).isoformat().replace("+00:00", "Z")


def parse_instant(value: Any) -> float:
    """Read Unix seconds or RFC 3339 with its offset.

    Raises:
        ValueError: neither, or an instant without an offset.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        message = f"an instant is Unix seconds or RFC 3339, not {value!r}"
        raise ValueError(message)  # noqa: TRY004  one error for every bad instant, whatever its type
    if isinstance(value, int | float):
        return float(value)
    parsed = datetime.fromisoformat(value)
    if parsed.tzinfo is None:
        message = f"{value!r} has no offset; write 2026-01-31T09:00:00Z"
        raise ValueError(message)
    return parsed.timestamp()


def parse_clock(body: Any) -> Clock:
    """Read {"origin_real", "origin_merchant", "rate"}.

    Raises:
        ValueError: says which field is missing or out of range.
    """
    if not isinstance(body, dict):
        raise ValueError("a clock is an object with origin_real, origin_merchant and rate")  # noqa: TRY004  likewise
    missing = [name for name in ("origin_real", "origin_merchant", "rate") if name not in body]
    if missing:
        message = f"a clock needs {', '.join(missing)}"
        raise ValueError(message)
    rate = body["rate"]
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate <= MAX_RATE:
        message = f"rate is a number from 0 to {MAX_RATE:g}, not {rate!r}"
        raise ValueError(message)
    return Clock(parse_instant(body["origin_real"]), parse_instant(body["origin_merchant"]), float(rate))
