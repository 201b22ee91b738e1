"""The mind: from what is known of a failure to the instant of the next try, and what outcomes teach.

Instants are hours since 1970, UTC; `offset` is the hours to add for local time. Rules are not its business: it is
given from when and until when it may try, and how far apart.
"""

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recoup_retry_scheduler.smart import odds, paydays, planner, reasons
from recoup_retry_scheduler.smart.exploring import REDRAWN_AFTER, Draws
from recoup_retry_scheduler.smart.learning import Weights, logistic
from recoup_retry_scheduler.smart.odds import Kind
from recoup_retry_scheduler.smart.planner import Outlook, best
from recoup_retry_scheduler.smart.reasons import Scene
from recoup_retry_scheduler.smart.tables import SOON, Failing, Tables, slots as slots_of

Floats = NDArray[np.float64]

COST = 0.02
"""What a try costs, as a share of a recovery: fees, the network's patience, the customer's."""

A_DAY_LATER = 0.0005
"""What a day's delay costs, likewise."""

UNLIKELY = 0.004
"""A pay cycle that is believed less is left out of a plan."""

ALIKE = np.array([0.0, 1.0, 3.0, 6.0, 12.0])
"""Days since a payday, up to which paydays are learnt of as one."""

HARDLY = 0.01
"""The share of an outcome that is not learnt any more."""


@dataclass(slots=True)
class Customer:
    """What is believed of a customer. `passed_at`: when a charge of theirs last passed."""

    belief: Floats
    surprise: float = 0.0
    tries: int = 0
    passed_at: float = -1e9

    @property
    def effect(self) -> float:
        """Outcomes beyond expectation, shrunk towards none."""
        return self.surprise / (self.tries + 3)


@dataclass(frozen=True, slots=True)
class Choice:
    """When to try next, with what odds, and why then. `propensity`: the odds with which this instant was drawn."""

    at: float
    p: float
    reason: str
    propensity: float = 1.0


