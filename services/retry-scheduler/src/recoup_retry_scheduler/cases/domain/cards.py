"""A customer's cards: which is newest, which must never be charged again, which was declined since it came.

Promise: everything here merges by maximum and union, so that order and repetition change nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple

from recoup_declines import DefaultAction
from recoup_events.values import CardChange
from recoup_retry_scheduler.cases.domain.facts import Card, CardChanged, Failed, Verdict
from recoup_retry_scheduler.rules import codes
from recoup_retry_scheduler.rules.never import Reach


class Death(IntEnum):
    """Whether a card may be charged. `UNTIL_RENEWED`: another expiry revives it; `FOR_GOOD`: only another number."""

    ALIVE = 0
    UNTIL_RENEWED = 1
    FOR_GOOD = 2


class EditionKey(NamedTuple):
    """What tells one edition of a customer's instrument from another."""

    instrument_id: str
    fingerprint: str
    expiry: str


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition of a card.

    `since`: when the customer, or the network for them, gave it; none if only a charge told us of it.
    `declined_at`: its last decline, for any invoice.
    """

    card: Card
    since: datetime | None = None
    declined_at: datetime | None = None
    removed: bool = False
    death: Death = Death.ALIVE

    @property
    def key(self) -> EditionKey:
        """What tells it from the others."""
        return EditionKey(self.card.instrument_id, self.card.fingerprint or "", self.card.expiry)

    def merged(self, other: "Edition") -> "Edition":
        """Give what both know together."""
        return replace(
            self,
            since=_later(self.since, other.since),
            declined_at=_later(self.declined_at, other.declined_at),
            removed=self.removed or other.removed,
            death=max(self.death, other.death),
        )


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(one, other) if one and other else one or other


def edition_of_change(fact: CardChanged) -> Edition:
    """Give what a changed instrument teaches."""
    match fact.change:
        case CardChange.REMOVED:
            return Edition(fact.card, removed=True)
        case CardChange.ADDED | CardChange.REPLACED | CardChange.NETWORK_UPDATED:
            return Edition(fact.card, since=fact.at)
        case CardChange.UNKNOWN:
            return Edition(fact.card)


def edition_of_failure(fact: Failed, card: Card) -> Edition:
    """Give what a decline teaches about its card."""
    return Edition(card, declined_at=fact.at, death=max(_death(fact.verdict), _banned(fact, card)))


def _death(verdict: Verdict) -> Death:
    if verdict.kills_for_good:
        return Death.FOR_GOOD
    return Death.UNTIL_RENEWED if verdict.kills else Death.ALIVE


def _banned(fact: Failed, card: Card) -> Death:
    """What the rules read in each code by itself: a code that says never is not softened by another."""
    ban = codes.read(fact.gateway, card.scheme, fact.verdict).ban
    if ban is None or ban.reach is not Reach.CREDENTIAL:
        return Death.ALIVE
    return Death.UNTIL_RENEWED if ban.rule in _CURED_BY_RENEWAL else Death.FOR_GOOD


_CURED_BY_RENEWAL = frozenset({DefaultAction.NEEDS_NEW_CARD.value, "mastercard_update_first"})
"""Rules that forbid a card until it has another expiry."""


class Wallet:
    """All editions of one customer's cards."""

    def __init__(self, editions: tuple[Edition, ...] = ()) -> None:
        self._editions = {edition.key: edition for edition in editions}
        self._changed: set[EditionKey] = set()

    def learn(self, edition: Edition) -> None:
        """Add what is known of an edition."""
        known = self._editions.get(edition.key)
        merged = edition if known is None else known.merged(edition)
        if merged != known:
            self._editions[edition.key] = merged
            self._changed.add(edition.key)

    def changed(self) -> list[Edition]:
        """Give the editions that were learnt or changed since the book was opened."""
        return [self._editions[key] for key in sorted(self._changed)]

    def marks(self) -> set[str]:
        """Give what the cards are counted by."""
        return {edition.card.mark for edition in self._editions.values()}

    def usable(self, card: Card) -> bool:
        """Whether a card may be charged at all: not removed, and no network or bank forbids it."""
        return not self._is_removed(card) and not any(
            (edition.death is Death.FOR_GOOD and edition.card.is_same_card(card))
            or (edition.death is Death.UNTIL_RENEWED and edition.card.is_same_edition(card))
            for edition in self._editions.values()
        )

    def on_file(self, card: Card) -> Card:
        """Give the card itself, or where it was removed the newest entry of the same number and expiry."""
        if not self._is_removed(card):
            return card
        again = [
            (edition.since, edition.key, edition.card)
            for edition in self._editions.values()
            if edition.since and edition.card.is_same_edition(card) and not self._is_removed(edition.card)
        ]
        return max(again)[2] if again else card

    def _is_removed(self, card: Card) -> bool:
        return any(
            edition.removed and edition.card.instrument_id == card.instrument_id
            for edition in self._editions.values()
        )

    def given_at(self, card: Card) -> datetime | None:
        """When this edition was given, the latest if it was given more than once."""
        times = [e.since for e in self._editions.values() if e.since and e.card.is_same_edition(card)]
        return max(times, default=None)

    def newest_after(self, failed: Card | None, failed_at: datetime) -> Card | None:
        """Give the newest usable card that was given after the one that failed.

        Where nobody told which card failed, it must have been given no earlier than the failure; a failed card
        that was never given in our sight is older than any that was.
        """
        newer = [
            (edition.since, edition.key, edition.card)
            for edition in self._editions.values()
            if edition.since is not None
            and self._is_newer(edition, failed, failed_at)
            and self.usable(edition.card)
        ]
        return max(newer)[2] if newer else None

    def _is_newer(self, edition: Edition, failed: Card | None, failed_at: datetime) -> bool:
        assert edition.since is not None
        if failed is None:
            return edition.since >= failed_at
        if edition.card.is_same_edition(failed):
            return False
        given = self.given_at(failed)
        return given is None or edition.since > given

    def is_untried(self, card: Card) -> bool:
        """Whether no charge on this card was declined since the customer gave it."""
        given = self.given_at(card)
        return given is not None and not any(
            edition.declined_at is not None
            and edition.declined_at >= given
            and edition.card.is_same_edition(card)
            for edition in self._editions.values()
        )
