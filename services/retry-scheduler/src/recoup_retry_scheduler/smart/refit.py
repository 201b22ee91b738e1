"""The weights fitted to a whole log at once: what `Mind.learn` does outcome by outcome, for thousands of them together.

Beliefs about customers evolve in waves, each with one event of a customer at most; the weights are brought up to date
after each part of the log (Laplace's approximation, by Newton's method). Parts are small while there is much to learn,
for each is explained with the weights of those before it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recoup_retry_scheduler.smart import odds, paydays
from recoup_retry_scheduler.smart.attempts import KINDS, Days, Events, Log, What, waves
from recoup_retry_scheduler.smart.learning import OLD_DATA, Weights, logistic
from recoup_retry_scheduler.smart.mind import (
    ALIKE,
    HARDLY,
    SCARCE,
    mixed,
    phase,
    when_paid,
    when_scarce,
)
from recoup_retry_scheduler.smart.tables import FRESH

Floats = NDArray[np.float64]
Places = NDArray[np.int64]

FEWEST, MOST = 50, 20_000
"""Attempts that are learnt together: some forty are one by one, too."""

GROWTH = 0.1
"""Attempts that are learnt together, as a share of those learnt before."""

AT_ONCE = 4096
"""Customers whose beliefs evolve together: what is worked on stays in the processor's cache."""

STEPS, STANDS = 10, 1e-3
"""Of Newton's method at most; and the move in standard deviations after which it stands."""

_SURE = 1e-12
"""Odds are never told as less."""

_GROUPS = len(ALIKE) + 2
_OF_KIND = np.array([odds.OF_KIND[kind] for kind in KINDS])
_OWN = odds.LATE + 1
_COLUMNS = [np.r_[at : at + _OWN, odds.HOURS : odds.CUSTOMER + 1] for at in _OF_KIND]
"""The weights that a kind of decline has to do with."""

_ALIKE = 1 + np.searchsorted(ALIKE, np.arange(paydays.OLD + 1))
_SCARCE = np.array([SCARCE.get(kind, 0.0) for kind in KINDS])
_WAGES = slice(odds.CROSSED, odds.FRESHNESS + len(odds.FRESH))


def refit(log: Log, weights: Weights, taught: int) -> Weights:
    """Learn from the first attempts of a log.

    Args:
        weights: to start from; they stay as they are.
        taught: how many attempts are learnt from.
    """
    fit, attempts, learnt = _Refit(log, weights), log.attempts, 0
    for size in _parts(taught):
        begin = int(attempts[learnt - 1]) + 1 if learnt else 0
        learnt += size
        fit.learn(log.events[begin : attempts[learnt - 1] + 1], begin, size)
    return Weights(fit.mean, fit.precision, seen=weights.seen + taught)


def losses(log: Log, weights: Weights) -> Floats:
    """Give each attempt's log loss, in the order of the log: weights stand still, beliefs about customers do not."""
    fit, size = _Refit(log, weights), 4 * MOST
    parts = range(0, len(log.events), size)
    return np.concatenate([np.zeros(0), *(fit.watch(log.events[at : at + size], at) for at in parts)])


def _parts(taught: int) -> Iterator[int]:
    """Give how many attempts are learnt together, part by part."""
    learnt = 0
    while learnt < taught:
        size = min(max(FEWEST, int(learnt * GROWTH)), MOST, taught - learnt)
        yield size
        learnt += size


class Rows(NamedTuple):
    """What attempts say, once explained: each is several rows, by when the last payday may have been.

    Attributes:
        place: of a row's attempt in its part of the log.
        share: of the attempt.
        wages: features of a payday crossed, one column each.
        effect: the customer's own.
    """

    place: Places
    share: Floats
    wages: Floats
    effect: Floats


