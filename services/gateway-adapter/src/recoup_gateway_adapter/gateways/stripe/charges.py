"""Charging an invoice at Stripe: what to ask, and what its answers mean.

Sources: docs.stripe.com/api/invoices/pay, docs.stripe.com/api/idempotent_requests, docs.stripe.com/error-codes.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from recoup_events.values import InvoiceStatus
from recoup_gateway_adapter.charging.domain import (
    Answer,
    Captured,
    ChargeResult,
    ChargeSeen,
    Declined,
    InFlight,
    InvoiceSeen,
    NeedsAction,
    NoAnswer,
    Payment,
    Processing,
    Refused,
    Unprocessed,
)
from recoup_gateway_adapter.gateways.stripe.client import (
    Answered,
    Json,
    Reply,
    Silence,
    StripeClient,
    encoded,
    segment,
)

KEY_WINDOW = timedelta(hours=24)
"""Stripe keeps a key at least this long; later the same key would be a new request (docs.stripe.com/idempotency)."""

INVOICE_PAYABLE_ONCE = True
"""An invoice's payment intent captures once, whoever asks."""

THROTTLED_FOR = timedelta(seconds=5)
UNREACHABLE_FOR = timedelta(seconds=10)
REFUSED_FOR = timedelta(minutes=10)
"""How long to wait where Stripe itself does not say."""

CHARGES_LOOKED_AT = 100
_ACTION_CODES = frozenset({"invoice_payment_intent_requires_action", "payment_intent_action_required"})
_BUSY_CODES = frozenset({"lock_timeout", "rate_limit"})


@dataclass(frozen=True)
class Paid:
    """What a pay request brought: the answer in our words, and the gateway's own objects to be observed."""

    answer: Answer
    objects: tuple[Json, ...] = ()


@dataclass(frozen=True)
class Read:
    """An invoice as it is now, with the objects that said so."""

    invoice: InvoiceSeen
    objects: tuple[Json, ...]


@dataclass(frozen=True)
class Missing:
    """The gateway knows no such object."""


def pay_body(instrument_id: str | None, *, off_session: bool) -> bytes:
    """Give the exact bytes that ask for a charge; no instrument means the gateway's default."""
    form = [("off_session", "true" if off_session else "false")]
    if instrument_id is not None:
        form.append(("payment_method", instrument_id))
    return encoded(form)


async def pay(client: StripeClient, invoice_id: str, body: bytes, idempotency_key: str) -> Paid:
    """Ask for the charge, once. The same bytes with the same key never charge twice within `KEY_WINDOW`."""
    reply = await client.send(
        "POST", f"/v1/invoices/{segment(invoice_id)}/pay", body, idempotency_key=idempotency_key
    )
    match reply:
        case Answered(status=402):
            return await _not_paid(client, invoice_id, reply)
        case Answered() if reply.ok:
            return await _maybe_paid(client, invoice_id, reply.json)
        case Answered() | Silence():
            return Paid(meaning_of(reply))


async def read_invoice(
    client: StripeClient, invoice_id: str, *, with_charges: bool = False
) -> Read | Missing | Unprocessed | NoAnswer:
    """Read an invoice and its payment; consistent, never from a search. `with_charges`: its charges too."""
    reply = await client.request("GET", f"/v1/invoices/{segment(invoice_id)}", [_with_intent(client)])
    if isinstance(reply, Silence) or not reply.ok:
        return _unread(reply)
    intent = intent_of(reply.json)
    charges: Sequence[Json] | None = None
    if with_charges:
        listed = await _charges(client, intent)
        if not isinstance(listed, list):
            return listed
        charges = listed
    return Read(seen(reply.json, charges), (reply.json, *(charges or ())))


async def turn_collection_off(
    client: StripeClient, invoice_id: str
) -> Read | Missing | Unprocessed | NoAnswer:
    """Tell Stripe to leave an invoice to us; its answer says whether it does. Safe to repeat."""
    form = [("auto_advance", "false"), _with_intent(client)]
    reply = await client.request("POST", f"/v1/invoices/{segment(invoice_id)}", form)
    if isinstance(reply, Silence) or not reply.ok:
        return _unread(reply)
    return Read(seen(reply.json, None), (reply.json,))


