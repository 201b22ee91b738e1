"""Paying: an invoice by POST /pay, and a payment intent of its own."""

from practice_gateway.api.call import Call, Route, card_error, created_filter, cursor, listing
from practice_gateway.api.methods import refuse_detached
from practice_gateway.billing import collection, invoices, standing, tries
from practice_gateway.cards import saving
from practice_gateway.errors import StripeError, missing, no_such, refused
from practice_gateway.model import Invoice, PaymentIntent, PaymentMethod
from practice_gateway.params import merge_metadata
from practice_gateway.wire import Wire

ACTION_REQUIRED = (
    "This payment requires additional user action before it can be completed successfully. Payment can be "
    "completed using the PaymentIntent associated with the invoice."
)
NO_CARD = (
    "This customer has no attached payment source or default payment method. "
    "Please consider adding a default payment method."
)


async def pay(call: Call) -> Wire:
    """POST /v1/invoices/{id}/pay. off_session is true unless said otherwise, as at Stripe."""
    invoice = call.one("invoice", call.account.invoices)
    params = call.params
    method = _method_for(call, invoice.customer)
    off_session = params.flag("off_session")
    out_of_band = params.flag("paid_out_of_band")
    params.accept("forgive", "mandate", "source")
    params.done()
    if out_of_band:
        await _pay_out_of_band(call, invoice)
    else:
        outcome = await collection.collect(call.act, invoice, method, off_session=off_session is not False)
        _raise_unless_paid(call, invoice, outcome)
    return call.show(invoice)


def _method_for(call: Call, customer: str) -> PaymentMethod | None:
    wanted = call.params.text("payment_method")
    if wanted is None:
        return None
    method = call.account.payment_methods.get(wanted)
    if method is None:
        raise no_such("PaymentMethod", wanted, "payment_method")
    if method.customer != customer:
        raise refused(
            f"The payment method {wanted} does not belong to the customer {customer}. "
            "Please attach it to the customer first."
        )
    return method


def _raise_unless_paid(call: Call, invoice: Invoice, outcome: collection.Outcome) -> None:
    intent = invoices.intent_of(call.account, invoice)
    match outcome:
        case tries.Captured():
            return
        case tries.Refused(decline, charge):
            raise card_error(
                call,
                decline,
                charge.payment_method if charge else None,
                charge=charge.id if charge else None,
                payment_intent=call.show(intent) if intent else None,
            )
        case tries.ActionRequired():
            fields: Wire = {
                "type": "card_error",
                "code": "invoice_payment_intent_requires_action",
                "message": ACTION_REQUIRED,
            }
            raise StripeError(402, fields)
        case collection.NoCard():
            raise refused(NO_CARD, code="resource_missing")
        case collection.NotPayable("paid"):
            raise refused("Invoice is already paid")
        case collection.NotPayable(status):
            raise refused(f"This invoice can no longer be paid: it has a status of {status}.")


async def _pay_out_of_band(call: Call, invoice: Invoice) -> None:
    async with invoice.lock:
        if invoice.status == "draft":
            invoices.finalize(call.act, invoice)
        if invoice.status not in ("open", "uncollectible"):
            raise refused("Invoice is already paid" if invoice.status == "paid" else "This invoice is void.")
        before = call.act.look(invoice)
        invoice.paid_out_of_band = True
        invoices.mark_paid(call.act, invoice)
        tries.cancel_intent(call.act, invoices.intent_of(call.account, invoice), "automatic")
        invoices.say_paid(call.act, invoice, before)
        standing.paid(call.act, invoice)


