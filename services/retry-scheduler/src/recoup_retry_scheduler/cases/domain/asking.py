"""A case as the rules want to know it, and when they let it be tried. Pure.

Promise: whatever is tried was allowed by `rules.verdict.allowed`, the only door to the rules.
"""

from datetime import datetime, timedelta

from recoup_retry_scheduler.cases.domain.book import Book, Decline
from recoup_retry_scheduler.cases.domain.case import RETRY_SOON, Case, Planned
from recoup_retry_scheduler.cases.domain.facts import Card
from recoup_retry_scheduler.rules import codes
from recoup_retry_scheduler.rules.codes import WAITS_FOR, Said
from recoup_retry_scheduler.rules.verdict import Allowed, Forbidden, Last, Payment, Policy, allowed
from recoup_retry_scheduler.rules.waits import NONE


def scheduled(case: Case, book: Book, card: Card | None, now: datetime) -> Payment:
    """Give the payment that a try of the schedule would be.

    The merchant chose the steps of a ladder, so no gap puts them off but the shortest between two tries: `min_gap` is
    for instants that we choose.
    """
    gap = case.policy.min_gap if case.policy.smart else RETRY_SOON
    return _payment(case, book, card, Policy(case.policy.steps, _window(case, now), gap), case.position)


def with_new_card(case: Case, book: Book, card: Card, now: datetime) -> Payment:
    """Give the payment that a try of a new card would be: no step of the schedule, and no gap to keep."""
    return _payment(case, book, card, Policy(1, _window(case, now), NONE), 0)


def instants(case: Case, payment: Payment, wanted: datetime | None, now: datetime) -> Allowed | Forbidden:
    """Ask the rules. A plan that stands is asked for as of when it was made: its notice was given then.

    Args:
        wanted: when the case would be tried if no rule put it off; None: at once.
    """
    plan = case.standing
    if plan is not None:
        then = allowed(payment, plan.since)
        if isinstance(then, Allowed) and plan.at == max(wanted or then.earliest, then.earliest):
            return then
    return allowed(payment, now)


def stands(plan: Planned, payment: Payment) -> bool:
    """Tell whether the rules still allow what is planned, its notice given when it was."""
    then = allowed(payment, plan.since)
    return isinstance(then, Allowed) and then.earliest <= plan.at <= then.latest


def _window(case: Case, now: datetime) -> timedelta:
    """The deadline ends it; a step that is overdue may still be made."""
    return max(case.resolve_by, now) - case.failed_at


def _payment(case: Case, book: Book, card: Card | None, policy: Policy, tries: int) -> Payment:
    scheme = card.scheme if card else None
    declines = [one for one in book.declines_of(case.bill.invoice_id) if _is_of(one, card)]
    said = [codes.read(case.gateway, scheme, one.verdict) for one in declines]
    return Payment(
        policy=policy,
        gateway=case.gateway,
        brand=scheme,
        country=card.country if card else None,
        first_at=case.failed_at,
        tries=tries,
        charges=len({one.at for one in declines}),  # one that was told twice was made once
        last=_last(book, card, declines[-1].at, said[-1]) if declines else None,
        ban=next((one.ban for one in said if one.ban is not None), None),
        declines=book.spent(card) if card else (),
    )


def _is_of(decline: Decline, card: Card | None) -> bool:
    return card is None or (decline.card is not None and decline.card.is_same_edition(card))


def _last(book: Book, card: Card | None, at: datetime, said: Said) -> Last | None:
    """Give the last decline, but for one whose cure may have come with the card, which was given again since."""
    given = book.wallet.given_at(card) if card else None
    cured = given is not None and given > at and said.decline.default_action in WAITS_FOR
    return None if cured else Last(at, said)
