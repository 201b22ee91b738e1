"""What an invoice's fate does to its subscription and its customer."""

from practice_gateway.act import Act
from practice_gateway.billing import invoices
from practice_gateway.model import Invoice, Subscription

PAYABLE = ("active", "past_due", "unpaid", "incomplete")


def paid(act: Act, invoice: Invoice) -> None:
    """A paid latest invoice puts its subscription right."""
    subscription = invoices.subscription_of(act.account, invoice)
    if (
        subscription is not None
        and subscription.latest_invoice == invoice.id
        and subscription.status in ("past_due", "unpaid", "incomplete")
    ):
        set_status(act, subscription, "active")
    still_owing = any(
        found.status == "open" and found.attempted
        for found in act.account.invoices.of("customer", invoice.customer)
    )
    _set_delinquent(act, invoice.customer, delinquent=still_owing)


def failed(act: Act, invoice: Invoice) -> None:
    """A failed renewal makes its subscription past due."""
    subscription = invoices.subscription_of(act.account, invoice)
    if subscription is not None and subscription.status == "active":
        set_status(act, subscription, "past_due")
    _set_delinquent(act, invoice.customer, delinquent=True)


def exhausted(act: Act, invoice: Invoice) -> None:
    """After the last of its own retries the gateway ends the subscription as its setting says."""
    subscription = invoices.subscription_of(act.account, invoice)
    if subscription is None or subscription.status not in PAYABLE:
        return
    match act.account.dunning.after_last:
        case "cancel":
            cancel(act, subscription, "payment_failed")
        case "unpaid":
            set_status(act, subscription, "unpaid")
        case _:  # past_due: left as it is
            return


def set_status(act: Act, subscription: Subscription, status: str) -> None:
    """Change a subscription's status and say so."""
    before = act.look(subscription)
    subscription.status = status
    act.emit_change("customer.subscription.updated", subscription, before)


def cancel(act: Act, subscription: Subscription, reason: str) -> None:
    """End a subscription now; its open invoices are no longer collected by the gateway (docs: cancel)."""
    subscription.status = "canceled"
    subscription.canceled_at = subscription.canceled_at or act.now
    subscription.ended_at = act.now
    subscription.cancellation_reason = reason
    for invoice in act.account.invoices.of("subscription", subscription.id):
        if invoice.status in ("draft", "open") and invoice.auto_advance:
            before = act.look(invoice)
            invoices.stop_collecting(invoice)
            act.emit_change("invoice.updated", invoice, before)
    act.emit("customer.subscription.deleted", subscription)


async def expire(act: Act, subscription: Subscription) -> None:
    """End a subscription whose first invoice was not paid in time, unless that happens just now."""
    for invoice in act.account.invoices.of("subscription", subscription.id):
        async with invoice.lock:
            if invoice.status == "open":
                invoices.void(act, invoice)
    if subscription.status != "incomplete":
        return
    before = act.look(subscription)
    subscription.status = "incomplete_expired"
    subscription.ended_at = act.now
    act.emit_change("customer.subscription.updated", subscription, before)


def _set_delinquent(act: Act, customer_id: str, *, delinquent: bool) -> None:
    customer = act.account.customers[customer_id]
    if customer.delinquent != delinquent:
        before = act.look(customer)
        customer.delinquent = delinquent
        act.emit_change("customer.updated", customer, before)
