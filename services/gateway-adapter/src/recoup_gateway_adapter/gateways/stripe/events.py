"""Stripe's webhooks, of any version, as observations.

Promise: pure; what we do not read gives no observation and is no error. The event's type decides only what its
object does not say itself: that a collection failed, and what happened to an instrument.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from recoup_chassis.errors import Unprocessable
from recoup_events.values import CardChange, InvoiceStatus
from recoup_gateway_adapter.gateways.contract import (
    BY_ITSELF,
    Charge,
    CollectionFailed,
    Customer,
    InstrumentRevoked,
    Invoice,
    Observation,
    PaymentMethod,
)
from recoup_gateway_adapter.gateways.stripe.shapes import Json, ident, inner, instant, text, whole
from recoup_gateway_adapter.gateways.stripe.translate import observations_of

MAKES_PAYMENT = frozenset(
    {
        "charge.failed",
        "charge.pending",
        "charge.succeeded",
        "invoice.paid",
        "invoice.payment_action_required",
        "invoice.payment_failed",
        "invoice.payment_succeeded",
        "payment_intent.payment_failed",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
    }
)
"""Types whose `request` is the one that made the payment; of others it is what changed the object later."""

COLLECTION_FAILED = frozenset({"invoice.payment_failed", "invoice.payment_action_required"})

CHANGES = {
    "payment_method.attached": CardChange.ADDED,
    "payment_method.detached": CardChange.REMOVED,
    "payment_method.automatically_updated": CardChange.NETWORK_UPDATED,
    "payment_method.card_automatically_updated": CardChange.NETWORK_UPDATED,
    "customer.source.created": CardChange.ADDED,
    "customer.source.deleted": CardChange.REMOVED,
    "customer.card.created": CardChange.ADDED,
    "customer.card.deleted": CardChange.REMOVED,
    "customer.bank_account.created": CardChange.ADDED,
    "customer.bank_account.deleted": CardChange.REMOVED,
    "source.canceled": CardChange.REMOVED,
    "source.failed": CardChange.REMOVED,
}
"""What happened to an instrument (docs.stripe.com/api/events/types)."""

MAY_CHANGE = frozenset({"payment_method.updated", "customer.source.updated", "customer.card.updated"})
WHAT_MAKES_ANOTHER_CARD = frozenset({"exp_month", "exp_year", "fingerprint", "last4"})

KIND_BY_TYPE = {
    "charge.dispute": "dispute",
    "charge.refund": "refund",
    "charge": "charge",
    "customer.subscription": "subscription",
    "customer": "customer",
    "invoice": "invoice",
    "payment_intent": "payment_intent",
    "payment_method": "payment_method",
    "refund": "refund",
}
"""For objects of old versions that don't say their kind; the longest prefix of the type wins."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every webhook says of itself: enough to store it once, and to find it when its customer is erased."""

    webhook_id: str
    event_type: str
    at: datetime
    livemode: bool | None
    account: str | None
    customer_id: str | None


def envelope_of(event: Any) -> Envelope:
    """Read a webhook's envelope; `account` is there for a Connect event alone.

    Raises:
        Unprocessable: it is no event of Stripe's.
    """
    if not isinstance(event, dict):
        raise Unprocessable("schema", "no JSON object")
    webhook_id, event_type = ident(event.get("id")), text(event.get("type"))
    at = _instant(event.get("created"))
    if webhook_id is None or event_type is None or at is None:
        raise Unprocessable("schema", "id, type or created is missing")
    livemode = event.get("livemode")
    thing = inner(event, "data", "object")
    return Envelope(
        webhook_id=webhook_id,
        event_type=event_type,
        at=at,
        livemode=livemode if isinstance(livemode, bool) else None,
        account=ident(event.get("account")),
        customer_id=ident(thing) if thing.get("object") == "customer" else ident(thing.get("customer")),
    )


def _instant(created: Any) -> datetime | None:
    """Classic events write Unix seconds, thin ones (`v2.core.event`) RFC 3339."""
    if not isinstance(created, str):
        return instant(created)
    try:
        parsed = datetime.fromisoformat(created)
    except ValueError:
        return None
    return parsed if parsed.tzinfo is not None else None


