"""/v1/subscriptions."""

from collections.abc import Iterator
from typing import Any

from practice_gateway.api.call import Call, Route, card_error, created_filter, cursor, listing
from practice_gateway.api.catalogue import price_of
from practice_gateway.billing import collection, standing, subscriptions, tries
from practice_gateway.billing.periods import next_period_end
from practice_gateway.errors import StripeError, invalid_request, missing, no_such, refused
from practice_gateway.ids import new_id
from practice_gateway.model import Invoice, Subscription, SubscriptionItem
from practice_gateway.params import Params, merge_metadata
from practice_gateway.wire import Wire

ENDED = ("canceled", "incomplete_expired")
BEHAVIORS = ("allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete")
PAUSES = ("keep_as_draft", "mark_uncollectible", "void")
STATUSES = ("active", "past_due", "unpaid", "canceled", "incomplete", "incomplete_expired", "all", "ended")
UNUSED = ("payment_settings", "proration_behavior", "automatic_tax", "off_session")


async def create(call: Call) -> Wire:
    """POST /v1/subscriptions: opens the first invoice and, unless told otherwise, tries it at once."""
    params = call.params
    customer = call.required_customer()
    items = _items(call)
    method = _method(call, customer.id)
    behavior = params.one_of("payment_behavior", BEHAVIORS) or "allow_incomplete"
    collecting = params.one_of("collection_method", ("charge_automatically", "send_invoice"))
    days = params.integer("days_until_due", least=0, most=365)
    at_end, metadata = params.flag("cancel_at_period_end"), merge_metadata({}, params.strings("metadata"))
    params.accept(*UNUSED)
    params.done()
    now, price = call.act.now, items[0].price
    subscription = Subscription(
        id=new_id("sub"),
        created=now,
        customer=customer.id,
        items=items,
        status="incomplete",
        current_period_start=now,
        current_period_end=next_period_end(now, now, price.interval or "month", price.interval_count),
        billing_cycle_anchor=now,
        collection_method=collecting or "charge_automatically",
        days_until_due=days,
        default_payment_method=method,
        cancel_at_period_end=bool(at_end),
        metadata=metadata,
    )
    invoice = subscriptions.begin(call.act, subscription)
    if subscription.status == "incomplete" and behavior != "default_incomplete":
        await _first_try(call, subscription, invoice, behavior)
    return call.show(subscription)


async def _first_try(call: Call, subscription: Subscription, invoice: Invoice, behavior: str) -> None:
    outcome = await collection.collect(call.act, invoice)
    if behavior != "error_if_incomplete" or isinstance(outcome, tries.Captured):
        return
    await standing.expire(call.act, subscription)
    if isinstance(outcome, tries.Refused) and outcome.charge is not None:
        raise card_error(call, outcome.decline, outcome.charge.payment_method, charge=outcome.charge.id)
    raise StripeError(
        402,
        {
            "type": "card_error",
            "code": "subscription_payment_intent_requires_action",
            "message": "Payment for this subscription requires additional user action before it can be "
            "completed successfully.",
        },
    )


def _items(call: Call) -> list[SubscriptionItem]:
    found = [
        SubscriptionItem(
            id=new_id("si", 14),
            created=call.act.now,
            price=price_of(call, item),
            quantity=item.integer("quantity", least=1, most=1_000_000) or 1,
        )
        for item in call.params.each("items")
    ]
    if not found:
        raise missing("items")
    if any(item.price.interval is None for item in found):
        raise invalid_request("A subscription takes prices of `type=recurring` only.", param="items")
    if len({item.price.currency for item in found}) > 1:
        raise invalid_request("All prices on a subscription must have the same currency.")
    return found


def _method(call: Call, customer: str) -> str | None:
    method = call.named("PaymentMethod", call.account.payment_methods, "default_payment_method")
    if method is not None and method.customer != customer:
        raise no_such("PaymentMethod", method.id, "default_payment_method")
    return method.id if method else None


