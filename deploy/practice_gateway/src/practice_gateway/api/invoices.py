"""/v1/invoices and /v1/invoice_payments."""

from collections.abc import Iterator

from practice_gateway.api.call import Call, Route, created_filter, cursor, listing, page_of
from practice_gateway.api.paying import pay
from practice_gateway.billing import collection, invoices, subscriptions
from practice_gateway.errors import no_such, refused, unknown_url
from practice_gateway.ids import new_id
from practice_gateway.model import Invoice, Line
from practice_gateway.params import merge_metadata
from practice_gateway.wire import Wire
from practice_gateway.wire.billing import invoice_payments

STATUSES = ("draft", "open", "paid", "uncollectible", "void")
METHODS = ("charge_automatically", "send_invoice")


async def create(call: Call) -> Wire:
    """POST /v1/invoices: takes the customer's waiting items, unless told to exclude them."""
    params = call.params
    customer = call.required_customer()
    currency = params.text("currency") or customer.currency
    method = params.one_of("collection_method", METHODS) or "charge_automatically"
    days, advance = params.integer("days_until_due", least=0, most=365), params.flag("auto_advance")
    description, metadata = params.text("description"), merge_metadata({}, params.strings("metadata"))
    card = _card(call, customer.id)
    behavior = params.one_of("pending_invoice_items_behavior", ("include", "exclude"))
    params.accept("footer", "payment_settings", "statement_descriptor", "custom_fields", "discounts")
    params.done()
    waiting = [
        item
        for item in call.account.invoice_items.of("customer", customer.id)
        if item.invoice is None and behavior == "include"
    ]
    lines = [
        Line(
            id=new_id("il"),
            amount=item.amount,
            description=item.description or "Item",
            period_start=item.created,
            period_end=item.created,
            invoice_item=item.id,
        )
        for item in waiting
    ]
    invoice = invoices.draft(
        call.act,
        customer=customer.id,
        currency=currency or (waiting[0].currency if waiting else "usd"),
        lines=lines,
        reason="manual",
        auto_advance=bool(advance),
        collection_method=method,
        days_until_due=days if method == "send_invoice" else None,
    )
    for item in waiting:
        item.invoice = invoice.id
    invoice.description, invoice.metadata, invoice.default_payment_method = description, metadata, card
    if invoice.auto_advance:
        subscriptions.advance_draft(call.act, invoice)
    return call.show(invoice)


def _card(call: Call, customer: str) -> str | None:
    method = call.named("PaymentMethod", call.account.payment_methods, "default_payment_method")
    if method is None:
        return None
    if method.customer != customer:
        raise no_such("PaymentMethod", method.id, "default_payment_method")
    return method.id


async def retrieve(call: Call) -> Wire:
    """GET /v1/invoices/{id}."""
    return call.show(_invoice(call))


def _invoice(call: Call) -> Invoice:
    return call.one("invoice", call.account.invoices)


async def update(call: Call) -> Wire:
    """POST /v1/invoices/{id}: auto_advance=false takes it out of the gateway's own retries."""
    invoice, params = _invoice(call), call.params
    advance = params.flag("auto_advance")
    metadata = params.strings("metadata")
    changes: dict[str, object] = {}
    if "description" in params:
        changes["description"] = params.text("description")
    if "default_payment_method" in params:
        changes["default_payment_method"] = _card(call, invoice.customer)
    method = params.one_of("collection_method", METHODS)
    days = params.integer("days_until_due", least=0, most=365)
    params.accept("footer", "payment_settings", "statement_descriptor", "custom_fields")
    params.done()
    async with invoice.lock:
        if method is not None and invoice.status != "draft":
            raise refused("Finalized invoices can't be updated in this way", code="invoice_not_editable")
        before = call.act.look(invoice)
        for name, value in changes.items():
            setattr(invoice, name, value)
        if method is not None:
            invoice.collection_method = method
            invoice.due_date = (
                call.act.now + (days or 30) * invoices.DAY if method == "send_invoice" else None
            )
        invoice.metadata = merge_metadata(invoice.metadata, metadata)
        _advance(call, invoice, advance)
        call.act.emit_change("invoice.updated", invoice, before)
        return call.show(invoice)


def _advance(call: Call, invoice: Invoice, advance: bool | None) -> None:  # noqa: FBT001  what was sent
    if advance is None or advance == invoice.auto_advance:
        return
    if not advance:
        invoices.stop_collecting(invoice)
        return
    invoice.auto_advance = True
    if invoice.status == "draft":
        subscriptions.advance_draft(call.act, invoice)
    elif invoice.status == "open" and invoice.collection_method == "charge_automatically":
        due = call.act.now + collection.API_FINALIZED_SECONDS
        collection.attempt_at(call.act.gateway, call.account, invoice, due)


async def delete(call: Call) -> Wire:
    """DELETE /v1/invoices/{id}: drafts of no subscription only."""
    invoice = _invoice(call)
    if invoice.status != "draft" or invoice.subscription is not None:
        raise refused("You can only delete draft invoices that belong to no subscription.")
    call.act.emit("invoice.deleted", invoice)
    call.account.invoices.remove(invoice.id)
    return {"id": invoice.id, "object": "invoice", "deleted": True}


