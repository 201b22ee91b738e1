"""Stripe's objects, of any version, as observations.

Promise: pure; an object that is nested or expanded in another is observed as well. What a newer version left
out (the invoice of a charge, the charge of an invoice: both gone since 2025-03-31) is told as not known, never
as absent. Shapes: docs.stripe.com/api, docs.stripe.com/changelog/basil.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from recoup_events.values import Collection, InvoiceStatus, SubscriptionStatus
from recoup_gateway_adapter.gateways.contract import (
    Charge,
    ChargeStatus,
    CheckoutSession,
    Customer,
    Decline,
    Invoice,
    Observation,
    PaymentIntent,
    PaymentLink,
    PaymentMethod,
    Subscription,
    Thing,
)
from recoup_gateway_adapter.gateways.stripe.reversals import dispute, refund
from recoup_gateway_adapter.gateways.stripe.shapes import (
    Json,
    essential,
    ident,
    inner,
    instant,
    instrument,
    money,
    rows,
    text,
    whole,
)

NEEDS_AUTHENTICATION = frozenset(
    {
        "authentication_required",
        "authentication_not_handled",
        "mobile_device_authentication_required",
        "payment_intent_authentication_failure",
        "payment_intent_action_required",
        "invoice_payment_intent_requires_action",
    }
)
"""Codes after which the customer must authenticate (docs.stripe.com/declines/codes, docs.stripe.com/error-codes)."""

SAYS_WHY = frozenset({"issuer_declined", "blocked"})
"""Types of outcome whose reason is a code: the issuer's, or why Stripe blocked it itself
(docs.stripe.com/api/charges/object#charge_object-outcome)."""


_AWAITS_CUSTOMER = frozenset({"requires_action", "requires_source_action"})


def observations_of(thing: Json, *, at: datetime, request_key: str | None = None) -> list[Observation]:
    """Give what an object, a list, or an error's body shows.

    Args:
        at: the instant it shows, on the merchant's clock: for an answer, before the request was sent.
        request_key: of the request that made the payment, where this is known (see `Observation`).

    Raises:
        Unprocessable: an object of a kind that we read lacks what makes it one, for instance its id.
    """
    return list(_walk(thing, at, request_key))


def _walk(thing: Json, at: datetime, key: str | None) -> Iterator[Observation]:
    if isinstance(thing.get("error"), dict):
        yield from _error(thing["error"], at, key)
        return
    key = None if _awaits_customer(thing) else key
    kind = thing.get("object")
    if kind == "list":
        for row in rows(thing):
            yield from _walk(row, at, key)
        return
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is not None:
        for found in read(thing, at):
            yield Observation(found, at, key if _makes_payment(found) else None)
    for nested, its_key in _nested(thing, key):
        yield from _walk(nested, at, its_key)


def _makes_payment(found: Thing) -> bool:
    return isinstance(found, Charge | PaymentIntent | Invoice)


def _nested(thing: Json, key: str | None) -> Iterator[tuple[Json, str | None]]:
    """Give expanded objects; the request made only the newest charge, which Stripe lists first."""
    for name in (
        "payment_intent",
        "charge",
        "latest_charge",
        "latest_invoice",
        "customer",
        "subscription",
        "setup_intent",
    ):
        if _complete(found := inner(thing, name)):
            yield found, key
    for name in ("payment_method", "default_payment_method"):
        if _complete(found := inner(thing, name)):
            yield found, None
    if _complete(found := inner(thing, "payment", "payment_intent")):
        yield found, key
    for n, charge in enumerate(rows(thing.get("charges"))):
        yield charge, key if n == 0 else None
    for refunded in rows(thing.get("refunds")):
        yield {**refunded, "charge": thing.get("id")}, None
    for payment in rows(thing.get("payments")):
        yield payment, key


def _awaits_customer(thing: Json) -> bool:
    """Tell whether it waits for 3-D Secure: that request made no charge, the newest is an earlier request's."""
    return thing.get("object") == "payment_intent" and thing.get("status") in _AWAITS_CUSTOMER


def _complete(found: Json) -> bool:
    return "object" in found and "id" in found and not found.get("deleted") and len(found) > 4


def _error(error: Json, at: datetime, key: str | None) -> Iterator[Observation]:
    if inner(error, "payment_intent"):
        yield from _walk(error["payment_intent"], at, key)
    if inner(error, "payment_method"):
        yield from _walk(error["payment_method"], at, None)


# --- one reader an object ---------------------------------------------------------------------------------


def charge(thing: Json, at: datetime) -> Iterator[Charge]:
    """Read a charge. Before 2014 it had no `status`, before 2012 no `captured`."""
    intent = ident(thing.get("payment_intent"))
    # Without a payment intent nothing but the charge itself could name an invoice.
    known = "invoice" in thing or intent is None
    yield Charge(
        charge_id=essential(thing, "charge.id"),
        status=_charge_status(thing),
        amount=money(thing.get("amount"), thing.get("currency"), "charge"),
        created_at=instant(thing.get("created")) or at,
        customer_id=ident(thing.get("customer")) or ident(inner(thing, "source").get("customer")),
        payment_intent_id=intent,
        invoice_id=ident(thing.get("invoice")),
        invoice_known=known,
        instrument=_charged_instrument(thing),
        decline=_charge_decline(thing),
        refunded_minor=whole(thing.get("amount_refunded")) or 0,
    )


def _charge_status(thing: Json) -> ChargeStatus:
    if thing.get("status") == "pending":
        return ChargeStatus.PENDING
    if thing.get("status") == "failed" or not thing.get("paid", thing.get("status") == "succeeded"):
        return ChargeStatus.FAILED
    return ChargeStatus.AUTHORISED if thing.get("captured") is False else ChargeStatus.SUCCEEDED


def _charged_instrument(thing: Json) -> Any:
    details = inner(thing, "payment_method_details")
    kind = text(details.get("type"))
    source = inner(thing, "source") or inner(thing, "card")
    identity = ident(thing.get("payment_method")) or ident(source)
    if kind is not None:
        return instrument(identity, kind, inner(details, kind))
    return instrument(identity, source.get("object"), inner(source, "card") or source)


def _charge_decline(thing: Json) -> Decline:
    outcome = inner(thing, "outcome")
    reason = text(outcome.get("reason")) if outcome.get("type") in SAYS_WHY else None
    return _decline(reason or text(thing.get("failure_code")), outcome)


def _decline(code: str | None, words: Json) -> Decline:
    return Decline(
        code=code,
        advice=text(words.get("advice_code")),
        network_code=text(words.get("network_decline_code")),
        network_advice=text(words.get("network_advice_code")),
        requires_authentication=code in NEEDS_AUTHENTICATION,
    )


def payment_intent(thing: Json, at: datetime) -> Iterator[PaymentIntent]:
    """Read a payment intent; its last error says why its newest charge failed."""
    error = inner(thing, "last_payment_error")
    method = inner(error, "payment_method")
    newest = next(rows(thing.get("charges")), None)
    amount, currency = whole(thing.get("amount_received")) or thing.get("amount"), thing.get("currency")
    yield PaymentIntent(
        payment_intent_id=essential(thing, "payment_intent.id"),
        succeeded=thing.get("status") == "succeeded",
        amount=money(amount, currency, "payment_intent") if amount is not None else None,
        created_at=instant(thing.get("created")),
        customer_id=ident(thing.get("customer")),
        invoice_id=ident(thing.get("invoice")),
        invoice_known="invoice" in thing,
        charge_id=ident(thing.get("latest_charge")) or ident(newest) or ident(error.get("charge")),
        instrument=instrument(method, method.get("type"), inner(method, str(method.get("type")))),
        decline=_decline(text(error.get("decline_code")) or text(error.get("code")), error)
        if error
        else None,
    )


def invoice(thing: Json, at: datetime) -> Iterator[Invoice | PaymentLink]:
    """Read an invoice. One that is only foreseen (`invoice.upcoming`) has no id and is none yet."""
    if thing.get("id") is None:
        return
    found = essential(thing, "invoice.id")
    status = _invoice_status(thing)
    due = money(thing.get("amount_due"), thing.get("currency"), "invoice")
    remaining = whole(thing.get("amount_remaining"))
    owed = 0 if status is InvoiceStatus.PAID else due.minor if remaining is None else max(0, remaining)
    paid = whole(thing.get("amount_paid"))
    way = thing.get("collection_method") or thing.get("billing") or "charge_automatically"
    automatic = way == "charge_automatically"
    advances = thing.get("auto_advance", not thing.get("closed", False) and not thing.get("paid"))
    yield Invoice(
        invoice_id=found,
        customer_id=ident(thing.get("customer")),
        status=status,
        collection=Collection.AUTOMATIC if automatic else Collection.SEND_INVOICE,
        owed=type(due)(owed, due.currency),
        due_minor=due.minor,
        paid_minor=paid if paid is not None else due.minor - owed,
        total_minor=max(0, whole(thing.get("total")) or 0),
        attempt_count=max(0, whole(thing.get("attempt_count")) or 0),
        number=text(thing.get("number")),
        subscription_id=_subscription_of(thing),
        first_of_subscription=thing.get("billing_reason") == "subscription_create",
        collected_by_gateway=automatic
        and bool(advances)
        and status in {InvoiceStatus.DRAFT, InvoiceStatus.OPEN},
        next_gateway_try_at=instant(thing.get("next_payment_attempt")),
        charge_id=ident(thing.get("charge")),
        payment_intent_id=ident(thing.get("payment_intent")),
        paid_out_of_band=thing.get("paid_out_of_band") is True,
        paid_at=instant(inner(thing, "status_transitions").get("paid_at")),
    )


def _invoice_status(thing: Json) -> InvoiceStatus:
    """Before 2018-11-08 an invoice had no `status`, but `paid`, `closed`, `forgiven` and `attempted`."""
    if isinstance(thing.get("status"), str):
        return InvoiceStatus(thing["status"])
    if thing.get("paid"):
        return InvoiceStatus.PAID
    if thing.get("forgiven"):
        return InvoiceStatus.UNCOLLECTIBLE
    if thing.get("closed"):
        return InvoiceStatus.VOID
    return InvoiceStatus.OPEN if thing.get("attempted") else InvoiceStatus.DRAFT


def _subscription_of(thing: Json) -> str | None:
    named = ident(thing.get("subscription"))
    parent = ident(inner(thing, "parent", "subscription_details").get("subscription"))
    return (
        named
        or parent
        or next(filter(None, (ident(row.get("subscription")) for row in rows(thing.get("lines")))), None)
    )


def invoice_payment(thing: Json, at: datetime) -> Iterator[PaymentLink]:
    """Read which payment intent, or charge, pays which invoice (since 2025-03-31)."""
    payment = inner(thing, "payment")
    intent, paid_by = ident(payment.get("payment_intent")), ident(payment.get("charge"))
    if intent or paid_by:
        yield PaymentLink(essential(thing.get("invoice"), "invoice_payment.invoice"), intent, paid_by)


def payment_method(thing: Json, at: datetime) -> Iterator[PaymentMethod]:
    """Read a payment method of any type."""
    kind = text(thing.get("type")) or "card"
    essential(thing, "payment_method.id")
    if found := instrument(thing, kind, inner(thing, kind)):
        yield PaymentMethod(found, ident(thing.get("customer")))


def source(thing: Json, at: datetime) -> Iterator[PaymentMethod]:
    """Read a card, a bank account or a source: what payment methods were before 2018, and still may be."""
    kind = thing.get("type") if thing.get("object") == "source" else thing.get("object")
    details = inner(thing, str(kind)) if thing.get("object") == "source" else thing
    customer = ident(thing.get("customer"))
    if customer and (found := instrument(thing, kind, details)):
        yield PaymentMethod(found, customer)


def customer(thing: Json, at: datetime) -> Iterator[Customer]:
    """Read a customer."""
    locales = thing.get("preferred_locales")
    yield Customer(
        customer_id=essential(thing, "customer.id"),
        erased=thing.get("deleted") is True,
        email=text(thing.get("email"), 2000),
        name=text(thing.get("name"), 2000),
        locale=text(locales[0]) if isinstance(locales, list) and locales else None,
        country=text(inner(thing, "address").get("country")),
    )


def subscription(thing: Json, at: datetime) -> Iterator[Subscription]:
    """Read a subscription; since 2025-03-31 its period is its items'."""
    items = list(rows(thing.get("items")))
    written = [thing.get("current_period_end"), *(item.get("current_period_end") for item in items)]
    ends = [end for end in map(instant, written) if end is not None]
    plan = inner(thing, "plan") or next((inner(item, "plan") or inner(item, "price") for item in items), {})
    yield Subscription(
        subscription_id=essential(thing, "subscription.id"),
        customer_id=essential(thing.get("customer"), "subscription.customer"),
        status=SubscriptionStatus(str(thing.get("status"))),
        cancel_at_period_end=thing.get("cancel_at_period_end") is True,
        collection_paused=bool(inner(thing, "pause_collection")),
        current_period_end=min(ends, default=None),
        description=text(thing.get("description"), 2000)
        or text(plan.get("nickname"))
        or text(plan.get("name")),
    )


def checkout_session(thing: Json, at: datetime) -> Iterator[CheckoutSession]:
    """Read a checkout session; in setup mode it is no payment, and in the others its charge tells."""
    yield CheckoutSession(
        session_id=essential(thing, "checkout.session.id"),
        customer_id=ident(thing.get("customer")),
        setup=thing.get("mode") == "setup",
        status=text(thing.get("status")) or "unknown",
    )


_READERS: dict[str, Callable[[Json, datetime], Iterator[Any]]] = {
    "charge": charge,
    "payment_intent": payment_intent,
    "invoice": invoice,
    "invoice_payment": invoice_payment,
    "payment_method": payment_method,
    "card": source,
    "bank_account": source,
    "source": source,
    "customer": customer,
    "subscription": subscription,
    "refund": refund,
    "dispute": dispute,
    "checkout.session": checkout_session,
}