def _with_intent(client: StripeClient) -> tuple[str, str]:
    """Ask for an invoice together with its payment intent, wherever its version keeps it."""
    return "expand[]", "payments.data.payment.payment_intent" if client.modern else "payment_intent"


async def instrument_belongs(
    client: StripeClient, instrument_id: str, customer_id: str
) -> bool | Unprocessed | NoAnswer:
    """Tell whether an instrument is still there and the customer's: a removed one is never charged."""
    reply = await client.request("GET", f"/v1/payment_methods/{segment(instrument_id)}")
    if isinstance(reply, Answered) and reply.ok:
        return bool(reply.json.get("customer") == customer_id)
    unread = _unread(reply)
    return False if isinstance(unread, Missing) else unread


def intent_of(invoice: Json) -> Json | None:
    """Give an invoice's expanded payment intent, wherever its version keeps it."""
    intent = invoice.get("payment_intent")
    if isinstance(intent, dict):
        return intent
    payments = (invoice.get("payments") or {}).get("data") or []
    ordered = sorted(payments, key=lambda payment: not payment.get("is_default"))
    for payment in ordered:
        intent = (payment.get("payment") or {}).get("payment_intent")
        if isinstance(intent, dict):
            return intent
    return None


def subscription_of(invoice: Json) -> str | None:
    """Give an invoice's subscription, wherever its version keeps it."""
    details = (invoice.get("parent") or {}).get("subscription_details") or {}
    subscription = invoice.get("subscription") or details.get("subscription")
    return subscription.get("id") if isinstance(subscription, dict) else subscription


def seen(invoice: Json, charges: Sequence[Json] | None) -> InvoiceSeen:
    """Read an invoice object with its expanded payment intent."""
    intent = intent_of(invoice) or {}
    error = intent.get("last_payment_error") or {}
    customer = invoice.get("customer")
    return InvoiceSeen(
        invoice_id=invoice["id"],
        customer_id=customer["id"] if isinstance(customer, dict) else str(customer),
        status=InvoiceStatus(invoice.get("status") or "unknown"),
        owed=int(invoice.get("amount_remaining") or 0),
        charged_automatically=invoice.get("collection_method") == "charge_automatically",
        collected_by_gateway=bool(invoice.get("auto_advance"))
        or invoice.get("next_payment_attempt") is not None,
        subscription_id=subscription_of(invoice),
        payment=_payment(intent.get("status")),
        payment_intent_id=intent.get("id"),
        latest_charge_id=_latest_charge(intent),
        failure=error.get("decline_code") or error.get("code"),
        page_url=invoice.get("hosted_invoice_url"),
        charges=None if charges is None else tuple(_charge_seen(charge) for charge in charges),
    )


def _payment(status: str | None) -> Payment:
    match status:
        case "succeeded":
            return Payment.SUCCEEDED
        case "processing":
            return Payment.PROCESSING
        case "requires_action" | "requires_source_action":
            return Payment.NEEDS_ACTION
        case "requires_payment_method" | "requires_source" | "requires_confirmation":
            return Payment.NEEDS_METHOD
        case _:
            return Payment.NONE


def _latest_charge(intent: Json) -> str | None:
    latest = intent.get("latest_charge")
    if latest is None:
        listed = (intent.get("charges") or {}).get("data") or []
        latest = listed[0] if listed else None
    return latest.get("id") if isinstance(latest, dict) else latest


def _charge_seen(charge: Json) -> ChargeSeen:
    result = {"succeeded": ChargeResult.SUCCEEDED, "pending": ChargeResult.PENDING}.get(
        charge.get("status") or "", ChargeResult.FAILED
    )
    outcome = charge.get("outcome") or {}
    return ChargeSeen(
        charge_id=charge["id"],
        result=result,
        instrument_id=charge.get("payment_method"),
        code=outcome.get("reason") or charge.get("failure_code"),
    )


async def _charges(
    client: StripeClient, intent: Json | None
) -> list[Json] | Missing | Unprocessed | NoAnswer:
    """List a payment intent's charges, newest first (the list is consistent, the search is not)."""
    if intent is None:
        return []
    reply = await client.request(
        "GET", "/v1/charges", [("payment_intent", intent["id"]), ("limit", str(CHARGES_LOOKED_AT))]
    )
    if isinstance(reply, Silence) or not reply.ok:
        return _unread(reply)
    return list(reply.json.get("data") or [])


