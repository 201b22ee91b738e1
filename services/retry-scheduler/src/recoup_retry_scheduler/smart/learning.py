"""The weights of the hazard model and what is learnt of them: a Gaussian, brought up to each batch of outcomes.

Laplace's approximation, batch by batch: the posterior of one is the prior of the next.
"""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from recoup_retry_scheduler.smart import odds

Floats = NDArray[np.float64]

AT_ONCE, MOST_AT_ONCE = 128, 1024
"""Rows that are learnt together, a third of them outcomes: few at first, more when few change little."""

_STEPS = 3
"""Of Newton's method for a batch; it starts from the last one's optimum and hardly moves."""

OLD_DATA = 60_000.0
"""Outcomes after which what was learnt before counts half."""


def logistic(x: Floats) -> Floats:
    """Give 1 / (1 + exp(-x))."""
    p: Floats = 1.0 / (1.0 + np.exp(-x))
    return p


@dataclass
class Weights:
    """Mean and precision of the weights, and the outcomes that wait to be learnt."""

    mean: Floats
    precision: Floats
    version: int = 0
    seen: int = 0
    _waiting: list[tuple[Floats, float, bool]] = field(default_factory=list)

    @classmethod
    def prior(cls) -> Self:
        """Give what is believed before any data."""
        return cls(odds.MEANS.copy(), np.diag(1.0 / odds.WIDTHS**2))

    def hear(self, features: Floats, share: float, passed: bool) -> None:  # noqa: FBT001  # an outcome, not a switch
        """Take a share of an outcome, and learn when enough wait."""
        self._waiting.append((features, share, passed))
        if len(self._waiting) >= min(max(AT_ONCE, self.seen // 8), MOST_AT_ONCE):
            self.learn()

    def learn(self) -> None:
        """Learn what waits."""
        if not self._waiting:
            return
        x = np.array([features for features, _, _ in self._waiting])
        shares = np.array([share for _, share, _ in self._waiting])
        y = np.array([passed for _, _, passed in self._waiting], dtype=float)
        self._waiting.clear()
        kept = 0.5 ** (shares.sum() / OLD_DATA)
        old = self.precision * kept + np.diag((1 - kept) / odds.WIDTHS**2)
        pull = self.precision @ self.mean * kept + (1 - kept) * odds.MEANS / odds.WIDTHS**2
        mean = self.mean
        for _ in range(_STEPS):
            p = logistic(x @ mean)
            spread = shares * p * (1 - p)
            precision = old + (x.T * spread) @ x
            mean = np.linalg.solve(precision, pull + x.T @ (spread * (x @ mean) + shares * (y - p)))
        self.mean, self.precision = mean, precision
        self.seen += int(shares.sum().round())
        self.version += 1

    def drawn(self, random: np.random.Generator, width: float, many: int) -> Floats:
        """Give sets of weights drawn from the posterior, its width scaled; one in each row."""
        root = np.linalg.cholesky(self.precision)
        apart = np.linalg.solve(root.T, random.standard_normal((len(self.mean), many)))
        return self.mean + width * apart.T
