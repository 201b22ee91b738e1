"""What a fact names, so that all that is known of it can be fetched before anything is decided."""

from collections.abc import Iterable

from recoup_retry_scheduler.cases.domain.facts import (
    AttemptMoved,
    CardChanged,
    Fact,
    Failed,
    FinalActionSettled,
    InvoiceSeen,
    PolicyChanged,
    Reversed,
    SubscriptionSeen,
    Succeeded,
    TimerFired,
)


def invoices_named(fact: Fact) -> Iterable[str]:
    """Give the invoices that a fact is about. A timer's case is open, and so is its customer's book."""
    match fact:
        case Failed():
            return (fact.bill.invoice_id,) if fact.bill else ()
        case Succeeded() | Reversed():
            return (fact.invoice_id,) if fact.invoice_id else ()
        case CardChanged():
            return fact.settling
        case AttemptMoved() | InvoiceSeen() | FinalActionSettled():
            return (fact.invoice_id,)
        case SubscriptionSeen() | PolicyChanged() | TimerFired():
            return ()


def charge_named(fact: Fact) -> Iterable[str]:
    """Give the charge that a payment or its reversal names."""
    match fact:
        case Succeeded() | Reversed():
            return (fact.charge_id,) if fact.charge_id else ()
        case _:
            return ()


def subscription_named(fact: Fact) -> Iterable[str]:
    """Give the subscription that a fact is about."""
    match fact:
        case Failed():
            return (fact.bill.subscription_id,) if fact.bill and fact.bill.subscription_id else ()
        case SubscriptionSeen():
            return (fact.subscription_id,)
        case _:
            return ()
