"""Lines for `decide`, and a stream that is spoken to line by line."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from recoup_retry_scheduler.rehearsal.decide import Decider

Line = dict[str, Any]
START = datetime(2026, 2, 3, 9, tzinfo=UTC)  # a Tuesday


def at(hours: float) -> str:
    """Spell an instant so many hours after the start."""
    return f"{(START + timedelta(hours=hours)).isoformat()[:19]}Z"


def policy(mode: str = "custom", **told: Any) -> Line:
    return {"type": "policy", "merchant": "m1", "mode": mode} | told


def failure(hours: float = 0, case: str = "c1", **told: Any) -> Line:
    usual: Line = {
        "type": "failure",
        "at": at(hours),
        "case": case,
        "merchant": "m1",
        "customer": "u1",
        "instrument": "k1",
        "gateway": "stripe",
        "code": "insufficient_funds",
        "brand": "visa",
        "country": "DE",
        "funding": "debit",
        "timezone": "Europe/Berlin",
    }
    return usual | told


def outcome(hours: float, case: str = "c1", code: str | None = "insufficient_funds", **told: Any) -> Line:
    return {"type": "outcome", "at": at(hours), "case": case, "success": False, "code": code} | told


def success(hours: float, case: str = "c1") -> Line:
    return {"type": "outcome", "at": at(hours), "case": case, "success": True}


def card(hours: float, instrument: str = "k2", customer: str = "u1") -> Line:
    return {"type": "card_updated", "at": at(hours), "customer": customer, "instrument": instrument}


class Stream:
    """One stream, whose mode is `custom` until another policy is told: days 1, 3 and 7."""

    def __init__(self, decider: Decider | None = None) -> None:
        self.decider = decider or Decider()
        self._line = 0
        self.tell(policy())

    def tell(self, *lines: Line | str) -> list[Line]:
        """Tell some lines; give the answers to the last."""
        answers: list[Line] = []
        for line in lines:
            self._line += 1
            raw = line if isinstance(line, str) else json.dumps(line)
            answers = list(self.decider.hear(raw, self._line))
            assert all(answer["line"] == self._line for answer in answers)
        return answers

    def one(self, *lines: Line | str) -> Line:
        """Tell some lines, of which the last has one answer."""
        (answer,) = self.tell(*lines)
        return answer
