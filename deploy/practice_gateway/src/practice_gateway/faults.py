"""What goes wrong on purpose: requests answered badly or not at all, webhooks late, doubled or lost.

Each rule has its own seeded random, so that a run can be repeated.
"""

import random
import re
from dataclasses import dataclass, field
from typing import Any

REQUEST_FAULTS = ("lose_before", "lose_after", "delay", "error", "error_after")
WEBHOOK_FAULTS = ("drop", "duplicate", "late", "reorder", "shuffle")
STATUSES = (401, 409, 429, 500)
MAX_SECONDS = 3_600.0
MAX_COPIES = 50
MAX_RULES = 50


@dataclass(slots=True, kw_only=True)
class Fault:
    """One rule.

    Attributes:
        kind: one of REQUEST_FAULTS or WEBHOOK_FAULTS.
        match: requests: pattern searched in "METHOD /path"; webhooks: searched in the event's type.
        probability: 0 to 1, drawn for each match.
        count: how many more times it strikes; None without limit.
        status: what "error" and "error_after" answer.
        seconds: how long "delay" and "late" take, and the window of "reorder" and "shuffle"; real seconds.
        copies: how often "duplicate" and "shuffle" send, in all.
    """

    kind: str
    match: re.Pattern[str]
    probability: float
    count: int | None
    status: int
    seconds: float
    copies: int
    random: random.Random
    struck: int = 0

    def strikes(self, subject: str) -> bool:
        """Draw whether it strikes now, and count it."""
        if self.count == 0 or not self.match.search(subject):
            return False
        if self.random.random() >= self.probability:
            return False
        if self.count is not None:
            self.count -= 1
        self.struck += 1
        return True


@dataclass(slots=True)
class Faults:
    """The rules of one account."""

    requests: list[Fault] = field(default_factory=list)
    webhooks: list[Fault] = field(default_factory=list)

    def on_request(self, method: str, path: str) -> list[Fault]:
        """Return the faults that strike this request, in the order of the rules."""
        if not self.requests:
            return []
        subject = f"{method} {path}"
        return [fault for fault in self.requests if fault.strikes(subject)]

    def delays(self, event_type: str) -> list[float]:
        """Return after how many real seconds each copy of a webhook is sent first; [0.0] when all is well."""
        delays = [0.0]
        for fault in self.webhooks:
            if fault.strikes(event_type):
                delays = _bend(delays, fault)
        return delays

    def wire(self) -> dict[str, Any]:
        """Return the rules with how often each struck."""
        return {
            "requests": [_wire(rule) for rule in self.requests],
            "webhooks": [_wire(rule) for rule in self.webhooks],
        }


def _bend(delays: list[float], fault: Fault) -> list[float]:
    match fault.kind:
        case "drop":
            return []
        case "duplicate":
            return delays * fault.copies
        case "late":
            return [delay + fault.seconds for delay in delays]
        case "reorder":
            return [delay + fault.random.uniform(0, fault.seconds) for delay in delays]
        case _:  # shuffle: the kinds are a closed set, checked when the rule was read
            return [
                delay + fault.random.uniform(0, fault.seconds)
                for delay in delays
                for _ in range(fault.copies)
            ]


def _wire(fault: Fault) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "match": fault.match.pattern,
        "remaining": fault.count,
        "struck": fault.struck,
    }


def parse_faults(body: Any) -> Faults:
    """Read {"requests": [...], "webhooks": [...]}.

    Raises:
        ValueError: says which rule is wrong, and why.
    """
    if not isinstance(body, dict) or set(body) - {"requests", "webhooks"}:
        raise ValueError("faults are an object with the lists requests and webhooks")
    return Faults(
        requests=_rules(body.get("requests", []), REQUEST_FAULTS, "requests"),
        webhooks=_rules(body.get("webhooks", []), WEBHOOK_FAULTS, "webhooks"),
    )


def _rules(items: Any, kinds: tuple[str, ...], where: str) -> list[Fault]:
    if not isinstance(items, list) or len(items) > MAX_RULES:
        message = f"{where} is a list of at most {MAX_RULES} rules"
        raise ValueError(message)
    return [_rule(item, kinds, f"{where}[{index}]") for index, item in enumerate(items)]


def _rule(item: Any, kinds: tuple[str, ...], where: str) -> Fault:
    known = {"kind", "match", "probability", "count", "status", "seconds", "copies", "seed"}
    if not isinstance(item, dict) or set(item) - known:
        message = f"{where} is an object with {', '.join(sorted(known))}"
        raise ValueError(message)
    if item.get("kind") not in kinds:
        message = f"{where}: kind is one of {', '.join(kinds)}"
        raise ValueError(message)
    status = item.get("status", 500)
    if status not in STATUSES:
        message = f"{where}: status is one of {STATUSES}"
        raise ValueError(message)
    try:
        match = re.compile(item.get("match", ""))
    except (re.error, TypeError) as error:
        message = f"{where}: match is not a pattern: {error}"
        raise ValueError(message) from error
    count = item.get("count")
    return Fault(
        kind=item["kind"],
        match=match,
        probability=_bounded(item.get("probability", 1.0), 0.0, 1.0, f"{where}: probability"),
        count=None if count is None else int(_bounded(count, 0, 1e9, f"{where}: count")),
        status=status,
        seconds=_bounded(item.get("seconds", 1.0), 0.0, MAX_SECONDS, f"{where}: seconds"),
        copies=int(_bounded(item.get("copies", 2), 1, MAX_COPIES, f"{where}: copies")),
        random=random.Random(item.get("seed", 0)),
    )


def _bounded(value: Any, least: float, most: float, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        message = f"{where} is a number from {least:g} to {most:g}, not {value!r}"
        raise ValueError(message)
    return float(value)