def _distinct(
    truths: NDArray[np.int64], share: NDArray[np.float32], counts: NDArray[np.int16]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Give truths by which something differs: those that have no payday between the slots are one.

    Args:
        counts: paydays there were, by slot and pay cycle.
    """
    none = (counts[-1] == counts[0])[truths]
    if not none.any():
        return truths, share
    kept = ~none
    one = int(none.argmax())
    kept[one], share[one] = True, share[none].sum()
    return truths[kept], share[kept]


def _fails(odds: NDArray[np.float32], of_try: np.float32) -> NDArray[np.float32]:
    fails = odds * of_try
    fails += 1
    np.reciprocal(fails, out=fails)
    return fails


@dataclass
class Mind:
    """Weights, and tables that follow from them until they change.

    Args:
        seed: fixes what is drawn.
        frozen: the weights stay as they are, and nothing is explored that they could learn from.
    """

    weights: Weights = field(default_factory=Weights.prior)
    seed: int = 0
    frozen: bool = False
    _tables: Tables | None = None
    _draws: Draws | None = None

    def choose(
        self,
        failing: Failing,
        customer: Customer,
        *,
        earliest: float,
        latest: float,
        apart: float,
        tries: int,
    ) -> Choice | None:
        """Choose the next try between two instants, or None where no further try is worth its cost.

        Args:
            apart: hours between two tries, at least.
            tries: that are left.
        """
        if tries <= 0 or latest < earliest:
            return None
        tables, draws = self.tables(), None if self.frozen or failing.lot is None else self.draws()
        hour = tables.hour if draws is None else draws.hour(failing)
        slots = slots_of(failing, earliest, latest, hour)
        tries = min(tries, len(slots) - 1)
        scene = self._scene(tables, failing, customer, slots, apart, tries)
        found = best(scene.outlook, _spread(slots, tries))
        if found is None:
            return None
        slot, propensity = found[0], 1.0
        if draws is not None:
            slot, propensity = draws.first(failing, scene, found)
        p = planner.odds(scene.outlook, slot)
        reason = reasons.why(tables, failing, customer.effect, scene, slot, p)
        return Choice(float(slots[slot]), p, reason, propensity)

    def tables(self) -> Tables:
        """Give the tables of the present weights."""
        if self._tables is None or self._tables.version != self.weights.version:
            self._tables = Tables.of(self.weights)
        return self._tables

    def draws(self) -> Draws:
        """Give sets of weights drawn from a posterior that is hardly older than the present one."""
        if self._draws is None or self.weights.version - self._draws.version >= REDRAWN_AFTER:
            self._draws = Draws.of(self.weights, self.seed)
        return self._draws

    def _scene(
        self, tables: Tables, failing: Failing, customer: Customer, slots: Floats, apart: float, tries: int
    ) -> Scene:
        kind = tables.kinds[failing.kind]
        local, since = slots + failing.offset, slots - failing.first_at
        aged, counts = paydays.at(local)
        likely = np.flatnonzero(customer.belief > UNLIKELY)
        share = customer.belief[likely].astype(np.float32)
        if customer.passed_at > failing.last_at:
            counts[0] = -1
        else:
            likely, share = _distinct(likely, share, counts)
        share /= share.sum()
        aged, counts = aged[:, likely], counts[:, likely]
        paid = kind.paid[aged]
        effect = math.exp(tables.customer * customer.effect)
        base = tables.by_hour(local) * np.exp(kind.late * since) * effect
        hours = np.ceil(slots - slots[0]).astype(np.int64)
        gaps = hours - hours[:, None]
        by_gap = base.astype(np.float32) * kind.faded[gaps]
        by_gap[gaps < apart] = 0
        crossed = np.where(counts > counts[:, None], paid, np.float32(1))
        crossed *= by_gap[:, :, None]
        by_try = (np.arange(failing.number, failing.number + tries) ** kind.number).astype(np.float32)
        return Scene(
            likely,
            aged,
            paid,
            counts > counts[0],
            hours,
            local,
            effect * float(by_try[0]) * math.exp(kind.late * float(since[0])),
            int(np.searchsorted(slots, slots[1] + SOON[-1], "right")),
            Outlook(
                share,
                [_fails(crossed[:1], by_try[0]), *(_fails(crossed, of_try) for of_try in by_try[1:])],
                (COST + A_DAY_LATER / 24 * since).astype(np.float32),
            ),
        )

    def learn(self, failing: Failing, customer: Customer, at: float, *, passed: bool) -> None:
        """Learn from a try's outcome: what it says about this customer, then the weights unless they are frozen.

        When the customer was paid is not seen. The outcome is learnt as several, for no payday since the last try and
        for one so many days ago, each by its share after the outcome is known (expectation and maximisation).
        """
        first, day = (paydays.day_of(one + failing.offset) for one in (failing.last_at, at))
        crossed = paydays.crossed(first, day) | (failing.last_at < customer.passed_at <= at)
        place, (fresh, ages) = odds.OF_KIND[failing.kind] + odds.CROSSED, _paid(day)
        paid = fresh * crossed
        x, mean = self._features(failing, customer, at), self.weights.mean
        logits = x @ mean + mean[place : place + len(paid)] @ paid
        passes = logistic(logits)
        customer.surprise += passed - float(customer.belief @ passes)
        customer.tries += 1
        likelihood = passes if passed else 1 - passes
        after = customer.belief * likelihood
        after /= after.sum()
        alike = ages * crossed
        shares, sums = _sums(alike, after), np.array([_sums(alike, after * one) for one in paid])
        for group in () if self.frozen else np.flatnonzero(shares > HARDLY):
            row = x.copy()
            row[place : place + len(paid)] = sums[:, group] / shares[group]
            self.weights.hear(row, float(shares[group]), passed)
        _sharpen(customer, likelihood)
        if passed:
            customer.passed_at = at

    def _features(self, failing: Failing, customer: Customer, at: float) -> Floats:
        local = at + failing.offset
        return odds.vector(
            odds.Tried(
                kind=failing.kind,
                hour=int(local % 24),
                weekday=int(local // 24 + 3) % 7,
                gap=max(at - failing.last_at, 0.0),
                since=at - failing.first_at,
                number=failing.number,
                customer=customer.effect,
            )
        )


@lru_cache(maxsize=1024)  # a few kilobytes each; most of what is told is of the same days
def _paid(day: int) -> tuple[Floats, NDArray[np.int64]]:
    """Give by cycle the features of its last payday, as old as it is on a day, and which ages are learnt as one."""
    ages = paydays.ages(day)
    fresh = np.array([np.ones(len(ages)), *(np.exp(-ages / days) for days in odds.FRESH)])
    return fresh, 1 + np.searchsorted(ALIKE, ages)


def _sums(groups: NDArray[np.int64], values: Floats) -> Floats:
    """Add values up by group."""
    return np.bincount(groups, values, len(ALIKE) + 2).astype(np.float64)


def _spread(slots: Floats, tries: int) -> list[int]:
    """Give slots from 1 on for so many tries, evenly spread over the time there is."""
    first, last = float(slots[1]), float(slots[-1])
    wanted = [first + (last - first) * (n + 0.5) / tries for n in range(tries)]
    spread, before = [], 0
    for left, slot in zip(range(tries, 0, -1), slots.searchsorted(wanted), strict=True):
        before = min(max(int(slot), before + 1), len(slots) - left)
        spread.append(before)
    return spread


SCARCE = {Kind.FUNDS: 1.0, Kind.REFUSED: 0.5, Kind.FUNDS_ON_CREDIT: 0.4, Kind.REFUSED_ON_CREDIT: 0.2}
"""How much a failure tells of a lack of wages, by its kind; others tell nothing."""


def located(customer: Customer, before: Floats, after: Floats) -> None:
    """Learn where a customer's bank is: what was learnt of them stays, what was believed before it changes.

    Args:
        before, after: share of each pay cycle among all customers, as was thought and as is known now.
    """
    belief = customer.belief * (after / before)
    customer.belief = belief / belief.sum()


def failed(customer: Customer, kind: Kind, *, day: int) -> None:
    """Learn from a first failure when money is scarce: rather late in a pay cycle."""
    strength = SCARCE.get(kind, 0.0)
    if strength:
        _sharpen(customer, when_scarce(_phase(day), strength))


def passed(customer: Customer, at: float, offset: float) -> None:
    """Learn from another charge of the customer's that passed."""
    _sharpen(customer, when_paid(_phase(paydays.day_of(at + offset))))
    customer.passed_at = max(customer.passed_at, at)


@lru_cache(maxsize=1024)
def _phase(day: int) -> Floats:
    return phase(paydays.ages(day))


def _sharpen(customer: Customer, likelihood: Floats) -> None:
    customer.belief = mixed(customer.belief * likelihood)


# Of one customer, or of several, one in each row; the fit to a whole log calls them too:


def phase(ages: NDArray[np.number[Any]]) -> Floats:
    """Give by cycle how much of it has passed, 0 to 1; `ages`: days since its last payday."""
    passed: Floats = np.minimum(ages / paydays.LENGTHS, 1.0)
    return passed


def when_scarce(phase: Floats, strength: float | Floats) -> Floats:
    """Give by cycle how likely money is scarce; `strength`: how much that tells, 0 to 1."""
    likely: Floats = (0.5 + phase) ** strength
    return likely


def when_paid(phase: Floats) -> Floats:
    """Give by cycle how likely a charge passes."""
    return 1.2 - 0.4 * phase


def mixed(belief: Floats) -> Floats:
    """Make shares add up to one, and keep a little of every cycle."""
    shares = belief / belief.sum(axis=-1, keepdims=True)
    kept: Floats = 0.995 * shares + 0.005 / belief.shape[-1]
    return kept
