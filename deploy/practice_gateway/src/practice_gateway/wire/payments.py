"""Payment intents, charges, refunds and disputes."""

from practice_gateway.model import Charge, Dispute, PaymentIntent, Refund
from practice_gateway.wire.customers import billing_details, error, next_action
from practice_gateway.wire.view import View, Wire, list_of


def payment_intent(item: PaymentIntent, view: View) -> Wire:
    """Render a payment intent."""
    latest = item.charges[-1] if item.charges else None
    wire: Wire = {
        "id": item.id,
        "object": "payment_intent",
        "amount": item.amount,
        "amount_capturable": 0,
        "amount_received": item.amount_received,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None,
        "canceled_at": item.canceled_at,
        "cancellation_reason": item.cancellation_reason,
        "capture_method": "automatic",
        "client_secret": item.client_secret,
        "confirmation_method": "automatic",
        "created": item.created,
        "currency": item.currency,
        "customer": item.customer,
        "description": item.description,
        "last_payment_error": _last_error(item, view),
        "latest_charge": latest,
        "livemode": False,
        "metadata": item.metadata,
        "next_action": next_action(view, item.id) if item.status == "requires_action" else None,
        "on_behalf_of": None,
        "payment_method": item.payment_method,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "receipt_email": None,
        "review": None,
        "setup_future_usage": "off_session" if item.invoice else None,
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": item.status,
        "transfer_data": None,
        "transfer_group": None,
    }
    if view.version.lists_charges:
        tries = [charge(view.account.charges[found], view) for found in reversed(item.charges)]
        wire["charges"] = list_of(tries, f"/v1/charges?payment_intent={item.id}")
    if not view.version.basil:
        wire["invoice"] = item.invoice
    return wire


def _last_error(item: PaymentIntent, view: View) -> Wire | None:
    if item.last_error is None:
        return None
    return error(item.last_error, view, item.failed_method, charge=item.failed_charge)


def charge(item: Charge, view: View) -> Wire:
    """Render a charge."""
    decline = item.decline
    wire: Wire = {
        "id": item.id,
        "object": "charge",
        "amount": item.amount,
        "amount_captured": item.amount if item.succeeded else 0,
        "amount_refunded": item.amount_refunded,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": f"txn_{item.id[3:]}" if item.succeeded else None,
        "billing_details": billing_details(item.billing_details),
        "calculated_statement_descriptor": view.account.name.upper()[:22],
        "captured": item.succeeded,
        "created": item.created,
        "currency": item.currency,
        "customer": item.customer,
        "description": item.description,
        "disputed": item.dispute is not None,
        "failure_balance_transaction": None,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": item.metadata,
        "on_behalf_of": None,
        "outcome": _outcome(item),
        "paid": item.succeeded,
        "payment_intent": item.payment_intent,
        "payment_method": item.payment_method,
        "payment_method_details": {"card": _card(item), "type": "card"},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": item.amount_refunded == item.amount,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if item.succeeded else "failed",
        "transfer_data": None,
        "transfer_group": None,
    }
    if view.version.lists_charges:
        given_back = [refund(view.account.refunds[found], view) for found in reversed(item.refunds)]
        wire["refunds"] = list_of(given_back, f"/v1/charges/{item.id}/refunds")
        wire |= {"dispute": item.dispute, "order": None}
    if not view.version.basil:
        wire["invoice"] = item.invoice
    return wire


def _outcome(item: Charge) -> Wire:
    decline = item.decline
    if decline is None:
        return {
            "network_status": "approved_by_network",
            "advice_code": None,
            "network_advice_code": None,
            "network_decline_code": None,
            "reason": None,
            "risk_level": "normal",
            "risk_score": 12,
            "seller_message": "Payment complete.",
            "type": "authorized",
        }
    mastercard = item.card["brand"] == "mastercard"
    return {
        "network_status": "not_sent_to_network" if decline.blocked else "declined_by_network",
        "advice_code": decline.advice,
        "network_advice_code": decline.mastercard if mastercard else None,
        "network_decline_code": decline.network,
        "reason": decline.reason,
        "risk_level": "highest" if decline.reason == "highest_risk_level" else "normal",
        "risk_score": 92 if decline.reason == "highest_risk_level" else 12,
        "seller_message": (
            "Stripe blocked this payment as too risky."
            if decline.blocked
            else f"The bank returned the decline code `{decline.reason}`."
        ),
        "type": "blocked" if decline.blocked else "issuer_declined",
    }


def _card(item: Charge) -> Wire:
    return {
        **item.card,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": None},
        "installments": None,
        "mandate": None,
        "network": item.card["brand"],
        "three_d_secure": (
            {
                "authentication_flow": "challenge",
                "result": "authenticated",
                "result_reason": None,
                "version": "2.1.0",
            }
            if item.authenticated
            else None
        ),
        "wallet": None,
    }


def refund(item: Refund, view: View) -> Wire:
    """Render a refund."""
    return {
        "id": item.id,
        "object": "refund",
        "amount": item.amount,
        "balance_transaction": f"txn_{item.id[3:]}",
        "charge": item.charge,
        "created": item.created,
        "currency": item.currency,
        "metadata": item.metadata,
        "payment_intent": item.payment_intent,
        "reason": item.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def dispute(item: Dispute, view: View) -> Wire:
    """Render a dispute."""
    return {
        "id": item.id,
        "object": "dispute",
        "amount": item.amount,
        "balance_transactions": [],
        "charge": item.charge,
        "created": item.created,
        "currency": item.currency,
        "evidence": dict.fromkeys(
            (
                "access_activity_log",
                "billing_address",
                "cancellation_policy",
                "customer_communication",
                "customer_email_address",
                "customer_name",
                "customer_purchase_ip",
                "product_description",
                "receipt",
                "refund_policy",
                "service_date",
                "uncategorized_text",
            )
        ),
        "evidence_details": {
            "due_by": item.due_by,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": item.metadata,
        "payment_intent": item.payment_intent,
        "reason": item.reason,
        "status": item.status,
    }
