"""Whether an invoice is settled: succeeded charges less reversed ones against what is owed, as sets.

Promise: nothing here depends on the order in which facts came.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from recoup_events.values import SettledBy
from recoup_retry_scheduler.cases.domain.facts import Reversed, Succeeded


@dataclass(frozen=True, slots=True)
class Money:
    """What came in for an invoice and what of it went back, in minor units.

    `gross`: all that came in; `net`: what stayed. `returned_at`: the last bank return after which the invoice is
    payable again. `taken_back`: a dispute, a refund, or a return after which it is not.
    """

    gross: int
    net: int
    owed: int
    last: Succeeded | None
    returned_at: datetime | None
    taken_back: Reversed | None

    @property
    def settled(self) -> bool:
        """Whether nothing is owed any more. An invoice of nothing is settled by any success."""
        return self.last is not None and self.net >= self.owed


def money_of(
    successes: Sequence[Succeeded], reversals: Sequence[Reversed], owed: int, currency: str
) -> Money:
    """Add up an invoice. A success without a charge (out of band, a credit) settles all that is owed."""
    if not successes and not reversals:
        return Money(gross=0, net=0, owed=owed, last=None, returned_at=None, taken_back=None)
    charges = _once(successes)
    back = list({reversal.fact_id: reversal for reversal in reversals}.values())
    gross = net = 0
    unmatched = _unmatched(charges, back)
    for charge in charges:
        amount = _amount(charge, owed, currency)
        gross += amount
        gone = sum(r.amount for r in back if r.charge_id is not None and r.charge_id == charge.charge_id)
        net += max(0, amount - gone)
    net = max(0, net - sum(reversal.amount for reversal in unmatched))
    taken = [reversal for reversal in back if not reversal.reopens]
    return Money(
        gross=gross,
        net=net,
        owed=owed,
        last=max(charges, key=lambda charge: (charge.at, charge.fact_id), default=None),
        returned_at=max((reversal.at for reversal in back if reversal.reopens), default=None),
        taken_back=max(taken, key=lambda reversal: (reversal.at, reversal.fact_id), default=None),
    )


def _unmatched(charges: list[Succeeded], back: list[Reversed]) -> list[Reversed]:
    """Give what went back from the invoice as a whole, or from a charge that only its payment intent named."""
    known = {charge.charge_id for charge in charges}
    nameless = any(charge.charge_id is None and charge.settled_by is SettledBy.CHARGE for charge in charges)
    return [r for r in back if r.charge_id is None or (nameless and r.charge_id not in known)]


def _amount(charge: Succeeded, owed: int, currency: str) -> int:
    if charge.settled_by in {SettledBy.OUT_OF_BAND, SettledBy.CREDIT}:
        return max(charge.amount, owed)
    return charge.amount if charge.currency == currency else 0


def _once(successes: Iterable[Succeeded]) -> list[Succeeded]:
    """Count each charge once, also when one messenger named the charge and another only its payment intent."""
    kept: list[Succeeded] = []
    charges: set[str] = set()
    intents: set[str] = set()
    for success in sorted(successes, key=lambda one: (one.charge_id is None, one.at, one.fact_id)):
        if success.charge_id not in charges and success.payment_intent_id not in intents:
            kept.append(success)
        if success.charge_id is not None:
            charges.add(success.charge_id)
        if success.payment_intent_id is not None:
            intents.add(success.payment_intent_id)
    return kept
