"""What the choice of a try's instant follows from, in mode smart. Pure: whoever chooses is passed in.

Promise: a choice follows from a `Sight` and from the instants that the rules allow, and from nothing else; while the
sight stays the same, so does the plan.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from recoup_declines import DeclineClass
from recoup_retry_scheduler.cases.domain.book import Book
from recoup_retry_scheduler.cases.domain.case import Case
from recoup_retry_scheduler.cases.domain.facts import Card, Charge
from recoup_retry_scheduler.rules.verdict import Allowed, Payment


@dataclass(frozen=True, slots=True)
class Sight:
    """A case as whoever chooses sees it.

    Attributes:
        declined: the class of the last decline on the card that would be charged; None where it was not tried yet.
        funding: of that card; `country`: of its issuer.
        zone: the merchant's, an IANA name.
        first_at: what the window counts from.
        last_at: the last decline.
        number: of charges that failed, the first included.
        tries: that are left.
        past: the customer's charges, oldest first, this case's among them.
    """

    declined: DeclineClass | None
    funding: str | None
    country: str | None
    zone: str
    first_at: datetime
    last_at: datetime
    number: int
    tries: int
    past: tuple[Charge, ...]

    @property
    def mark(self) -> str:
        """What is the same for the same sight, and for no other."""
        return sha256(repr(self).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Choice:
    """When to try, UTC, and why then: a sentence without its full stop."""

    at: datetime
    reason: str


Choose = Callable[[Sight, Allowed], Choice | None]
"""Gives an instant between the earliest and the latest that are allowed, or None where no try is worth its cost."""


def sight(case: Case, book: Book, card: Card | None, payment: Payment) -> Sight:
    """Look at a case."""
    return Sight(
        declined=None if payment.last is None else payment.last.said.decline.decline_class,
        funding=card.funding if card else None,
        country=card.country if card else None,
        zone=book.zone,
        first_at=case.anchor_at,
        last_at=case.last_failed_at if payment.last is None else payment.last.at,
        number=case.tries_made + 1,
        tries=case.steps_left,
        past=book.charges(),
    )


def evenly(sight: Sight, instants: Allowed) -> Choice | None:
    """Spread the tries that are left over what is left of the window: the choice of whoever knows nothing more."""
    at = instants.earliest + (instants.latest - instants.earliest) / (sight.tries + 1)
    return Choice(at, "tries are spread evenly over the window")