async def _charge(client: StripeClient, charge_id: str | None, intent: Json | None) -> tuple[Json, ...]:
    """Read a charge to be observed, unless its intent shows it; its webhook tells the same if this fails."""
    shown = ((intent or {}).get("charges") or {}).get("data") or []
    if charge_id is None or charge_id in {charge.get("id") for charge in shown}:
        return ()
    reply = await client.request("GET", f"/v1/charges/{segment(charge_id)}")
    return (reply.json,) if isinstance(reply, Answered) and reply.ok else ()


async def _not_paid(client: StripeClient, invoice_id: str, reply: Answered) -> Paid:
    """Read a 402: a decline, or a customer who must authenticate. The invoice says what the charge was for."""
    error = reply.error
    intent = error.get("payment_intent")
    known = (intent,) if isinstance(intent, dict) else ()
    charge_id = error.get("charge")
    read, charge = await asyncio.gather(
        read_invoice(client, invoice_id), _charge(client, charge_id, known[0] if known else None)
    )
    invoice = read.invoice if isinstance(read, Read) else None
    objects = (*known, *(read.objects if isinstance(read, Read) else ()), *charge)
    intent_id = known[0].get("id") if known else invoice.payment_intent_id if invoice else None
    if error.get("code") in _ACTION_CODES:
        return Paid(NeedsAction(intent_id, invoice.page_url if invoice else None), objects)
    return Paid(Declined(charge_id, intent_id, error.get("decline_code") or error.get("code")), objects)


async def _maybe_paid(client: StripeClient, invoice_id: str, answer: Json) -> Paid:
    """Read a 200: paid, submitted to a bank, or waiting for the customer."""
    read = await read_invoice(client, invoice_id)
    now = read.invoice if isinstance(read, Read) else seen(answer, None)
    objects = read.objects if isinstance(read, Read) else (answer,)
    charge_id, intent_id, intent = now.latest_charge_id, now.payment_intent_id, intent_of(objects[0])
    if answer.get("status") == "paid" or now.status is InvoiceStatus.PAID:
        return Paid(Captured(charge_id, intent_id), (*objects, *await _charge(client, charge_id, intent)))
    match now.payment:
        case Payment.PROCESSING:
            return Paid(
                Processing(charge_id, intent_id), (*objects, *await _charge(client, charge_id, intent))
            )
        case Payment.NEEDS_ACTION:
            return Paid(NeedsAction(intent_id, now.page_url), objects)
        case Payment.NONE | Payment.NEEDS_METHOD | Payment.SUCCEEDED:
            return Paid(NoAnswer("paid_nothing"), objects)


def meaning_of(reply: Reply) -> Answer:
    """Read a reply that is neither a 200 nor a 402: was the request processed, or may it have been?"""
    match reply:
        case Silence(why, reached):
            return NoAnswer(why) if reached else Unprocessed("not_reached", UNREACHABLE_FOR)
        case Answered(status=401 | 403):
            return Unprocessed("account_refused", REFUSED_FOR)
        case Answered() if reply.status == 429 or reply.code in _BUSY_CODES:
            wait = reply.retry_after
            return Unprocessed("throttled", THROTTLED_FOR if wait is None else timedelta(seconds=wait))
        case Answered(status=409):
            return InFlight()
        case Answered():
            return _failure(reply)


def _failure(reply: Answered) -> Refused | NoAnswer:
    """Read an error that is no matter of waiting; a key that met other bytes is in doubt, never refused."""
    if reply.error.get("type") == "idempotency_error":
        return NoAnswer("key_reused")
    return Refused(reply.code) if 400 <= reply.status < 500 else NoAnswer(f"http_{reply.status}")


def _unread(reply: Reply) -> Missing | Unprocessed | NoAnswer:
    match meaning_of(reply):
        case Unprocessed() as unprocessed:
            return unprocessed
        case NoAnswer() as silent:
            return silent
        case InFlight():
            return Unprocessed("busy", THROTTLED_FOR)
        case Refused(reason):
            missing = isinstance(reply, Answered) and reply.status == 404
            return Missing() if missing else NoAnswer(reason)
        case _:
            return NoAnswer("unreadable_answer")
