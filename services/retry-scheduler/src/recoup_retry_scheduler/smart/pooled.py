"""What many merchants' attempts say together, so that a new merchant does not begin with nothing. Pure.

Promise: what a merchant gives are sums over customers, one for each kind of decline; of a kind that fewer than `ENOUGH`
customers stand behind nothing is added, nor anything of a merchant who has opted out. Sums of Gaussians are the same in
whatever order they are added, and one that is left out leaves no trace.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.odds import Kind

Floats = NDArray[np.float64]

ENOUGH = 20
"""Customers who must stand behind a sum: with fewer it might tell of one of them."""


@dataclass(frozen=True, slots=True)
class Sums:
    """What one merchant's attempts after one kind of decline add to a Gaussian: its precision, and that times its mean.

    Attributes:
        customers: different ones whose attempts are in it.
    """

    merchant: str
    kind: Kind
    customers: int
    precision: Floats
    pull: Floats

    @classmethod
    def of(cls, merchant: str, kind: Kind, customers: int, prior: Weights, posterior: Weights) -> "Sums":
        """Give what was learnt beyond a prior, by a fit that began with it."""
        pull = posterior.precision @ posterior.mean - prior.precision @ prior.mean
        return cls(merchant, kind, customers, posterior.precision - prior.precision, pull)


def pooled(prior: Weights, sums: Iterable[Sums], opted_out: Collection[str] = ()) -> Weights:
    """Give a prior for all merchants: the one before any data, and what enough customers stand behind.

    Args:
        opted_out: merchants whose attempts are to be used for themselves alone.

    Raises:
        ValueError: two sums are of one merchant and kind; together they might have customers in common.
    """
    precision, pull = prior.precision.copy(), prior.precision @ prior.mean
    taken: set[tuple[str, Kind]] = set()
    for one in sums:
        if (one.merchant, one.kind) in taken:
            raise ValueError(f"two sums of {one.merchant} and {one.kind}")
        taken.add((one.merchant, one.kind))
        if one.customers >= ENOUGH and one.merchant not in opted_out:
            precision += one.precision
            pull += one.pull
    return Weights(np.linalg.solve(precision, pull).astype(np.float64), precision, seen=prior.seen)