async def finalize(call: Call) -> Wire:
    """POST /v1/invoices/{id}/finalize."""
    invoice = _invoice(call)
    advance = call.params.flag("auto_advance")
    call.params.done()
    async with invoice.lock:
        if invoice.status != "draft":
            raise refused("This invoice is already finalized, you can't re-finalize a non-draft invoice.")
        invoice.auto_advance = invoice.auto_advance if advance is None else advance
        invoices.finalize(call.act, invoice)
        if invoice.status == "open" and invoice.auto_advance and invoice.collection_method != "send_invoice":
            due = call.act.now + collection.API_FINALIZED_SECONDS
            collection.attempt_at(call.act.gateway, call.account, invoice, due)
        return call.show(invoice)


async def void(call: Call) -> Wire:
    """POST /v1/invoices/{id}/void."""
    invoice = _invoice(call)
    call.params.done()
    async with invoice.lock:
        if invoice.status not in ("open", "uncollectible"):
            raise refused(
                "You can only pass in open or uncollectible invoices. "
                f"This invoice has a status of {invoice.status}."
            )
        invoices.void(call.act, invoice)
        return call.show(invoice)


async def mark_uncollectible(call: Call) -> Wire:
    """POST /v1/invoices/{id}/mark_uncollectible."""
    invoice = _invoice(call)
    call.params.done()
    async with invoice.lock:
        if invoice.status != "open":
            raise refused(
                f"You can only pass in open invoices. This invoice has a status of {invoice.status}."
            )
        invoices.mark_uncollectible(call.act, invoice)
        return call.show(invoice)


async def list_all(call: Call) -> Wire:
    """GET /v1/invoices by customer, subscription, status, collection_method and created."""
    params, kept = call.params, call.account.invoices
    customer, subscription = params.text("customer"), params.text("subscription")
    status, method = params.one_of("status", STATUSES), params.one_of("collection_method", METHODS)
    within, at = created_filter(params), cursor(params)
    params.accept("due_date")
    source: Iterator[Invoice]
    if subscription is not None:
        source = reversed(kept.of("subscription", subscription))
    elif customer is not None:
        source = reversed(kept.of("customer", customer))
    else:
        source = kept.newest_first()
    found = (
        item
        for item in source
        if (status is None or item.status == status)
        and (method is None or item.collection_method == method)
        and (customer is None or item.customer == customer)
        and within(item.created)
    )
    return listing(call, "/v1/invoices", found, at)


async def list_payments(call: Call) -> Wire:
    """GET /v1/invoice_payments by invoice, payment intent and status."""
    _since_basil(call)
    params, at = call.params, cursor(call.params)
    status = params.one_of("status", ("open", "paid", "canceled"))
    wanted, payment = params.text("invoice"), params.nested("payment")
    intent = call.account.payment_intents.get(payment.text("payment_intent"))
    payment.accept("type")
    source: Iterator[Invoice] = call.account.invoices.newest_first()
    if wanted is not None:
        source = iter([call.one("invoice", call.account.invoices, wanted)])
    elif intent is not None:
        source = iter([call.account.invoices[intent.invoice]] if intent.invoice else [])
    payments = (found for item in source for found in invoice_payments(item, call.view))
    matching = (_Payment(found["id"], found) for found in payments if status in (None, found["status"]))
    params.done()
    items, more = page_of(matching, at)
    data = [item.wire for item in items]
    return {"object": "list", "data": data, "has_more": more, "url": "/v1/invoice_payments"}


def _since_basil(call: Call) -> None:
    """Refuse the address in versions before 2025-03-31.basil, from which on it is documented."""
    if not call.view.version.basil:
        raise unknown_url(call.path["method"], call.path["url"])


class _Payment:
    """An invoice payment in a page: it has an id, as everything listed."""

    def __init__(self, identifier: str, wire: Wire) -> None:
        self.id = identifier
        self.wire = wire


async def retrieve_payment(call: Call) -> Wire:
    """GET /v1/invoice_payments/{id}."""
    _since_basil(call)
    identifier = call.path["id"]
    invoice = call.account.invoices.get(identifier.replace("inpay_", "in_", 1))
    found = invoice_payments(invoice, call.view) if invoice is not None else []
    if not found:
        raise no_such("invoice payment", identifier)
    return found[0]


ROUTES: list[Route] = [
    ("POST", "/v1/invoices", create),
    ("GET", "/v1/invoices", list_all),
    ("GET", "/v1/invoices/{id}", retrieve),
    ("POST", "/v1/invoices/{id}", update),
    ("DELETE", "/v1/invoices/{id}", delete),
    ("POST", "/v1/invoices/{id}/finalize", finalize),
    ("POST", "/v1/invoices/{id}/pay", pay),
    ("POST", "/v1/invoices/{id}/void", void),
    ("POST", "/v1/invoices/{id}/mark_uncollectible", mark_uncollectible),
    ("GET", "/v1/invoice_payments", list_payments),
    ("GET", "/v1/invoice_payments/{id}", retrieve_payment),
]