async def create(call: Call) -> Wire:
    """POST /v1/payment_intents: money without an invoice."""
    params = call.params
    amount = params.integer("amount", least=1, most=99_999_999)
    if amount is None:
        raise missing("amount")
    currency = params.required("currency").lower()
    customer = call.customer()
    method = _any_method(call)
    confirm, off_session = params.flag("confirm"), params.flag("off_session")
    description, metadata = params.text("description"), merge_metadata({}, params.strings("metadata"))
    params.accept("payment_method_types", "automatic_payment_methods", "return_url", "setup_future_usage")
    params.accept("error_on_requires_action", "receipt_email", "statement_descriptor", "capture_method")
    params.done()
    intent = tries.new_intent(
        call.act, amount=amount, currency=currency, customer=customer.id if customer else None, invoice=None
    )
    intent.description, intent.metadata = description, metadata
    if method is not None:
        intent.status, intent.payment_method = "requires_confirmation", method.id
    if confirm:
        await _confirm(call, intent, method, off_session=bool(off_session))
    return call.show(intent)


def _any_method(call: Call) -> PaymentMethod | None:
    wanted = call.params.text("payment_method")
    if wanted is None:
        return None
    method = saving.named_card(call.act, wanted)
    if method is None:
        raise no_such("PaymentMethod", wanted, "payment_method")
    refuse_detached(method)
    return method


async def _confirm(
    call: Call, intent: PaymentIntent, method: PaymentMethod | None, *, off_session: bool
) -> None:
    async with intent.lock:
        method = method or call.account.payment_methods.get(intent.payment_method)
        if intent.status in ("succeeded", "canceled"):
            raise refused(
                f"You cannot confirm this PaymentIntent because it has a status of {intent.status}.",
                code="payment_intent_unexpected_state",
            )
        if method is None:
            raise refused(
                "You cannot confirm this PaymentIntent because it's missing a payment method.",
                code="payment_intent_unexpected_state",
            )
        match await tries.take(call.act, intent, method, off_session=off_session):
            case tries.Refused(decline, charge):
                raise card_error(
                    call,
                    decline,
                    method.id,
                    charge=charge.id if charge else None,
                    payment_intent=call.show(intent),
                )
            case tries.Captured() | tries.ActionRequired():
                return


async def confirm(call: Call) -> Wire:
    """POST /v1/payment_intents/{id}/confirm; an invoice's intent is paid through its invoice."""
    intent = call.one("payment_intent", call.account.payment_intents)
    method, off_session = _any_method(call), call.params.flag("off_session")
    call.params.accept("return_url", "payment_method_options", "error_on_requires_action")
    call.params.done()
    invoice = call.account.invoices.get(intent.invoice)
    if invoice is not None:
        outcome = await collection.collect(call.act, invoice, method, off_session=bool(off_session))
        match outcome:
            case tries.ActionRequired():
                return call.show(intent)
            case _:
                _raise_unless_paid(call, invoice, outcome)
    else:
        await _confirm(call, intent, method, off_session=bool(off_session))
    return call.show(intent)


async def cancel(call: Call) -> Wire:
    """POST /v1/payment_intents/{id}/cancel."""
    intent = call.one("payment_intent", call.account.payment_intents)
    reason = call.params.text("cancellation_reason")
    call.params.done()
    async with intent.lock:
        if intent.invoice is not None or intent.status in ("succeeded", "canceled"):
            raise refused(
                f"You cannot cancel this PaymentIntent because it has a status of {intent.status}.",
                code="payment_intent_unexpected_state",
            )
        tries.cancel_intent(call.act, intent, reason or "requested_by_customer")
        return call.show(intent)


async def retrieve(call: Call) -> Wire:
    """GET /v1/payment_intents/{id}."""
    return call.show(call.one("payment_intent", call.account.payment_intents))


async def list_all(call: Call) -> Wire:
    """GET /v1/payment_intents by customer and created."""
    customer, kept = call.params.text("customer"), call.account.payment_intents
    within, at = created_filter(call.params), cursor(call.params)
    source = kept.newest_first() if customer is None else reversed(kept.of("customer", customer))
    found = (item for item in source if within(item.created))
    return listing(call, "/v1/payment_intents", found, at)


ROUTES: list[Route] = [
    ("POST", "/v1/payment_intents", create),
    ("GET", "/v1/payment_intents", list_all),
    ("GET", "/v1/payment_intents/{id}", retrieve),
    ("POST", "/v1/payment_intents/{id}/confirm", confirm),
    ("POST", "/v1/payment_intents/{id}/cancel", cancel),
]
