"""What a stream has told: open cases, instruments at a merchant, and customers. It decides nothing.

Instants are UTC.
"""

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

from recoup_retry_scheduler.rehearsal import wire
from recoup_retry_scheduler.rules import limits, schemes
from recoup_retry_scheduler.rules.codes import Said
from recoup_retry_scheduler.rules.never import Ban
from recoup_retry_scheduler.rules.verdict import Last, Payment, Policy
from recoup_retry_scheduler.smart import mind as minds

Answer = dict[str, Any]
Key = tuple[str, str]
"""Merchant and instrument."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A merchant's policy, as it was told and as the rules see it."""

    told: wire.Policy
    policy: Policy

    @classmethod
    def of(cls, told: wire.Policy) -> Self:
        """Read a policy."""
        window, gap = timedelta(days=told.window_days), timedelta(hours=told.min_gap_hours)
        return cls(told, Policy(told.max_tries, window, gap))


@dataclass(slots=True)
class Tried:
    """What a case knows of one instrument.

    Attributes:
        ban: for this payment alone.
        doubtful: a decline after `last` that may have been of another instrument: it forbids, but lifts nothing.
    """

    charges: int = 0
    last: Last | None = None
    doubtful: Last | None = None
    ban: Ban | None = None

    @property
    def newest(self) -> Last | None:
        """The decline that was probably the last one."""
        return self.doubtful or self.last

    def note(self, said: Said, at: datetime, *, in_doubt: bool) -> None:
        """Note a decline, in whatever order they are told. `in_doubt`: it may have been of another instrument."""
        self.charges += said.charged
        if said.ban is not None:
            self.ban = self.ban or said.ban
        newest = self.newest
        if newest is not None and at < newest.at:
            return
        if in_doubt and self.last is not None:
            self.doubtful = Last(at, said)
        else:
            self.last, self.doubtful = Last(at, said), None


@dataclass(slots=True)
class Credential:
    """An instrument at a merchant, whatever it pays for.

    Attributes:
        told: the failure that told most lately what it is; None of one that only a card update has named.
        declines: the newest, oldest first; as many as a limit looks at.
        cases: open ones that would be paid with it.
    """

    key: Key
    told: wire.Failure | None = None
    declines: list[datetime] = field(default_factory=list)
    cases: dict[str, "Case"] = field(default_factory=dict)

    def note(self, at: datetime) -> None:
        """Count a decline."""
        insort(self.declines, at)
        del self.declines[: -limits.MOST_COUNTED]


@dataclass(slots=True)
class Person:
    """A customer.

    Attributes:
        mind: what is believed of them.
        zone: where they are, as the last failure told it.
        located: the country of their bank has been told.
        card: the newest that is known, and when it came.
        paid_at: when the newest charge that is known to have passed was made.
    """

    mind: minds.Customer
    zone: str | None = None
    located: bool = False
    cases: dict[str, "Case"] = field(default_factory=dict)
    card: tuple[datetime, str] | None = None
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The try that stands."""

    at: datetime
    p: float
    propensity: float
    reason: str


@dataclass(frozen=True, slots=True)
class Due:
    """A try that was due, its outcome untold, when another card came."""

    instrument: str
    at: datetime


@dataclass(slots=True)
class Case:
    """An open case.

    Attributes:
        opened: by this line.
        credential: that would be charged next.
        tried: by instrument.
        outcomes: instants of the outcomes told: one that comes twice counts once.
        tries: planned ones that were made.
        overtaken: the next outcome may be this try's.
        in_doubt: since another card came only others have charged, and nobody can tell with which card.
        perhaps: cards that were told late, when charges may have been made with them: in doubt for good.
        standing: the last answer.
    """

    opened: wire.Failure
    gateway: str
    wish: Wish
    person: Person
    credential: Credential
    tried: dict[str, Tried]
    last_at: datetime
    outcomes: set[datetime] = field(default_factory=set)
    tries: int = 0
    plan: Plan | None = None
    overtaken: Due | None = None
    in_doubt: bool = False
    perhaps: set[str] = field(default_factory=set)
    standing: Answer = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name on the wire."""
        return self.opened.case

    @property
    def on(self) -> Tried | None:
        """What is known of the instrument that would be charged."""
        return self.tried.get(self.credential.key[1])

    def payments(self, ban: Ban | None) -> Iterator[Payment]:
        """Give the payment as the rules want to know it: once, or twice where its last decline is in doubt.

        Args:
            ban: of the credential.
        """
        on = self.on or _UNTRIED
        payment = Payment(
            policy=self.wish.policy,
            gateway=self.gateway,
            brand=self.brand,
            country=self.country,
            first_at=self.opened.at,
            tries=self.tries,
            charges=on.charges,
            last=on.last,
            ban=ban or on.ban,
            declines=self.credential.declines,
        )
        yield payment
        if on.doubtful is not None:
            yield replace(payment, last=on.doubtful)

    @property
    def brand(self) -> str | None:
        """Of the instrument that would be charged: one that nobody has described is taken for one of the same."""
        known = self.credential.told or self.opened
        return schemes.scheme_of(known.gateway or "", known.brand) or known.brand

    @property
    def country(self) -> str | None:
        """Likewise."""
        return (self.credential.told or self.opened).country


_UNTRIED = Tried()
