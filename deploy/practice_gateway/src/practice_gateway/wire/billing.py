"""Invoices, what they were paid with, subscriptions and prices: where the two API versions differ most."""

from practice_gateway.model import (
    Invoice,
    InvoiceItem,
    Line,
    PaymentIntent,
    Price,
    Product,
    Subscription,
    SubscriptionItem,
)
from practice_gateway.wire.view import View, Wire, address, list_of


def invoice(item: Invoice, view: View) -> Wire:
    """Render an invoice; from basil on it names its subscription in `parent` and no payment at all."""
    payer = view.account.customers[item.customer]
    due = item.amount_due
    wire: Wire = {
        "id": item.id,
        "object": "invoice",
        "account_country": "US",
        "account_name": view.account.name,
        "account_tax_ids": None,
        "amount_due": due,
        "amount_paid": item.amount_paid,
        "amount_remaining": item.amount_remaining,
        "application": None,
        "attempt_count": item.attempt_count,
        "attempted": item.attempted,
        "auto_advance": item.auto_advance,
        "automatic_tax": {"enabled": False, "status": None},
        "billing_reason": item.billing_reason,
        "collection_method": item.collection_method,
        "created": item.created,
        "currency": item.currency,
        "custom_fields": None,
        "customer": item.customer,
        "customer_address": address(payer.address) if payer.address else None,
        "customer_email": payer.email,
        "customer_name": payer.name,
        "customer_phone": payer.phone,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": item.default_payment_method,
        "default_source": None,
        "default_tax_rates": [],
        "description": item.description,
        "discounts": [],
        "due_date": item.due_date,
        "ending_balance": 0 if item.finalized_at else None,
        "footer": None,
        "hosted_invoice_url": f"{view.origin}/i/{item.page}" if item.finalized_at else None,
        "invoice_pdf": None,
        "last_finalization_error": None,
        "lines": list_of([line(found, item, view) for found in item.lines], f"/v1/invoices/{item.id}/lines"),
        "livemode": False,
        "metadata": item.metadata,
        "next_payment_attempt": item.next_payment_attempt,
        "number": item.number,
        "on_behalf_of": None,
        "payment_settings": {"payment_method_options": None, "payment_method_types": None},
        "period_end": item.period_end,
        "period_start": item.period_start,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": item.status,
        "status_transitions": {
            "finalized_at": item.finalized_at,
            "marked_uncollectible_at": item.marked_uncollectible_at,
            "paid_at": item.paid_at,
            "voided_at": item.voided_at,
        },
        "subtotal": due,
        "test_clock": None,
        "total": due,
        "total_discount_amounts": [],
        "webhooks_delivered_at": item.created,
    }
    if view.version.basil:
        wire["amount_overpaid"] = 0
        wire["parent"] = _parent(item)
        wire["total_taxes"] = []
    else:
        wire |= {
            "application_fee_amount": None,
            "charge": item.charge,
            "discount": None,
            "paid": item.status == "paid",
            "paid_out_of_band": item.paid_out_of_band,
            "payment_intent": item.payment_intent,
            "quote": None,
            "subscription": item.subscription,
            "tax": None,
            "total_tax_amounts": [],
            "transfer_data": None,
        }
    return wire


def _parent(item: Invoice) -> Wire | None:
    if item.subscription is None:
        return None
    return {
        "quote_details": None,
        "subscription_details": {"metadata": {}, "subscription": item.subscription},
        "type": "subscription_details",
    }


def line(item: Line, owner: Invoice, view: View) -> Wire:
    """Render a line."""
    wire: Wire = {
        "id": item.id,
        "object": "line_item",
        "amount": item.amount,
        "currency": owner.currency,
        "description": item.description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "livemode": False,
        "metadata": {},
        "period": {"end": item.period_end, "start": item.period_start},
        "quantity": item.quantity,
    }
    if view.version.basil:
        wire |= {"invoice": owner.id, "parent": _line_parent(item, owner), "taxes": []}
        if item.price is not None:
            wire["pricing"] = {
                "price_details": {"price": item.price.id, "product": item.price.product},
                "type": "price_details",
                "unit_amount_decimal": str(item.price.unit_amount),
            }
        return wire
    origins = {"invoice_item": item.invoice_item, "subscription_item": item.subscription_item}
    wire |= {name: found for name, found in origins.items() if found is not None}
    return wire | {
        "plan": plan(item.price) if item.price is not None and item.price.interval else None,
        "price": price(item.price, view) if item.price is not None else None,
        "proration": False,
        "proration_details": {"credited_items": None},
        "subscription": owner.subscription,
        "tax_amounts": [],
        "tax_rates": [],
        "type": "subscription" if item.subscription_item else "invoiceitem",
    }


