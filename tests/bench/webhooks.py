"""Signed webhooks of failed renewals as a gateway of API version 2020-08-27 sends them, about 3 kB each."""

import hashlib
import hmac
import json
import time
from typing import Any, Final

SECRET = "whsec_bench_0123456789"
FILLER = "x" * 1_200
"""What makes them as long as a real account's, whose objects carry more fields than we read."""


def charge_failed(number: int, series: str = "") -> bytes:
    """The charge of the renewal of this number failed."""
    name = f"{series}{number}"
    charge = {
        "id": f"ch_{name}",
        "object": "charge",
        "amount": 1999,
        "amount_captured": 0,
        "amount_refunded": 0,
        "captured": False,
        "created": _when(),
        "currency": "eur",
        "customer": f"cus_{name}",
        "failure_code": "card_declined",
        "invoice": f"in_{name}",
        "metadata": {"filler": FILLER},
        "outcome": {
            "type": "issuer_declined",
            "reason": "insufficient_funds",
            "network_decline_code": "51",
        },
        "paid": False,
        "payment_intent": f"pi_{name}",
        "payment_method": f"pm_{name}",
        "payment_method_details": {
            "type": "card",
            "card": {
                "brand": "visa",
                "country": "IT",
                "exp_month": 4,
                "exp_year": 2030,
                "fingerprint": f"fp_{name}",
                "funding": "credit",
                "last4": "0341",
            },
        },
        "status": "failed",
    }
    return _event(f"evt_c{name}", "charge.failed", charge)


def invoice_failed(number: int, series: str = "", *, charge: bool = True) -> bytes:
    """The invoice of the renewal of this number was not paid."""
    name = f"{series}{number}"
    invoice = {
        "id": f"in_{name}",
        "object": "invoice",
        "amount_due": 1999,
        "amount_paid": 0,
        "amount_remaining": 1999,
        "attempt_count": 1,
        "attempted": True,
        "auto_advance": True,
        "billing_reason": "subscription_cycle",
        "charge": f"ch_{name}" if charge else None,
        "collection_method": "charge_automatically",
        "created": _when() - 3600,
        "currency": "eur",
        "customer": f"cus_{name}",
        "metadata": {"filler": FILLER},
        "next_payment_attempt": _when() + 259_200,
        "number": f"N-{name}",
        "paid": False,
        "payment_intent": f"pi_{name}",
        "status": "open",
        "status_transitions": {"finalized_at": _when() - 60, "paid_at": None},
        "subscription": f"sub_{name}",
        "total": 1999,
    }
    return _event(f"evt_i{name}", "invoice.payment_failed", invoice)


NAMED: Final = "{name}@example.com"


def customer_updated(number: int, series: str = "", email: str | None = NAMED) -> bytes:
    """The customer of this number, as the gateway tells of them."""
    name = f"{series}{number}"
    customer = {
        "id": f"cus_{name}",
        "object": "customer",
        "address": {"country": "IT"},
        "created": _when() - 86_400,
        "deleted": False,
        "email": email.format(name=name) if email else None,
        "metadata": {"filler": FILLER},
        "name": "Anna Rossi",
        "preferred_locales": ["it"],
    }
    return _event(f"evt_u{name}", "customer.updated", customer)


def subscription_updated(number: int, series: str = "") -> bytes:
    """The subscription of the customer of this number."""
    name = f"{series}{number}"
    subscription = {
        "id": f"sub_{name}",
        "object": "subscription",
        "cancel_at_period_end": False,
        "created": _when() - 86_400,
        "current_period_end": _when() + 2_592_000,
        "customer": f"cus_{name}",
        "items": {"object": "list", "data": []},
        "metadata": {"filler": FILLER},
        "pause_collection": None,
        "status": "active",
    }
    return _event(f"evt_s{name}", "customer.subscription.updated", subscription)


def _when() -> int:
    return int(time.time()) - 5


def _event(webhook: str, kind: str, about: dict[str, Any]) -> bytes:
    event = {
        "id": webhook,
        "object": "event",
        "api_version": "2020-08-27",
        "created": _when() + 1,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
        "data": {"object": about},
    }
    return json.dumps(event, indent=2).encode()  # a gateway sends them indented


def signature(body: bytes, secret: str = SECRET) -> str:
    """Sign a body as of now."""
    at = int(time.time())
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def request(path: str, body: bytes, secret: str = SECRET) -> bytes:
    """Give the whole HTTP/1.1 request that posts a body."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Stripe-Signature: {signature(body, secret)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
