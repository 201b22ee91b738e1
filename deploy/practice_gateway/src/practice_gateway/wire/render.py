"""One door to all renderers, and expansion of what they leave as an id."""

from collections.abc import Callable
from typing import Any

from practice_gateway import model
from practice_gateway.errors import invalid_request
from practice_gateway.wire import billing, customers, payments
from practice_gateway.wire.view import View, Wire, list_of

MAX_EXPANSION_DEPTH = 4  # docs.stripe.com/api/expanding_objects

_RENDERERS: dict[type, Callable[[Any, View], Wire]] = {
    model.Customer: customers.customer,
    model.PaymentMethod: customers.payment_method,
    model.SetupIntent: customers.setup_intent,
    model.CheckoutSession: customers.checkout_session,
    model.PaymentIntent: payments.payment_intent,
    model.Charge: payments.charge,
    model.Refund: payments.refund,
    model.Dispute: payments.dispute,
    model.Invoice: billing.invoice,
    model.InvoiceItem: billing.invoice_item,
    model.Subscription: billing.subscription,
    model.Price: billing.price,
    model.Product: billing.product,
}


def render(item: Any, view: View) -> Wire:
    """Write an object out in the view's version."""
    return _RENDERERS[type(item)](item, view)


def expand(wire: Wire, paths: list[str], view: View) -> None:
    """Replace ids by objects along dotted paths, in place.

    Raises:
        StripeError: 400, no such field to expand, or too deep.
    """
    for path in paths:
        segments = path.split(".")
        if len([segment for segment in segments if segment != "data"]) > MAX_EXPANSION_DEPTH:
            raise invalid_request(
                f"You cannot expand more than {MAX_EXPANSION_DEPTH} levels of a property: {path}",
                param="expand",
            )
        _expand(wire, segments, view, path)


def _expand(target: Any, segments: list[str], view: View, path: str) -> None:
    if isinstance(target, list):
        for element in target:
            _expand(element, segments, view, path)
        return
    if not segments:
        return
    head, *rest = segments
    if not isinstance(target, dict) or (head not in target and not _include(target, head, view)):
        raise invalid_request(
            f"This property cannot be expanded ({path}).", code="property_cannot_be_expanded", param="expand"
        )
    value = target[head]
    if value is None:
        return
    if isinstance(value, str):
        found = view.account.find(value)
        if found is None:
            raise invalid_request(f"This property cannot be expanded ({path}).", param="expand")
        value = target[head] = render(found, view)
    _expand(value, rest, view, path)


def _include(target: Wire, name: str, view: View) -> bool:
    """Add a list that is part of an object only when asked for."""
    account = view.account
    match target.get("object"), name:
        case "invoice", "payments" if view.version.basil:
            data = billing.invoice_payments(account.invoices[target["id"]], view)
            url = f"/v1/invoice_payments?invoice={target['id']}"
        case "invoice", "confirmation_secret" if view.version.basil:
            intent = account.payment_intents.get(account.invoices[target["id"]].payment_intent)
            target[name] = (
                {"client_secret": intent.client_secret, "type": "payment_intent"} if intent else None
            )
            return True
        case "customer", "subscriptions":
            live = [
                found
                for found in account.subscriptions.of("customer", target["id"])
                if found.status not in ("canceled", "incomplete_expired")
            ]
            data = [billing.subscription(found, view) for found in reversed(live)]
            url = f"/v1/customers/{target['id']}/subscriptions"
        case "charge", "refunds":
            data = [
                payments.refund(account.refunds[found], view)
                for found in account.charges[target["id"]].refunds
            ]
            url = f"/v1/charges/{target['id']}/refunds"
        case _:
            return False
    target[name] = list_of(data, url)
    return True
