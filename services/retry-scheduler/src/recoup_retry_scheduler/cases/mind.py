"""Cases' door to the mind: a sight becomes what is believed of the customer, and a choice a sentence.

Loaded with the first case in mode smart: `serve` pays for numpy's 18 MiB no sooner. Its weights are the prior ones.
"""

from functools import partial

from recoup_retry_scheduler.cases.domain.choosing import Choice, Choose, Sight
from recoup_retry_scheduler.mindful import asked
from recoup_retry_scheduler.rules.verdict import Allowed
from recoup_retry_scheduler.smart import mind as minds, odds
from recoup_retry_scheduler.smart.tables import Failing


def chooser() -> Choose:
    """Give the choice of a mind whose tables are ready: the first choice works them out, in a quarter of a second."""
    mind, day = minds.Mind(), 24.0 * 365 * 56
    anybody = Failing(odds.Kind.FUNDS, first_at=day, last_at=day, number=1, offset=0.0)
    mind.choose(anybody, asked.newcomer(None), earliest=day, latest=day + 24 * 14, apart=0.0, tries=1)
    return partial(_choose, mind)


def _choose(mind: minds.Mind, sight: Sight, instants: Allowed) -> Choice | None:
    failing = asked.failing(
        asked.kind_of(sight.declined, sight.funding),
        first_at=sight.first_at,
        last_at=sight.last_at,
        number=sight.number,
        zone=sight.zone,
    )
    chosen = asked.choose(mind, failing, customer_of(sight), instants, sight.tries)
    if chosen is None:
        return None
    where = "" if sight.zone == "UTC" else f" (time of {sight.zone})"
    return Choice(chosen.at, f"{chosen.reason}{where}")


def customer_of(sight: Sight) -> minds.Customer:
    """Work out what is believed of a customer, from their charges in the order in which they were made.

    A failure tells that money was scarce, once a day; of charges after a failure the shares that pass are theirs.
    """
    customer = asked.newcomer(sight.country)
    owing: set[str | None] = set()
    scarce = None
    for charge in sight.past:
        if charge.invoice_id in owing:
            customer.surprise += (charge.declined is None) - asked.USUAL_P
            customer.tries += 1
        if charge.declined is None:
            minds.passed(customer, asked.hours(charge.at), asked.offset(sight.zone, charge.at))
            owing.discard(charge.invoice_id)
            continue
        if charge.invoice_id is not None:
            owing.add(charge.invoice_id)
        day = asked.payday_of(charge.at, sight.zone)
        if day != scarce:
            minds.failed(customer, asked.kind_of(charge.declined, charge.funding), day=day)
            scarce = day
    return customer
