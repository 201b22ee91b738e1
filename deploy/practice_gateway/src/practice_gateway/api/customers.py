"""/v1/customers."""

from typing import Any

from practice_gateway.account import Account
from practice_gateway.api.call import Call, Route, created_filter, cursor, listing
from practice_gateway.api.methods import attach_or_refuse
from practice_gateway.billing import standing
from practice_gateway.cards import saving
from practice_gateway.errors import no_such
from practice_gateway.ids import new_id
from practice_gateway.model import Customer, PaymentMethod
from practice_gateway.params import Params, merge_metadata
from practice_gateway.wire import Wire

ENDED = ("canceled", "incomplete_expired")
UNUSED = ("balance", "cash_balance", "invoice_prefix", "next_invoice_sequence", "shipping", "tax_exempt")


def new_customer(account: Account, now: int) -> Customer:
    """Return a customer with nothing but an id and a prefix for invoice numbers."""
    identifier = new_id("cus", 14)
    return Customer(id=identifier, created=now, invoice_prefix=identifier[-8:].upper())


async def create(call: Call) -> Wire:
    """POST /v1/customers."""
    customer = new_customer(call.account, call.act.now)
    method = _method(call, "payment_method")
    changes = _changes(call, customer)
    default = _default_method(call, customer, method)
    call.params.done()
    _apply(customer, changes)
    if method is not None:
        await attach_or_refuse(call, method, customer)
    customer.default_payment_method = default
    call.account.customers.add(customer)
    call.act.emit("customer.created", customer)
    return call.show(customer)


async def retrieve(call: Call) -> Wire:
    """GET /v1/customers/{id}."""
    return call.show(call.one("customer", call.account.customers))


async def update(call: Call) -> Wire:
    """POST /v1/customers/{id}."""
    customer = _living(call)
    changes = _changes(call, customer)
    default = _default_method(call, customer, None)
    call.params.done()
    before = call.act.look(customer)
    _apply(customer, changes)
    customer.default_payment_method = default
    call.act.emit_change("customer.updated", customer, before)
    return call.show(customer)


async def delete(call: Call) -> Wire:
    """DELETE /v1/customers/{id}: ends its subscriptions too."""
    customer = _living(call)
    for subscription in call.account.subscriptions.of("customer", customer.id):
        if subscription.status not in ENDED:
            standing.cancel(call.act, subscription, "cancellation_requested")
    wire = call.act.look(customer)
    customer.deleted = True
    call.act.emit_wire("customer.deleted", wire)
    return call.show(customer)


async def list_all(call: Call) -> Wire:
    """GET /v1/customers."""
    email, within, at = call.params.text("email"), created_filter(call.params), cursor(call.params)
    found = (
        item
        for item in call.account.customers.newest_first()
        if not item.deleted and within(item.created) and (email is None or item.email == email)
    )
    return listing(call, "/v1/customers", found, at)


async def list_methods(call: Call) -> Wire:
    """GET /v1/customers/{id}/payment_methods."""
    customer = _living(call)
    call.params.accept("type", "allow_redisplay")
    cards = saving.customer_cards(call.account, customer.id)
    return listing(call, f"/v1/customers/{customer.id}/payment_methods", cards, cursor(call.params))


async def retrieve_method(call: Call) -> Wire:
    """GET /v1/customers/{id}/payment_methods/{method}."""
    method = call.one("PaymentMethod", call.account.payment_methods, call.path["method_id"])
    if method.customer != call.path["id"]:
        raise no_such("PaymentMethod", method.id)
    return call.show(method)


def _living(call: Call) -> Customer:
    customer = call.one("customer", call.account.customers)
    if customer.deleted:
        raise no_such("customer", customer.id)
    return customer


def _changes(call: Call, customer: Customer) -> dict[str, Any]:
    params = call.params
    changes: dict[str, Any] = {}
    for name in ("email", "name", "phone", "description"):
        if name in params:
            changes[name] = params.text(name)
    if "address" in params:
        changes["address"] = params.strings("address") or None
    if "preferred_locales" in params:
        changes["preferred_locales"] = params.texts("preferred_locales") or []
    changes["metadata"] = merge_metadata(customer.metadata, params.strings("metadata"))
    params.accept(*UNUSED)
    return changes


def _apply(customer: Customer, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(customer, name, value)


def _default_method(call: Call, customer: Customer, fresh: PaymentMethod | None) -> str | None:
    settings: Params = call.params.nested("invoice_settings")
    settings.accept("custom_fields", "footer", "rendering_options")
    if "default_payment_method" not in settings:
        return customer.default_payment_method
    wanted = settings.text("default_payment_method")
    if wanted is None:
        return None
    if fresh is not None and (wanted == fresh.id or wanted == call.params.text("payment_method")):
        return fresh.id
    method = call.account.payment_methods.get(wanted)
    if method is None or method.customer != customer.id:
        raise no_such("PaymentMethod", wanted, "invoice_settings[default_payment_method]")
    return method.id


def _method(call: Call, param: str) -> PaymentMethod | None:
    wanted = call.params.text(param)
    if wanted is None:
        return None
    method = saving.named_card(call.act, wanted)
    if method is None:
        raise no_such("PaymentMethod", wanted, param)
    return method


ROUTES: list[Route] = [
    ("POST", "/v1/customers", create),
    ("GET", "/v1/customers", list_all),
    ("GET", "/v1/customers/{id}", retrieve),
    ("POST", "/v1/customers/{id}", update),
    ("DELETE", "/v1/customers/{id}", delete),
    ("GET", "/v1/customers/{id}/payment_methods", list_methods),
    ("GET", "/v1/customers/{id}/payment_methods/{method_id}", retrieve_method),
]
