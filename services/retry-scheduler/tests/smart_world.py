"""Customers of one pay cycle each, in a world of other weights than the prior's."""

import copy
import math
from dataclasses import dataclass, field

import numpy as np

from recoup_retry_scheduler.smart import mind as minds, odds, paydays
from recoup_retry_scheduler.smart.attempts import Log, Payday, Writer
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.mind import Customer, Mind
from recoup_retry_scheduler.smart.odds import Kind
from recoup_retry_scheduler.smart.tables import Failing

START = 20_151 * 24 + 12.0
"""Tuesday, 4 March 2025, 12:00 UTC, in hours since 1970."""

BEHIND = -5.0
"""Hours from UTC to local time."""

SHARES = dict(zip(Kind, (0.4, 0.3, 0.08, 0.07, 0.05, 0.1), strict=True))


class Still(Weights):
    """Weights that learn nothing."""

    def hear(self, *_: object) -> None:
        pass


@dataclass
class World:
    """Customers of one pay cycle each, and weights other than the prior's; all that happens is told twice:
    to a mind, one by one, and to a log.

    Args:
        seed: of the weights.
        chance_seed: of what happens.
        far: the weights are from the prior's mean, in its standard deviations.
    """

    seed: int
    mind: Mind
    people: int = 300
    chance_seed: int = 0
    far: float = 0.7
    writer: Writer = field(default_factory=Writer)
    losses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        off = np.random.default_rng(self.seed).normal(0, self.far, len(odds.NAMES)) * odds.WIDTHS
        self.chance = np.random.default_rng((self.seed, self.chance_seed))
        self.truth = Mind(Still(odds.MEANS + off, np.diag(1 / odds.WIDTHS**2)))
        countries = ["US" if number % 2 else "DE" for number in range(self.people)]
        self.believed = [Customer(paydays.prior(country).copy()) for country in countries]
        self.numbers = [self.writer.person(country) for country in countries]
        self.cycles = [
            self.chance.choice(len(paydays.CYCLES), p=paydays.prior(country)) for country in countries
        ]

    def play(self, cases: int) -> Log:
        """Let so many cases happen; give the log."""
        for number in range(cases):
            who, at = int(self.chance.integers(self.people)), START + 7.3 * number
            if self.chance.random() < 0.3:
                minds.passed(self.believed[who], at, BEHIND)
                self.writer.payment(self.numbers[who], at, BEHIND)
            if self.chance.random() < 0.03:
                self._say_payday(who, at)
            self._case(who, Kind(self.chance.choice(list(SHARES), p=list(SHARES.values()))), at)
        self.mind.weights.learn()
        return self.writer.log()

    def _say_payday(self, who: int, at: float) -> None:
        said = Payday(paydays.day_of(at + BEHIND), 15, None, None)
        believed = self.believed[who]
        believed.belief = paydays.told(
            believed.belief, today=said.today, day_of_month=15, weekday=None, day=None
        )
        self.writer.payday(self.numbers[who], said)

    def _case(self, who: int, kind: Kind, at: float) -> None:
        case = Failing(kind, at, at, 1, BEHIND)
        minds.failed(self.believed[who], kind, day=paydays.day_of(at + BEHIND))
        self.writer.failure(self.numbers[who], case)
        for number in (2, 3, 4):
            at += float(self.chance.uniform(10, 100))
            real = copy.copy(self.believed[who])
            real.belief = np.eye(len(paydays.CYCLES))[self.cycles[who]]
            passed = bool(self.chance.random() < odds_of(self.truth, case, real, at))
            p = odds_of(self.mind, case, self.believed[who], at)
            self.losses.append(-math.log(p if passed else 1 - p))
            self.mind.learn(case, self.believed[who], at, passed=passed)
            self.writer.attempt(self.numbers[who], case, at, passed=passed)
            if passed:
                return
            case = Failing(kind, case.first_at, at, number, BEHIND)


def odds_of(mind: Mind, case: Failing, who: Customer, at: float) -> float:
    """Give the odds of a try, as the mind's own learning sees them."""
    asked = copy.copy(who)
    Mind(Still(mind.weights.mean, mind.weights.precision)).learn(case, asked, at, passed=True)
    return 1 - (asked.surprise - who.surprise)
