"""The stream that a world sends: renewals that fail, and what else is told of the customers they belong to.

Promise: the stream is the same whatever the decider does. A subscription ends after a failure that no try within two
weeks could have recovered, and with a card that is never replaced.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from . import paydays
from .labels import Codes, codes, told_as
from .paths import Cause, Causes, causes_of
from .people import BRANDS, Funding, Ints, People, Purpose, draw_people
from .troubles import LAST_RENEWAL, NEVER, cards_of, renewals
from .world import BEFORE, HOURLY, HOURS, LONGEST_WINDOW, ORIGIN, Draw, Grid, World

EPOCH = int(datetime(ORIGIN.year, ORIGIN.month, ORIGIN.day, tzinfo=UTC).timestamp())
"""Seconds of ORIGIN's midnight in UTC."""
KEPT_HOURS = 24 * (LONGEST_WINDOW + 1)
HOPELESS_HOURS = 14 * 24
GOLDEN = 0.6180339887
"""Turns one uniform number into one for each day."""
FUNDINGS = {funding: funding.name.lower() for funding in Funding}
BRAND_NAMES = tuple(BRANDS)


@dataclass(slots=True)
class Failure:
    """A renewal that failed, and its latent path.

    Args:
        case: its id, in the order of time.
        at: seconds since 1970, UTC.
        hour: local, since ORIGIN's midnight; the path begins there.
        path: why a try would fail, by the hour.
        renewed_at: when the customer gives a new card, seconds; infinite otherwise.
        luck: uniform in [0, 1): labels of each day follow from it.
    """

    case: str
    at: int
    customer: str
    hour: int
    zone: int
    issuer: int
    path: Causes
    renewed_at: float
    luck: float
    brand: str
    passed: bool
    amount_minor: int
    wire: dict[str, Any]

    def instrument(self, at: float) -> str:
        """Give the fingerprint of the card that is charged at an instant."""
        return f"k-{self.customer}-{1 if at < self.renewed_at else 2}"

    def codes(self, world: World, cause: Cause, hour: int) -> Codes:
        """Say a cause as the issuer and the gateway would.

        Args:
            hour: local, since ORIGIN's midnight.
        """
        luck = (self.luck + hour // 24 * GOLDEN) % 1
        return codes(told_as(world, self.issuer, cause, luck), self.brand, passed=self.passed)


@dataclass(frozen=True, slots=True)
class Told:
    """Something else that the wire tells, at an instant in seconds since 1970."""

    at: int
    wire: dict[str, Any]


@dataclass(frozen=True)
class Stream:
    """Failures and other events, each in the order of time."""

    world: World
    failures: list[Failure]
    told: list[Told]


def iso(at: float) -> str:
    """Write an instant as the wire does, whole seconds."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_stream(world: World, failures: int, *, talking: float = 0.0) -> Stream:
    """Make a stream of so many failures over a year.

    Args:
        talking: share of the customers with paydays who say after a failure when they are paid.
    """
    found: list[Failure] = []
    told: list[Told] = []
    number = 0
    while len(found) < failures:
        block = _Block(draw_people(world, Purpose.STREAM, number), talking)
        for failed, others in block.customers():
            found += failed
            told += others
            if len(found) >= failures:
                break
        number += 1
    found.sort(key=lambda failure: (failure.at, failure.customer))
    found = found[:failures]
    for i, failure in enumerate(found, 1):
        failure.case = failure.wire["case"] = f"c{i}"
    told.sort(key=lambda one: (one.at, one.wire["customer"]))
    return Stream(world, found, told)


def still_made(causes: Causes, grid: Grid, who: Ints, hour: Ints) -> npt.NDArray[np.bool_]:
    """Tell which renewals are still made: none after one that could not be recovered.

    Args:
        causes: on the grid.
        who, hour: of each renewal, in the order of time.
    """
    place = grid.places(hour)
    failed = np.flatnonzero(causes[who, place] != Cause.NONE)
    within = np.minimum(place[failed][:, None] + np.arange(HOPELESS_HOURS // grid.step), len(grid) - 1)
    hopeless = failed[~(causes[who[failed][:, None], within] == Cause.NONE).any(axis=1)]
    last = np.full(len(causes), NEVER)
    np.minimum.at(last, who[hopeless], hour[hopeless])
    return hour <= last[who]


class _Block:
    """A block of customers and what happens to them."""

    def __init__(self, people: People, talking: float) -> None:
        self.people, self.talking = people, talking
        self.chance = people.world.chance(Draw.CHARGES, people.purpose, people.number)
        self.cards = cards_of(people)
        self.causes = causes_of(people, HOURLY, self.cards)
        who, _, minute = renewals(people)
        kept = still_made(self.causes, HOURLY, who, minute // 60)
        self.who, self.minute = who[kept], minute[kept]
        self.fails = self.causes[self.who, self.minute // 60] != Cause.NONE

    def customers(self) -> Iterator[tuple[list[Failure], list[Told]]]:
        """Give failures and other events, customer by customer."""
        people, world = self.people, self.people.world
        luck = self.chance.random((len(people), 2))
        others = self.chance.poisson(world.odds["other_charges"] * 12, len(people))
        extra = self.chance.integers(BEFORE * 1440, LAST_RENEWAL * 60, int(others.sum()))
        ends = np.cumsum(others)
        order = np.argsort(self.who, kind="stable")
        bounds = np.searchsorted(self.who[order], np.arange(len(people) + 1))
        for i in range(len(people)):
            mine = order[bounds[i] : bounds[i + 1]]
            failing = self.minute[mine][self.fails[mine]]
            if not len(failing):
                continue
            passing = self.minute[mine][~self.fails[mine]]
            other = extra[ends[i] - others[i] : ends[i]]
            other = other[(self.causes[i, other // 60] == Cause.NONE) & (other >= people.joined[i] * 1440)]
            failed = [self._failure(i, int(minute), float(luck[i, 0])) for minute in failing]
            told = [self._payment(i, int(minute)) for minute in (*passing, *other)]
            yield failed, [*told, *self._card(i), *self._paydays(i, failed, float(luck[i, 1]))]

    def _utc(self, i: int, minute: int) -> int:
        ahead = int(self.people.world.offsets[self.people.zone[i], minute // 60])
        return EPOCH + (minute - 60 * ahead) * 60

    def _name(self, i: int) -> str:
        return f"u{self.people.number * len(self.people) + i}"

    def _renewed_at(self, i: int) -> float:
        hour = int(self.cards.renewed[i])
        return self._utc(i, hour * 60) if hour < HOURS else float("inf")

    def _failure(self, i: int, minute: int, luck: float) -> Failure:
        people, world, hour = self.people, self.people.world, minute // 60
        issuer, brand = int(people.issuer[i]), BRAND_NAMES[people.brand[i]]
        country, _ = world.setting.countries[people.country[i]]
        merchant = world.merchants[people.merchant[i]]
        amount = max(99, int(people.income_minor[i] * people.price[i]) // 100 * 100 - 1)
        failure = Failure(
            "", self._utc(i, minute), self._name(i), hour, int(people.zone[i]), issuer,
            self.causes[i, hour : hour + KEPT_HOURS].copy(), self._renewed_at(i), luck, brand,
            merchant.codes_passed, amount, {},
        )  # fmt: skip
        said = failure.codes(world, Cause(int(failure.path[0])), hour)
        failure.wire = {
            "type": "failure", "at": iso(failure.at), "case": "", "merchant": merchant.name,
            "customer": failure.customer, "instrument": failure.instrument(failure.at),
            "amount_minor": amount, "currency": country.currency, "gateway": "stripe", "code": said.code,
            "advice": said.advice, "network_code": said.network_code, "network_advice": said.network_advice,
            "funding": FUNDINGS[Funding(int(people.funding[i]))], "brand": brand,
            "issuer": world.issuers[issuer].name, "country": country.code,
            "timezone": world.zones[people.zone[i]],
        }  # fmt: skip
        return failure

    def _payment(self, i: int, minute: int) -> Told:
        at = self._utc(i, minute)
        card = 1 if at < self._renewed_at(i) else 2
        name = self._name(i)
        return Told(
            at, {"type": "payment", "at": iso(at), "customer": name, "instrument": f"k-{name}-{card}"}
        )

    def _card(self, i: int) -> list[Told]:
        at = self._renewed_at(i)
        if at == float("inf"):
            return []
        name = self._name(i)
        wire = {"type": "card_updated", "at": iso(at), "customer": name, "instrument": f"k-{name}-2"}
        return [Told(int(at), wire)]

    def _paydays(self, i: int, failed: list[Failure], luck: float) -> Iterator[Told]:
        """Say the payday some hours after each failure, if this customer has one and talks."""
        people = self.people
        kind = people.world.kinds[people.kind[i]]
        if people.talks[i] >= self.talking or people.funding[i] != Funding.DEBIT or kind in paydays.IRREGULAR:
            return
        for failure in failed:
            at = failure.at + 3600 * (1 + int(luck * 30))
            local = ORIGIN + timedelta(hours=failure.hour + 1 + int(luck * 30))
            wire = {"type": "customer_payday", "at": iso(at), "customer": failure.customer}
            yield Told(at, wire | say_payday(kind, local))


def say_payday(kind: str, today: date) -> dict[str, Any]:
    """Say a kind of payday as the wire does: a weekday, a day of the month, or the next date."""
    name, _, told = kind.partition("_")
    if name == "weekly":
        return {"weekday": int(told)}
    if name == "day":
        return {"day_of_month": int(told)}
    ahead = paydays.paydays(kind, today + timedelta(days=1), today + timedelta(days=45))
    return {"date": ahead[0].isoformat()}
