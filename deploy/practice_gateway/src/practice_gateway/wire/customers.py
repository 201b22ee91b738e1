"""Customers, their cards, and how cards come in."""

from practice_gateway.cards.declines import Decline
from practice_gateway.model import CheckoutSession, Customer, PaymentMethod, SetupIntent
from practice_gateway.wire.view import View, Wire, address


def customer(item: Customer, view: View) -> Wire:
    """Render a customer; a deleted one keeps its id only."""
    if item.deleted:
        return {"id": item.id, "object": "customer", "deleted": True}
    return {
        "id": item.id,
        "object": "customer",
        "address": address(item.address) if item.address else None,
        "balance": 0,
        "created": item.created,
        "currency": item.currency,
        "default_source": None,
        "delinquent": item.delinquent,
        "description": item.description,
        "discount": None,
        "email": item.email,
        "invoice_prefix": item.invoice_prefix,
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": item.default_payment_method,
            "footer": None,
        },
        "livemode": False,
        "metadata": item.metadata,
        "name": item.name,
        "next_invoice_sequence": item.next_invoice,
        "phone": item.phone,
        "preferred_locales": item.preferred_locales,
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def payment_method(item: PaymentMethod, view: View) -> Wire:
    """Render a card."""
    return {
        "id": item.id,
        "object": "payment_method",
        "billing_details": billing_details(item.billing_details),
        "card": {
            "brand": item.brand,
            "checks": {
                "address_line1_check": None,
                "address_postal_code_check": None,
                "cvc_check": "pass",
            },
            "country": item.country,
            "exp_month": item.exp_month,
            "exp_year": item.exp_year,
            "fingerprint": item.fingerprint,
            "funding": item.funding,
            "generated_from": None,
            "last4": item.last4,
            "networks": {"available": [item.brand], "preferred": None},
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": item.created,
        "customer": item.customer,
        "livemode": False,
        "metadata": item.metadata,
        "type": "card",
    }


def billing_details(fields: Wire) -> Wire:
    """Render who holds the card."""
    return {
        "address": address(fields.get("address")),
        "email": fields.get("email"),
        "name": fields.get("name"),
        "phone": fields.get("phone"),
    }


def setup_intent(item: SetupIntent, view: View) -> Wire:
    """Render an intention to save a card."""
    return {
        "id": item.id,
        "object": "setup_intent",
        "application": None,
        "cancellation_reason": item.cancellation_reason,
        "client_secret": item.client_secret,
        "created": item.created,
        "customer": item.customer,
        "description": None,
        "last_setup_error": (
            error(item.last_error, view, item.failed_method) if item.last_error is not None else None
        ),
        "latest_attempt": None,
        "livemode": False,
        "mandate": None,
        "metadata": item.metadata,
        "next_action": next_action(view, item.id) if item.status == "requires_action" else None,
        "on_behalf_of": None,
        "payment_method": item.payment_method,
        "payment_method_options": {"card": {"mandate_options": None, "request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "single_use_mandate": None,
        "status": item.status,
        "usage": item.usage,
    }


def next_action(view: View, intent: str) -> Wire:
    """Render what the customer has to do; the address leads to the page where 3-D Secure is done."""
    return {
        "type": "use_stripe_sdk",
        "use_stripe_sdk": {
            "type": "three_d_secure_redirect",
            "stripe_js": f"{view.origin}/3ds/{intent}",
            "known_frame_issues": "false",
        },
    }


def error(
    decline: Decline,
    view: View,
    method_id: str | None,
    *,
    charge: str | None = None,
    brand: str | None = None,
) -> Wire:
    """Render a card error as in last_payment_error; codes that Stripe leaves out stay out."""
    fields: Wire = {"code": decline.code, "message": decline.message, "type": "card_error"}
    fields["doc_url"] = f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}"
    if decline.decline_code:
        fields["decline_code"] = decline.decline_code
    if decline.code == "payment_intent_authentication_failure":
        fields["type"] = "invalid_request_error"
    if charge:
        fields["charge"] = charge
    if decline.advice:
        fields["advice_code"] = decline.advice
    if decline.network:
        fields["network_decline_code"] = decline.network
    method = view.account.payment_methods.get(method_id)
    if method is not None:
        fields["payment_method"] = payment_method(method, view)
        brand = method.brand
    if brand == "mastercard" and decline.mastercard:
        fields["network_advice_code"] = decline.mastercard
    return dict(sorted(fields.items()))


def checkout_session(item: CheckoutSession, view: View) -> Wire:
    """Render a setup-mode checkout session."""
    payer = view.account.customers.get(item.customer)
    details: Wire | None = None
    if payer is not None:
        details = {
            "address": address(payer.address),
            "email": payer.email,
            "name": payer.name,
            "phone": payer.phone,
            "tax_exempt": "none",
            "tax_ids": [],
        }
    return {
        "id": item.id,
        "object": "checkout.session",
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": None,
        "amount_total": None,
        "automatic_tax": {"enabled": False, "status": None},
        "billing_address_collection": None,
        "cancel_url": item.cancel_url,
        "client_reference_id": item.client_reference_id,
        "consent": None,
        "consent_collection": None,
        "created": item.created,
        "currency": item.currency,
        "customer": item.customer,
        "customer_creation": None,
        "customer_details": details,
        "customer_email": None,
        "expires_at": item.expires_at,
        "livemode": False,
        "locale": item.locale,
        "metadata": item.metadata,
        "mode": "setup",
        "payment_intent": None,
        "payment_link": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": "no_payment_required",
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "setup_intent": item.setup_intent,
        "shipping": None,
        "shipping_address_collection": None,
        "shipping_options": [],
        "shipping_rate": None,
        "status": item.status,
        "submit_type": None,
        "subscription": None,
        "success_url": item.success_url,
        "total_details": None,
        "url": f"{view.origin}/c/pay/{item.id}" if item.status == "open" else None,
    }