async def retrieve(call: Call) -> Wire:
    """GET /v1/subscriptions/{id}."""
    return call.show(_subscription(call))


def _subscription(call: Call) -> Subscription:
    return call.one("subscription", call.account.subscriptions)


async def update(call: Call) -> Wire:
    """POST /v1/subscriptions/{id}: card, end, pause, collection."""
    subscription, params = _subscription(call), call.params
    changes: dict[str, Any] = {}
    if "default_payment_method" in params:
        changes["default_payment_method"] = _method(call, subscription.customer)
    if "cancel_at_period_end" in params:
        changes |= _at_period_end(call, subscription)
    if "pause_collection" in params:
        changes["pause_collection"] = _pause(params)
    for name in ("collection_method", "description"):
        if name in params:
            changes[name] = params.text(name)
    if "days_until_due" in params:
        changes["days_until_due"] = params.integer("days_until_due", least=0, most=365)
    changes["metadata"] = merge_metadata(subscription.metadata, params.strings("metadata"))
    params.accept(*UNUSED, "cancellation_details")
    params.done()
    if subscription.status in ENDED:
        raise refused("A canceled subscription can only update its cancellation_details and metadata.")
    before = call.act.look(subscription)
    for name, value in changes.items():
        setattr(subscription, name, value)
    call.act.emit_change("customer.subscription.updated", subscription, before)
    return call.show(subscription)


def _at_period_end(call: Call, subscription: Subscription) -> dict[str, Any]:
    ending = bool(call.params.flag("cancel_at_period_end"))
    return {
        "cancel_at_period_end": ending,
        "cancel_at": subscription.current_period_end if ending else None,
        "canceled_at": call.act.now if ending else None,
        "cancellation_reason": "cancellation_requested" if ending else None,
    }


def _pause(params: Params) -> dict[str, Any] | None:
    pause = params.nested("pause_collection")
    behavior, resumes_at = pause.one_of("behavior", PAUSES), pause.integer("resumes_at")
    return {"behavior": behavior, "resumes_at": resumes_at} if behavior else None


async def cancel(call: Call) -> Wire:
    """DELETE /v1/subscriptions/{id}."""
    subscription = _subscription(call)
    call.params.accept("invoice_now", "prorate", "cancellation_details")
    call.params.done()
    if subscription.status in ENDED:
        raise no_such("subscription", subscription.id)
    if subscription.status == "incomplete":
        await standing.expire(call.act, subscription)
    else:
        standing.cancel(call.act, subscription, "cancellation_requested")
    return call.show(subscription)


async def list_all(call: Call) -> Wire:
    """GET /v1/subscriptions by customer, status, price and created; ended ones only when asked for."""
    params, kept = call.params, call.account.subscriptions
    customer, price = params.text("customer"), params.text("price")
    status = params.one_of("status", STATUSES)
    within, at = created_filter(params), cursor(params)
    params.accept("collection_method", "current_period_end", "current_period_start")
    source: Iterator[Subscription] = (
        kept.newest_first() if customer is None else reversed(kept.of("customer", customer))
    )
    found = (
        item
        for item in source
        if _has_status(item, status)
        and within(item.created)
        and (price is None or any(one.price.id == price for one in item.items))
    )
    return listing(call, "/v1/subscriptions", found, at)


def _has_status(item: Subscription, status: str | None) -> bool:
    match status:
        case None:
            return item.status not in ENDED
        case "all":
            return True
        case "ended":
            return item.status in ENDED
        case _:
            return item.status == status


ROUTES: list[Route] = [
    ("POST", "/v1/subscriptions", create),
    ("GET", "/v1/subscriptions", list_all),
    ("GET", "/v1/subscriptions/{id}", retrieve),
    ("POST", "/v1/subscriptions/{id}", update),
    ("DELETE", "/v1/subscriptions/{id}", cancel),
]