class _Refit:
    """What is believed of weights and of customers, as the log goes on."""

    def __init__(self, log: Log, weights: Weights) -> None:
        self.mean: Floats = weights.mean.copy()
        self.precision: Floats = weights.precision.copy()
        self._paydays = log.paydays
        self._days = Days.of(log)
        self._belief = log.beliefs()
        self._surprise = np.zeros(len(log.priors))
        self._tries = np.zeros(len(log.priors))

    def watch(self, events: Events, begin: int) -> Floats:
        """Let beliefs evolve over a part of the log; give the log loss of each attempt.

        Args:
            begin: the part's place in the log.
        """
        return self._explained(events, begin, None)

    def _explained(self, events: Events, begin: int, lesson: list[Rows] | None) -> Floats:
        base, paid = self._base(events), self._by_age()
        losses = np.full(len(events), np.nan)
        for wave in waves(events):
            for start in range(0, len(wave), AT_ONCE):
                some = wave[start : start + AT_ONCE]
                what = events["what"][some]
                attempts = some[(what == What.DECLINED) | (what == What.PASSED)]
                if len(attempts):
                    losses[attempts] = self._attempts(
                        events[attempts], attempts, base[attempts], paid, lesson
                    )
                self._failures(events[some[what == What.FAILURE]])
                self._payments(events[some[what == What.PAYMENT]])
                for place in some[what == What.PAYDAY]:
                    self._told(int(events["person"][place]), begin + int(place))
        explained: Floats = losses[~np.isnan(losses)]
        return explained

    def learn(self, events: Events, begin: int, attempts: int) -> None:
        """Explain a part of the log that has so many attempts, and bring the weights up to it."""
        parts: list[Rows] = []
        self._explained(events, begin, parts)
        lesson = Rows(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
        passed = events["what"] == What.PASSED
        after = attempts - np.cumsum(passed | (events["what"] == What.DECLINED))
        share = lesson.share * 0.5 ** (after[lesson.place] / OLD_DATA)
        kind = events["kind"][lesson.place]
        blocks = []
        for number, columns in enumerate(_COLUMNS):
            mine = np.flatnonzero(kind == number)
            if len(mine):
                place = lesson.place[mine]
                x = np.concatenate([_own(events[place]), _shared(events[place])], axis=1)
                x[:, _WAGES], x[:, -1] = lesson.wages[mine], lesson.effect[mine]
                blocks.append((columns, x, share[mine], passed[place].astype(float)))
        kept = 0.5 ** (attempts / OLD_DATA)
        prior = (1 - kept) / odds.WIDTHS**2
        self._newton(
            self.precision * kept + np.diag(prior),
            self.precision @ self.mean * kept + prior * odds.MEANS,
            blocks,
        )

    def _newton(
        self, old: Floats, pull: Floats, blocks: list[tuple[NDArray[np.intp], Floats, Floats, Floats]]
    ) -> None:
        for _ in range(STEPS):
            precision: Floats = old.copy()
            right: Floats = pull.copy()
            for columns, x, share, y in blocks:
                logits = x @ self.mean[columns]
                p = logistic(logits)
                spread = share * p * (1 - p)
                precision[np.ix_(columns, columns)] += (x.T * spread) @ x
                right[columns] += x.T @ (spread * logits + share * (y - p))
            mean = np.linalg.solve(precision, right).astype(np.float64)
            moved = np.abs(mean - self.mean) * np.sqrt(np.diag(precision))
            self.mean, self.precision = mean, precision
            if moved.max() < STANDS:
                return

    def _base(self, events: Events) -> Floats:
        """Give each event's logit, but for what depends on paydays and on the customer."""
        own = np.einsum("ij,ij->i", _own(events), self.mean[_OF_KIND[events["kind"], None] + np.arange(_OWN)])
        hours, weekdays = self.mean[odds.HOURS :], self.mean[odds.WEEKDAYS :]
        base: Floats = own + hours[events["hour"] // 2] + weekdays[events["weekday"]]
        return base

    def _by_age(self) -> Floats:
        """Give what a payday adds to a logit, by kind and by days since it."""
        fresh = self.mean[_OF_KIND[:, None] + odds.FRESHNESS + np.arange(len(odds.FRESH))] @ FRESH
        by_age: Floats = self.mean[_OF_KIND + odds.CROSSED][:, None] + fresh
        return by_age

    def _attempts(
        self, told: Events, places: Places, base: Floats, paid: Floats, lesson: list[Rows] | None
    ) -> Floats:
        """Explain attempts of as many customers; give their log losses."""
        person, passed = told["person"], told["what"] == What.PASSED
        day = told["day"] - self._days.start
        ages = self._days.ages[day]
        crossed = self._days.counts[day] > self._days.counts[told["first"] - self._days.start]
        crossed |= told["paid"].astype(bool)[:, None]
        effect = self._surprise[person] / (self._tries[person] + 3)
        adds = np.take_along_axis(paid[told["kind"]], ages.astype(np.int64), axis=1)
        logits = (base + self.mean[odds.CUSTOMER] * effect)[:, None] + crossed * adds
        passes = logistic(logits)
        belief = self._belief[person]
        expected = np.einsum("ij,ij->i", belief, passes)
        self._surprise[person] += passed - expected
        self._tries[person] += 1
        after = belief * np.where(passed[:, None], passes, 1 - passes)
        after /= after.sum(axis=1, keepdims=True)
        self._belief[person] = mixed(after)
        if lesson is not None:
            lesson.append(_split(places, after, crossed, ages, effect))
        losses: Floats = -np.log(np.where(passed, expected, 1 - expected).clip(_SURE))
        return losses

    def _failures(self, told: Events) -> None:
        strength = _SCARCE[told["kind"]]
        told, strength = told[strength > 0], strength[strength > 0]
        if len(told):
            self._sharpen(told["person"], when_scarce(self._phase(told), strength[:, None]))

    def _payments(self, told: Events) -> None:
        if len(told):
            self._sharpen(told["person"], when_paid(self._phase(told)))

    def _phase(self, told: Events) -> Floats:
        return phase(self._days.ages[told["day"] - self._days.start])

    def _sharpen(self, person: NDArray[np.int32], likelihood: Floats) -> None:
        self._belief[person] = mixed(self._belief[person] * likelihood)

    def _told(self, person: int, place: int) -> None:
        said = self._paydays[place]
        self._belief[person] = paydays.told(
            self._belief[person],
            today=said.today,
            day_of_month=said.day_of_month,
            weekday=said.weekday,
            day=said.day,
        )


def _own(events: Events) -> Floats:
    """Give the features of an attempt's own kind, but for paydays, one row an event."""
    x = np.zeros((len(events), _OWN))
    x[:, 0] = 1.0
    x[:, odds.FADED : odds.CROSSED] = np.exp(-events["gap"][:, None] / np.array(odds.GAPS))
    x[:, odds.NUMBER] = np.log(np.maximum(events["number"], 1))
    x[:, odds.LATE] = events["since"] / 168
    return x


def _shared(events: Events) -> Floats:
    """Give the features that all kinds share, but for the customer's effect."""
    x, each = np.zeros((len(events), odds.CUSTOMER + 1 - odds.HOURS)), np.arange(len(events))
    x[each, events["hour"] // 2] = 1.0
    x[each, odds.WEEKDAYS - odds.HOURS + events["weekday"]] = 1.0
    return x


def _split(
    places: Places, after: Floats, crossed: NDArray[np.bool_], ages: NDArray[np.int16], effect: Floats
) -> Rows:
    """Split attempts by when the last payday may have been."""
    group = (np.where(crossed, _ALIKE[ages], 0) + _GROUPS * np.arange(len(places))[:, None]).ravel()

    def summed(values: Floats) -> Floats:
        return np.bincount(group, values.ravel(), len(places) * _GROUPS).astype(np.float64)

    shares = summed(after)
    kept = np.flatnonzero(shares > HARDLY)
    attempt, of = np.divmod(kept, _GROUPS)
    fresh = (summed(after * one[ages])[kept] / shares[kept] for one in FRESH)
    wages = np.array([np.ones(len(kept)), *fresh]) * (of > 0)
    return Rows(places[attempt], shares[kept], wages.T, effect[attempt])
