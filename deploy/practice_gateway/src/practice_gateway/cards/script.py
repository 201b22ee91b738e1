"""A card's script: what it answers, by the number of the try and by the merchant's time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from practice_gateway.cards.declines import DECLINES
from practice_gateway.clock import parse_instant

OK = "ok"
AUTHENTICATE = "authenticate"
MAX_RULES = 50


@dataclass(slots=True)
class Rule:
    """One line of a script; it applies while all its conditions hold.

    Attributes:
        outcome: "ok", "authenticate", or a decline reason.
        since: first instant at which it applies, merchant's Unix seconds.
        until: first instant at which it no longer does.
        tries: how many more tries it takes; None without limit.
        session: applies on session only, off session only, or on both.
    """

    outcome: str
    since: float | None = None
    until: float | None = None
    tries: int | None = None
    session: Literal["on", "off", "both"] = "both"

    def applies(self, now: float, *, off_session: bool, authenticated: bool) -> bool:
        """Tell whether this rule answers a try now. Who has authenticated passes "authenticate" rules."""
        return (
            (self.since is None or now >= self.since)
            and (self.until is None or now < self.until)
            and (self.tries is None or self.tries > 0)
            and (self.session == "both" or (self.session == "off") == off_session)
            and not (self.outcome == AUTHENTICATE and authenticated)
        )


class Script:
    """Rules in order; the first that applies answers. Where none does, the card is good."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.rules = tuple(rules)

    def answer(self, now: float, *, off_session: bool, authenticated: bool) -> str:
        """Answer one try and count it."""
        for rule in self.rules:
            if rule.applies(now, off_session=off_session, authenticated=authenticated):
                if rule.tries is not None:
                    rule.tries -= 1
                return rule.outcome
        return OK


def parse_script(body: Any) -> Script:
    """Read a list of {"outcome", "from", "until", "tries", "session"}.

    Raises:
        ValueError: says which rule is wrong, and why.
    """
    if not isinstance(body, list) or len(body) > MAX_RULES:
        message = f"a script is a list of at most {MAX_RULES} rules"
        raise ValueError(message)
    return Script([_rule(item, index) for index, item in enumerate(body)])


def _rule(item: Any, index: int) -> Rule:
    if not isinstance(item, dict):
        message = f"rule {index} is not an object"
        raise ValueError(message)  # noqa: TRY004  one error for every bad script
    unknown = set(item) - {"outcome", "from", "until", "tries", "session"}
    if unknown:
        message = f"rule {index} has unknown fields: {', '.join(sorted(unknown))}"
        raise ValueError(message)
    outcome, tries, session = item.get("outcome"), item.get("tries"), item.get("session", "both")
    if outcome not in (OK, AUTHENTICATE) and outcome not in DECLINES:
        message = (
            f"rule {index}: outcome {outcome!r} is neither ok, authenticate nor one of {sorted(DECLINES)}"
        )
        raise ValueError(message)
    if tries is not None and (isinstance(tries, bool) or not isinstance(tries, int) or tries < 1):
        message = f"rule {index}: tries is a whole number from 1, not {tries!r}"
        raise ValueError(message)
    if session not in ("on", "off", "both"):
        message = f"rule {index}: session is on, off or both, not {session!r}"
        raise ValueError(message)
    return Rule(
        outcome=outcome,
        since=parse_instant(item["from"]) if "from" in item else None,
        until=parse_instant(item["until"]) if "until" in item else None,
        tries=tries,
        session=session,
    )
