"""Webhook bodies of Stripe's that need no twin: a charge without an invoice that failed."""

import json
from typing import Any

WHEN = 1_772_438_000
"""Unix seconds, shortly before a sandbox's clock begins."""


def failed_charge(event_id: str, charge_id: str, *, livemode: bool = False, **changes: Any) -> bytes:
    """Give the body of `charge.failed` for a charge of its own customer (2020-08-27)."""
    charge = {
        "id": charge_id,
        "object": "charge",
        "amount": 1999,
        "amount_captured": 0,
        "amount_refunded": 0,
        "captured": False,
        "created": WHEN,
        "currency": "eur",
        "customer": f"cus_{charge_id}",
        "description": None,
        "failure_code": "card_declined",
        "invoice": None,
        "outcome": {"type": "issuer_declined", "reason": "insufficient_funds", "network_decline_code": "51"},
        "paid": False,
        "payment_intent": None,
        "payment_method": f"pm_{charge_id}",
        "payment_method_details": {"type": "card", "card": {"brand": "visa", "last4": "0341"}},
        "status": "failed",
    }
    event = {
        "id": event_id,
        "object": "event",
        "api_version": "2020-08-27",
        "created": WHEN + 1,
        "livemode": livemode,
        "request": {"id": None, "idempotency_key": None},
        "type": "charge.failed",
        "data": {"object": charge},
        **changes,
    }
    return json.dumps(event).encode()