def _line_parent(item: Line, owner: Invoice) -> Wire:
    if item.subscription_item:
        return {
            "invoice_item_details": None,
            "subscription_item_details": {
                "invoice_item": None,
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": owner.subscription,
                "subscription_item": item.subscription_item,
            },
            "type": "subscription_item_details",
        }
    return {
        "invoice_item_details": {
            "invoice_item": item.invoice_item,
            "proration": False,
            "proration_details": {"credited_items": None},
            "subscription": None,
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }


def invoice_payments(item: Invoice, view: View) -> list[Wire]:
    """Render what pays an invoice: its default payment, there from finalisation on."""
    intent = view.account.payment_intents.get(item.payment_intent)
    if intent is None:
        return []
    return [_invoice_payment(item, intent)]


def _invoice_payment(item: Invoice, intent: PaymentIntent) -> Wire:
    paid = item.status == "paid" and not item.paid_out_of_band
    canceled = intent.status == "canceled"
    return {
        "id": f"inpay_{item.id[3:]}",
        "object": "invoice_payment",
        "amount_paid": item.amount_paid if paid else None,
        "amount_requested": item.amount_due,
        "created": intent.created,
        "currency": item.currency,
        "invoice": item.id,
        "is_default": True,
        "livemode": False,
        "payment": {"payment_intent": intent.id, "type": "payment_intent"},
        "status": "paid" if paid else "canceled" if canceled else "open",
        "status_transitions": {
            "canceled_at": intent.canceled_at,
            "paid_at": item.paid_at if paid else None,
        },
    }


def invoice_item(item: InvoiceItem, view: View) -> Wire:
    """Render a pending amount."""
    return {
        "id": item.id,
        "object": "invoiceitem",
        "amount": item.amount,
        "currency": item.currency,
        "customer": item.customer,
        "date": item.created,
        "description": item.description,
        "discountable": True,
        "discounts": [],
        "invoice": item.invoice,
        "livemode": False,
        "metadata": item.metadata,
        "period": {"end": item.created, "start": item.created},
        "proration": False,
        "quantity": 1,
        "tax_rates": [],
    }


def subscription(item: Subscription, view: View) -> Wire:
    """Render a subscription; from basil on its period stands on its items."""
    items = [_subscription_item(found, item, view) for found in item.items]
    wire: Wire = {
        "id": item.id,
        "object": "subscription",
        "application_fee_percent": None,
        "automatic_tax": {"enabled": False},
        "billing_cycle_anchor": item.billing_cycle_anchor,
        "billing_thresholds": None,
        "cancel_at": item.cancel_at,
        "cancel_at_period_end": item.cancel_at_period_end,
        "canceled_at": item.canceled_at,
        "cancellation_details": {"comment": None, "feedback": None, "reason": item.cancellation_reason},
        "collection_method": item.collection_method,
        "created": item.created,
        "currency": item.currency,
        "customer": item.customer,
        "days_until_due": item.days_until_due,
        "default_payment_method": item.default_payment_method,
        "default_source": None,
        "default_tax_rates": [],
        "description": item.description,
        "ended_at": item.ended_at,
        "items": list_of(items, f"/v1/subscription_items?subscription={item.id}"),
        "latest_invoice": item.latest_invoice,
        "livemode": False,
        "metadata": item.metadata,
        "next_pending_invoice_item_invoice": None,
        "pause_collection": item.pause_collection,
        "payment_settings": {"payment_method_options": None, "payment_method_types": None},
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": item.created,
        "status": item.status,
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_start": None,
    }
    if not view.version.basil:
        wire |= {
            "current_period_end": item.current_period_end,
            "current_period_start": item.current_period_start,
            "discount": None,
        }
        if len(item.items) == 1:
            wire |= {"plan": plan(item.items[0].price), "quantity": item.items[0].quantity}
    return wire


def _subscription_item(item: SubscriptionItem, owner: Subscription, view: View) -> Wire:
    wire: Wire = {
        "id": item.id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": item.created,
        "metadata": {},
        "plan": plan(item.price),
        "price": price(item.price, view),
        "quantity": item.quantity,
        "subscription": owner.id,
        "tax_rates": [],
    }
    if view.version.basil:
        wire |= {
            "current_period_end": owner.current_period_end,
            "current_period_start": owner.current_period_start,
        }
    return wire


def price(item: Price, view: View) -> Wire:
    """Render a price."""
    recurring = None
    if item.interval:
        recurring = {
            "aggregate_usage": None,
            "interval": item.interval,
            "interval_count": item.interval_count,
            "trial_period_days": None,
            "usage_type": "licensed",
        }
    return {
        "id": item.id,
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": item.created,
        "currency": item.currency,
        "livemode": False,
        "lookup_key": None,
        "metadata": item.metadata,
        "nickname": None,
        "product": item.product,
        "recurring": recurring,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if item.interval else "one_time",
        "unit_amount": item.unit_amount,
        "unit_amount_decimal": str(item.unit_amount),
    }


def plan(item: Price) -> Wire:
    """Render a price in its older form."""
    return {
        "id": item.id,
        "object": "plan",
        "active": True,
        "aggregate_usage": None,
        "amount": item.unit_amount,
        "amount_decimal": str(item.unit_amount),
        "billing_scheme": "per_unit",
        "created": item.created,
        "currency": item.currency,
        "interval": item.interval or "month",
        "interval_count": item.interval_count,
        "livemode": False,
        "metadata": item.metadata,
        "nickname": None,
        "product": item.product,
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": "licensed",
    }


def product(item: Product, view: View) -> Wire:
    """Render a product."""
    return {
        "id": item.id,
        "object": "product",
        "active": True,
        "created": item.created,
        "description": None,
        "images": [],
        "livemode": False,
        "metadata": item.metadata,
        "name": item.name,
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "unit_label": None,
        "updated": item.created,
        "url": None,
    }
