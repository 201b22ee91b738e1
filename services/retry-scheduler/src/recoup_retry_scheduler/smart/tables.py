"""What follows from the weights alone, worked out once for each version of them."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recoup_retry_scheduler.smart import odds, paydays
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.odds import Kind

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

HOURS_A_DAY = 3
"""Slots of a day that are looked at: its best hours, some hours apart."""

SOON = np.array([0.0, 1.0, 2.0, 4.0, 7.0])
"""Hours after the earliest instant that are looked at too."""

LONGEST = 62 * 24
"""Hours; no window is longer."""


@dataclass(frozen=True, slots=True)
class Failing:
    """A case as the mind sees it. `number`: of charges that failed, the first included."""

    kind: Kind
    first_at: float
    last_at: float
    number: int
    offset: float


@dataclass(frozen=True, slots=True)
class OfKind:
    """What odds are multiplied by, for one kind of decline; exponents where named so.

    Args:
        faded: by whole hours since the last try.
        paid: with a payday since the last try, by days since it.
        number: exponent of how many charges have failed.
        late: exponent of e, an hour since the first failure.
    """

    faded: Singles
    paid: Singles
    number: float
    late: float


@dataclass(frozen=True, slots=True)
class Tables:
    """Of one version of the weights.

    Args:
        week: what odds are multiplied by, by local hour from Monday on.
        usual: that of an hour like all others.
        customer: exponent of e, a customer's own effect.
        good: hours since a midnight of the slots that are looked at.
    """

    version: int
    week: Singles
    kinds: dict[Kind, OfKind]
    usual: float
    customer: float
    good: Floats

    @classmethod
    def of(cls, weights: Weights) -> Self:
        """Work them out."""
        mean = weights.mean
        by_hour = np.repeat(mean[odds.HOURS : odds.HOURS + 12], 2)
        week = mean[odds.WEEKDAYS : odds.WEEKDAYS + 7, None] + by_hour
        chosen = best_hours(by_hour)
        days = np.arange(LONGEST // 24 + 1)
        return cls(
            version=weights.version,
            week=_exponential(week.ravel()),
            kinds={kind: _of_kind(mean[odds.OF_KIND[kind] :]) for kind in Kind},
            usual=float(np.exp(week.mean())),
            customer=float(mean[odds.CUSTOMER]),
            good=(24.0 * days[:, None] + chosen).ravel().astype(np.float64),
        )

    def by_hour(self, local: Floats) -> Singles:
        """Give what odds are multiplied by at local instants, hours since 1970; a Monday was three days before that."""
        return self.week[(local.astype(np.int64) + 72) % 168]

    def slots(self, failing: Failing, earliest: float, latest: float) -> Floats:
        """Give the failure and the instants after it that are looked at, hours since 1970, UTC."""
        midnight = (earliest + failing.offset) // 24 * 24 - failing.offset
        first, last = np.searchsorted(self.good, (earliest + SOON[-1] - midnight, latest - midnight), "right")
        soon = earliest + SOON[: 1 + int(np.searchsorted(SOON[1:], latest - earliest, "right"))]
        return np.concatenate(([failing.last_at], soon, self.good[first:last] + midnight))


_FADES = np.exp(-np.arange(LONGEST) / np.array(odds.GAPS)[:, None])
_FRESH = np.exp(-np.arange(paydays.OLD + 1) / np.array(odds.FRESH)[:, None])
"""Each exponential alone, by hours and by days."""

_MOST = 30.0
"""Beyond which a logit changes nothing, and single precision ends."""


def _of_kind(mean: Floats) -> OfKind:
    faded = mean[0] + mean[odds.FADED : odds.FADED + len(_FADES)] @ _FADES
    paid = mean[odds.CROSSED] + mean[odds.FRESHNESS : odds.FRESHNESS + len(_FRESH)] @ _FRESH
    return OfKind(
        faded=_exponential(faded),
        paid=_exponential(paid),
        number=float(mean[odds.NUMBER]),
        late=float(mean[odds.LATE]) / 168,
    )


def _exponential(logits: Floats) -> Singles:
    return np.exp(logits.clip(-_MOST, _MOST).astype(np.float32))


def best_hours(day: Floats) -> NDArray[np.int64]:
    """Give a day's best hours, four or more apart; of equal ones those about noon."""
    order = np.argsort(-(day - 1e-3 * np.abs(np.arange(24) - 12.5)), kind="stable")
    chosen: list[int] = []
    for hour in order:
        if all(abs(hour - other) >= 4 for other in chosen):
            chosen.append(int(hour))
        if len(chosen) == HOURS_A_DAY:
            break
    return np.array(sorted(chosen), dtype=np.int64)
