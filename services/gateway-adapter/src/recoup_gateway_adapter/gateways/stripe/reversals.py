"""Stripe's refunds and disputes as reversals. Statuses: docs.stripe.com/api/refunds, docs.stripe.com/disputes."""

from collections.abc import Iterator
from datetime import datetime

from recoup_events.values import ReversalKind
from recoup_gateway_adapter.gateways.contract import Reversal
from recoup_gateway_adapter.gateways.stripe.shapes import Json, ident, instant, money, text

MONEY_IS_AWAY = frozenset({"needs_response", "under_review", "lost"})
"""A dispute takes the money when it opens. An inquiry (`warning_…`) does not, a won one gave it back, one that
was refunded before is told by its refund."""

BANK_RETURNS = frozenset(
    {
        "bank_cannot_process",
        "debit_not_authorized",
        "incorrect_account_details",
        "insufficient_funds",
    }
)
"""Reasons of a dispute that is a bank debit coming back (docs.stripe.com/disputes/categories)."""


def refund(thing: Json, at: datetime) -> Iterator[Reversal]:
    """Read a refund. Before 2014 it had no `status`, and was done when it existed."""
    paid_by = ident(thing.get("charge"))
    found = ident(thing)
    if found is None or paid_by is None:
        return
    yield Reversal(
        reversal_id=found,
        kind=ReversalKind.REFUND,
        charge_id=paid_by,
        amount=money(thing.get("amount"), thing.get("currency"), "refund"),
        created_at=instant(thing.get("created")) or at,
        effective=thing.get("status") in {None, "succeeded"},
        payment_intent_id=ident(thing.get("payment_intent")),
        customer_id=ident(thing.get("customer")),
    )


def dispute(thing: Json, at: datetime) -> Iterator[Reversal]:
    """Read a dispute. Before 2014 it had no id; a charge has one at most."""
    paid_by = ident(thing.get("charge"))
    if paid_by is None:
        return
    yield Reversal(
        reversal_id=ident(thing) or f"{paid_by}:dispute",
        kind=ReversalKind.BANK_RETURN if thing.get("reason") in BANK_RETURNS else ReversalKind.DISPUTE,
        charge_id=paid_by,
        amount=money(thing.get("amount"), thing.get("currency"), "dispute"),
        created_at=instant(thing.get("created")) or at,
        effective=text(thing.get("status")) in MONEY_IS_AWAY,
        payment_intent_id=ident(thing.get("payment_intent")),
    )