def observations_of_webhook(body: bytes) -> list[Observation]:
    """Give what a webhook shows.

    Raises:
        Unprocessable: its JSON or an object of a kind that we read is broken.
    """
    try:
        event = json.loads(body)
    except (ValueError, RecursionError) as broken:
        raise Unprocessable("json", str(broken)[:200]) from broken
    return observations_of_event(event)


def observations_of_event(event: Json) -> list[Observation]:
    """Give what an event shows, from a webhook or from the event list."""
    envelope = envelope_of(event)
    thing = _object_of(event, envelope.event_type)
    if not thing:
        return []
    key = _request_key(event) if envelope.event_type in MAKES_PAYMENT else None
    found = observations_of(thing, at=envelope.at, request_key=key)
    return [*_with_type(found, event, envelope), *_collection_failed(thing, envelope, key)]


def _object_of(event: Json, event_type: str) -> Json:
    thing = inner(event, "data", "object")
    if thing and not isinstance(thing.get("object"), str):
        prefix = event_type
        while prefix and prefix not in KIND_BY_TYPE:
            prefix = prefix.rpartition(".")[0]
        return {**thing, "object": KIND_BY_TYPE.get(prefix, "")}
    return thing


def _request_key(event: Json) -> str | None:
    """Before 2017-05-25 `request` was the request's id alone."""
    if "request" not in event:
        return None
    asked = event["request"]
    if asked is None:
        return BY_ITSELF
    if isinstance(asked, dict):
        return text(asked.get("idempotency_key")) or ident(asked.get("id")) or BY_ITSELF
    return ident(asked)


def _with_type(found: list[Observation], event: Json, envelope: Envelope) -> Iterator[Observation]:
    """Add what only the type says to the observation of the event's own object, which comes first."""
    subject = ident(inner(event, "data", "object"))
    change = _change(event, envelope.event_type)
    if envelope.event_type == "mandate.updated" and (revoked := _revoked(event)):
        yield Observation(revoked, envelope.at)
    for observation in found:
        thing = observation.thing
        if isinstance(thing, PaymentMethod) and thing.instrument.instrument_id == subject and change:
            customer = thing.customer_id or ident(inner(event, "data", "previous_attributes").get("customer"))
            yield replace(observation, thing=replace(thing, customer_id=customer, change=change))
        elif isinstance(thing, Customer) and envelope.event_type == "customer.deleted":
            yield replace(observation, thing=Customer(thing.customer_id, erased=True))
        elif isinstance(thing, Invoice) and envelope.event_type == "invoice.deleted":
            yield replace(observation, thing=replace(thing, status=InvoiceStatus.VOID))
        elif isinstance(thing, Charge) and thing.charge_id != subject and thing.charge_id != _newest(event):
            yield replace(observation, request_key=None)
        else:
            yield observation


def _newest(event: Json) -> str | None:
    thing = inner(event, "data", "object")
    charges = inner(thing, "charges").get("data")
    first = charges[0] if isinstance(charges, list) and charges else None
    return ident(thing.get("latest_charge")) or ident(thing.get("charge")) or ident(first)


def _change(event: Json, event_type: str) -> CardChange | None:
    if event_type in MAY_CHANGE:
        before = inner(event, "data", "previous_attributes")
        changed = {*before, *inner(before, "card")}
        return CardChange.NETWORK_UPDATED if changed & WHAT_MAKES_ANOTHER_CARD else None
    return CHANGES.get(event_type)


def _revoked(event: Json) -> InstrumentRevoked | None:
    mandate = inner(event, "data", "object")
    method = ident(mandate.get("payment_method"))
    return InstrumentRevoked(method) if mandate.get("status") == "inactive" and method else None


def _collection_failed(thing: Json, envelope: Envelope, key: str | None) -> Iterator[Observation]:
    found = ident(thing)
    if envelope.event_type not in COLLECTION_FAILED or thing.get("object") != "invoice" or found is None:
        return
    failed = CollectionFailed(
        invoice_id=found,
        attempt=max(1, whole(thing.get("attempt_count")) or 0),
        charge_id=ident(thing.get("charge")),
        requires_authentication=envelope.event_type == "invoice.payment_action_required",
    )
    yield Observation(failed, envelope.at, key)
