"""An invoice's life: draft, open, then paid once, void or uncollectible."""

from practice_gateway.account import Account
from practice_gateway.act import Act
from practice_gateway.billing import tries
from practice_gateway.ids import new_id, new_secret
from practice_gateway.model import Invoice, Line, PaymentIntent, PaymentMethod, Subscription
from practice_gateway.wire.billing import invoice_payments

DAY = 86_400


def draft(  # noqa: PLR0913  what an invoice is made of
    act: Act,
    *,
    customer: str,
    currency: str,
    lines: list[Line],
    reason: str,
    subscription: Subscription | None = None,
    auto_advance: bool = True,
    collection_method: str = "charge_automatically",
    days_until_due: int | None = None,
) -> Invoice:
    """Make a draft."""
    now = act.now
    invoice = Invoice(
        id=new_id("in"),
        created=now,
        customer=customer,
        currency=currency,
        lines=lines,
        period_start=subscription.current_period_start if subscription else now,
        period_end=subscription.current_period_end if subscription else now,
        page=new_secret("", 40),
        subscription=subscription.id if subscription else None,
        billing_reason=reason,
        collection_method=collection_method,
        auto_advance=auto_advance,
        due_date=now + days_until_due * DAY if days_until_due is not None else None,
    )
    act.account.invoices.add(invoice)
    act.gateway.pages[invoice.page] = (act.account, invoice)
    if subscription is not None:
        subscription.latest_invoice = invoice.id
    act.emit("invoice.created", invoice)
    return invoice


def finalize(act: Act, invoice: Invoice) -> None:
    """Give it a number and open it; nothing to pay means paid at once."""
    customer = act.account.customers[invoice.customer]
    invoice.number = f"{customer.invoice_prefix}-{customer.next_invoice:04d}"
    customer.next_invoice += 1
    customer.currency = customer.currency or invoice.currency
    invoice.status, invoice.finalized_at = "open", act.now
    if invoice.amount_due > 0:
        intent = tries.new_intent(
            act,
            amount=invoice.amount_due,
            currency=invoice.currency,
            customer=invoice.customer,
            invoice=invoice.id,
        )
        intent.description = f"Invoice {invoice.number}"
        invoice.payment_intent = intent.id
    act.emit("invoice.finalized", invoice)
    if invoice.amount_due <= 0:
        before = act.look(invoice)
        mark_paid(act, invoice)
        say_paid(act, invoice, before)


def mark_paid(act: Act, invoice: Invoice) -> None:
    """Settle it; the words follow with say_paid."""
    invoice.status, invoice.paid_at = "paid", act.now
    invoice.attempted = True
    invoice.amount_paid = invoice.amount_due
    invoice.next_payment_attempt = None


def say_paid(act: Act, invoice: Invoice, before: dict[str, object]) -> None:
    """Say that it was paid, as the real one does: three times, and since basil a fourth."""
    act.emit_change("invoice.updated", invoice, before)
    act.emit("invoice.paid", invoice)
    act.emit("invoice.payment_succeeded", invoice)
    if act.account.version.basil:
        for payment in invoice_payments(invoice, act.view()):
            if payment["status"] == "paid":
                act.emit_wire("invoice_payment.paid", payment)


def void(act: Act, invoice: Invoice) -> None:
    """End an open or uncollectible invoice for good."""
    before = act.look(invoice)
    invoice.status, invoice.voided_at = "void", act.now
    stop_collecting(invoice)
    tries.cancel_intent(act, intent_of(act.account, invoice), "void_invoice")
    act.emit_change("invoice.updated", invoice, before)
    act.emit("invoice.voided", invoice)


def mark_uncollectible(act: Act, invoice: Invoice) -> None:
    """Write an open invoice off; it can still be paid."""
    before = act.look(invoice)
    invoice.status, invoice.marked_uncollectible_at = "uncollectible", act.now
    stop_collecting(invoice)
    act.emit_change("invoice.updated", invoice, before)
    act.emit("invoice.marked_uncollectible", invoice)


def stop_collecting(invoice: Invoice) -> None:
    """Take it out of the gateway's own retries."""
    invoice.auto_advance = False
    invoice.next_payment_attempt = None


def intent_of(account: Account, invoice: Invoice) -> PaymentIntent | None:
    """Return the payment intent of a finalised invoice."""
    return account.payment_intents.get(invoice.payment_intent)


def method_of(account: Account, invoice: Invoice) -> PaymentMethod | None:
    """Return the card to charge: the invoice's, else its subscription's, else the customer's default.

    Source: docs.stripe.com/billing/revenue-recovery/smart-retries, payment method ordering.
    """
    subscription = account.subscriptions.get(invoice.subscription)
    for identifier in (
        invoice.default_payment_method,
        subscription.default_payment_method if subscription else None,
        account.customers[invoice.customer].default_payment_method,
    ):
        found = account.payment_methods.get(identifier)
        if found is not None and found.customer == invoice.customer:
            return found
    return None


def subscription_of(account: Account, invoice: Invoice) -> Subscription | None:
    """Return the subscription it belongs to."""
    return account.subscriptions.get(invoice.subscription)
