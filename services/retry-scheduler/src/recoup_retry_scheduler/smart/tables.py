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

SOON = np.array([0.0, 1.0, 2.0, 4.0, 7.0])
"""Hours after the earliest instant that are looked at; after them one hour of each day."""

LONGEST = 62 * 24
"""Hours; no window is longer."""


@dataclass(frozen=True, slots=True)
class Failing:
    """A case as the mind sees it.

    Args:
        number: of charges that failed, the first included.
        offset: hours to add to UTC for local time.
        lot: a number of the case's own, by which one of the drawn sets of weights is taken; None explores nothing.
    """

    kind: Kind
    first_at: float
    last_at: float
    number: int
    offset: float
    lot: int | None = None


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
        hour: of a day, the best one.
    """

    version: int
    week: Singles
    kinds: dict[Kind, OfKind]
    usual: float
    customer: float
    hour: int

    @classmethod
    def of(cls, weights: Weights) -> Self:
        """Work them out."""
        mean, by_hour = weights.mean, week(weights.mean)
        return cls(
            version=weights.version,
            week=by_hour,
            kinds={kind: _of_kind(mean[odds.OF_KIND[kind] :]) for kind in Kind},
            usual=float(np.exp(np.log(by_hour).mean())),
            customer=float(mean[odds.CUSTOMER]),
            hour=int(best_hours(mean)),
        )

    def by_hour(self, local: Floats) -> Singles:
        """Give what odds are multiplied by at local instants, hours since 1970."""
        return self.week[hours_of_week(local)]


def hours_of_week(local: Floats) -> NDArray[np.int64]:
    """Give the hours of a week, from Monday on, of local instants, hours since 1970; three days before was a Monday."""
    return (local.astype(np.int64) + 72) % 168


def slots(failing: Failing, earliest: float, latest: float, hour: int) -> Floats:
    """Give the failure and the instants after it that are looked at, hours since 1970, UTC.

    Args:
        hour: of a local day, at which it is looked at.
    """
    soon = earliest + SOON[: int(np.searchsorted(SOON, latest - earliest, "right"))]
    after = earliest + float(SOON[-1]) + failing.offset
    first = (after - hour) // 24 * 24 + 24 + hour - failing.offset
    days = max(0, int((latest - first) // 24) + 1)
    return np.concatenate(([failing.last_at], soon, first + _DAYS[:days]))


_DAYS = 24.0 * np.arange(LONGEST // 24 + 1)
_FADES = np.exp(-np.arange(LONGEST) / np.array(odds.GAPS)[:, None])
FRESH = np.exp(-np.arange(paydays.OLD + 1) / np.array(odds.FRESH)[:, None])
"""Each exponential alone, by hours and by days."""

_MOST = 30.0
"""Beyond which a logit changes nothing, and single precision ends."""


def _of_kind(mean: Floats) -> OfKind:
    return OfKind(
        faded=faded(mean),
        paid=paid(mean),
        number=float(mean[odds.NUMBER]),
        late=float(mean[odds.LATE]) / 168,
    )


# Of one set of weights, or of several, one in each row:


def week(weights: Floats) -> Singles:
    """Give what odds are multiplied by, by local hour from Monday on."""
    by_hour = _day(weights)
    by_day = weights[..., odds.WEEKDAYS : odds.WEEKDAYS + 7]
    return _exponential((by_day[..., None] + by_hour[..., None, :]).reshape(*weights.shape[:-1], 168))


def best_hours(weights: Floats) -> NDArray[np.int64]:
    """Give a day's best hour; of equal ones the one nearest to noon."""
    best: NDArray[np.int64] = (_day(weights) - 1e-3 * np.abs(np.arange(24) - 12.5)).argmax(axis=-1)
    return best


def _day(weights: Floats) -> Floats:
    """Give the weights of a day's hours."""
    return np.repeat(weights[..., odds.HOURS : odds.HOURS + 12], 2, axis=-1)


def faded(of_kind: Floats) -> Singles:
    """Give what odds are multiplied by, by whole hours since the last try; weights from a kind's first on."""
    fades = of_kind[..., odds.FADED : odds.FADED + len(_FADES)] @ _FADES
    return _exponential(of_kind[..., 0, None] + fades)


def paid(of_kind: Floats) -> Singles:
    """Give what odds are multiplied by with a payday since the last try, by days since it; weights likewise."""
    fresh = of_kind[..., odds.FRESHNESS : odds.FRESHNESS + len(FRESH)] @ FRESH
    return _exponential(of_kind[..., odds.CROSSED, None] + fresh)


def _exponential(logits: Floats) -> Singles:
    return np.exp(logits.clip(-_MOST, _MOST).astype(np.float32))
