"""A subscription's life: its first invoice, its renewals, its end."""

from functools import partial

from practice_gateway.account import Account
from practice_gateway.act import Act
from practice_gateway.billing import collection, invoices, standing
from practice_gateway.billing.periods import next_period_end
from practice_gateway.gateway import Gateway
from practice_gateway.ids import new_id
from practice_gateway.model import Invoice, Line, Subscription

INCOMPLETE_SECONDS = 23 * 3_600  # docs: subscription.status
Outcome = collection.Outcome


def begin(act: Act, subscription: Subscription) -> Invoice:
    """Keep a new subscription and open its first invoice; it is incomplete until that is paid."""
    act.account.subscriptions.add(subscription)
    invoice = _invoice_for(act, subscription, "subscription_create")
    act.emit("customer.subscription.created", subscription)
    invoices.finalize(act, invoice)
    if invoice.status == "paid" or subscription.collection_method == "send_invoice":
        subscription.status = "active"
        _watch_due_date(act.gateway, act.account, invoice)
    else:
        act.account.timers.at(
            subscription.created + INCOMPLETE_SECONDS,
            partial(_expire, act.gateway, act.account, subscription),
        )
    plan_renewal(act.gateway, act.account, subscription)
    return invoice


def plan_renewal(gateway: Gateway, account: Account, subscription: Subscription) -> None:
    """Wait for the end of the current period."""
    due = subscription.current_period_end
    account.timers.at(due, partial(_period_ended, gateway, account, subscription, due))


async def _expire(gateway: Gateway, account: Account, subscription: Subscription) -> None:
    if subscription.status == "incomplete":
        await standing.expire(gateway.itself(account), subscription)


async def _period_ended(gateway: Gateway, account: Account, subscription: Subscription, due: int) -> None:
    if subscription.current_period_end != due or subscription.status not in ("active", "past_due", "unpaid"):
        return
    act = gateway.itself(account)
    if subscription.cancel_at_period_end:
        standing.cancel(act, subscription, "cancellation_requested")
        return
    invoice = renew(act, subscription)
    if not invoice.auto_advance:
        return
    account.timers.at(
        invoice.created + account.draft_seconds, partial(_finish_draft, gateway, account, invoice)
    )


def renew(act: Act, subscription: Subscription) -> Invoice:
    """Start the next period and draft its invoice, as collection is paused or not."""
    before = act.look(subscription)
    price = subscription.items[0].price
    subscription.current_period_start = subscription.current_period_end
    subscription.current_period_end = next_period_end(
        subscription.current_period_start,
        subscription.billing_cycle_anchor,
        price.interval or "month",
        price.interval_count,
    )
    invoice = _invoice_for(act, subscription, "subscription_cycle")
    act.emit_change("customer.subscription.updated", subscription, before)
    plan_renewal(act.gateway, act.account, subscription)
    match (subscription.pause_collection or {}).get("behavior"):
        case "void":
            invoices.finalize(act, invoice)
            invoices.void(act, invoice)
        case "mark_uncollectible":
            invoices.finalize(act, invoice)
            invoices.mark_uncollectible(act, invoice)
        case "keep_as_draft":
            invoice.auto_advance = False
        case _ if subscription.status == "unpaid":
            invoice.auto_advance = False
        case _:
            return invoice
    return invoice


async def _finish_draft(gateway: Gateway, account: Account, invoice: Invoice) -> None:
    if invoice.status == "draft" and invoice.auto_advance:
        await finish_draft(gateway.itself(account), invoice)


async def finish_draft(act: Act, invoice: Invoice) -> Outcome | None:
    """Finalise a draft and, if it is charged automatically, try it at once."""
    if invoice.collection_method == "charge_automatically":
        return await collection.collect(act, invoice, automatic=True)
    invoices.finalize(act, invoice)
    _watch_due_date(act.gateway, act.account, invoice)
    return None


def advance_draft(act: Act, invoice: Invoice) -> None:
    """Let a manual draft be finalised by itself after an hour, while auto_advance is on."""
    act.account.timers.at(
        act.now + act.account.draft_seconds, partial(_finish_draft, act.gateway, act.account, invoice)
    )


def _watch_due_date(gateway: Gateway, account: Account, invoice: Invoice) -> None:
    if invoice.due_date is not None and invoice.status == "open":
        account.timers.at(invoice.due_date, partial(_overdue, gateway, account, invoice))


async def _overdue(gateway: Gateway, account: Account, invoice: Invoice) -> None:
    subscription = invoices.subscription_of(account, invoice)
    if invoice.status == "open" and subscription is not None and subscription.status == "active":
        standing.set_status(gateway.itself(account), subscription, "past_due")


def _invoice_for(act: Act, subscription: Subscription, reason: str) -> Invoice:
    lines = [
        Line(
            id=new_id("il"),
            amount=item.price.unit_amount * item.quantity,
            description=f"{item.quantity} x {act.account.products[item.price.product].name}",
            period_start=subscription.current_period_start,
            period_end=subscription.current_period_end,
            quantity=item.quantity,
            price=item.price,
            subscription_item=item.id,
        )
        for item in subscription.items
    ]
    return invoices.draft(
        act,
        customer=subscription.customer,
        currency=subscription.currency,
        lines=lines,
        reason=reason,
        subscription=subscription,
        collection_method=subscription.collection_method,
        days_until_due=subscription.days_until_due,
    )
