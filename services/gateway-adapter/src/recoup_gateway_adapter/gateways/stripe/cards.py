"""A customer's cards at Stripe: a page to enter one, the default for what comes next, and those that are stored.

Sources: docs.stripe.com/api/checkout/sessions, docs.stripe.com/billing/subscriptions/payment-methods-setting.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from recoup_gateway_adapter.charging.domain import NoAnswer, Refused, Unprocessed
from recoup_gateway_adapter.gateways.stripe.charges import meaning_of
from recoup_gateway_adapter.gateways.stripe.client import Answered, Json, Reply, StripeClient, segment

METADATA = "recoup_card_session"
"""Names our session in Stripe's objects."""

CARDS_SHOWN = 20


@dataclass(frozen=True)
class Page:
    """Stripe's page for one customer to enter a card."""

    gateway_session_id: str
    url: str


@dataclass(frozen=True)
class Entered:
    """The customer has entered a card, and it was saved. `instrument`: Stripe's payment method."""

    instrument_id: str
    instrument: Json


@dataclass(frozen=True)
class StillOpen:
    """The customer has not finished."""


@dataclass(frozen=True)
class Over:
    """The page has expired without a card."""


@dataclass(frozen=True)
class Card:
    """A stored card, for people to choose from."""

    instrument_id: str
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None


Failure = Unprocessed | NoAnswer | Refused


async def open_page(
    client: StripeClient, customer_id: str, session_id: str, success_url: str, cancel_url: str
) -> Page | Failure:
    """Open a page in setup mode: it saves a card and takes no money. Safe to repeat for the same session."""
    form = [
        ("mode", "setup"),
        ("customer", customer_id),
        ("payment_method_types[]", "card"),
        ("success_url", success_url),
        ("cancel_url", cancel_url),
        ("client_reference_id", session_id),
        (f"metadata[{METADATA}]", session_id),
        (f"setup_intent_data[metadata][{METADATA}]", session_id),
    ]
    key = f"recoup:{client.account.merchant_id}:{client.account.account_id}:card_session:{session_id}"
    reply = await client.request("POST", "/v1/checkout/sessions", form, idempotency_key=key)
    if isinstance(reply, Answered) and reply.ok and reply.json.get("url"):
        return Page(str(reply.json["id"]), str(reply.json["url"]))
    return _failure(reply)


async def read_page(client: StripeClient, gateway_session_id: str) -> Entered | StillOpen | Over | Failure:
    """Read whether the customer has entered a card."""
    reply = await client.request(
        "GET",
        f"/v1/checkout/sessions/{segment(gateway_session_id)}",
        [("expand[]", "setup_intent.payment_method")],
    )
    if not isinstance(reply, Answered) or not reply.ok:
        return _failure(reply)
    setup = reply.json.get("setup_intent")
    method = setup.get("payment_method") if isinstance(setup, dict) else None
    saved = isinstance(setup, dict) and setup.get("status") == "succeeded"
    if saved and isinstance(method, dict):
        return Entered(str(method["id"]), method)
    return Over() if reply.json.get("status") == "expired" else StillOpen()


async def make_default(
    client: StripeClient, customer_id: str, instrument_id: str, subscriptions: Sequence[str]
) -> Failure | None:
    """Let the next renewals use a card: a subscription's own default wins over its customer's. Safe to repeat.

    A subscription that has ended meanwhile needs no card; None means done.
    """
    reply = await client.request(
        "POST",
        f"/v1/customers/{segment(customer_id)}",
        [("invoice_settings[default_payment_method]", instrument_id)],
    )
    if not isinstance(reply, Answered) or not reply.ok:
        return _failure(reply)
    for subscription in subscriptions:
        reply = await client.request(
            "POST", f"/v1/subscriptions/{segment(subscription)}", [("default_payment_method", instrument_id)]
        )
        if isinstance(reply, Answered) and reply.ok:
            continue
        failure = _failure(reply)
        if not isinstance(failure, Refused):
            return failure
    return None


async def cards_of(client: StripeClient, customer_id: str) -> list[Card] | Failure:
    """List a customer's stored cards as they are now, the newest first."""
    reply = await client.request(
        "GET",
        "/v1/payment_methods",
        [("customer", customer_id), ("type", "card"), ("limit", str(CARDS_SHOWN))],
    )
    if not isinstance(reply, Answered) or not reply.ok:
        return _failure(reply)
    return [_card(method) for method in reply.json.get("data") or []]


def _card(method: Json) -> Card:
    card = method.get("card") or {}
    return Card(
        str(method["id"]), card.get("brand"), card.get("last4"), card.get("exp_month"), card.get("exp_year")
    )


def _failure(reply: Reply) -> Failure:
    match meaning_of(reply):
        case Unprocessed() | NoAnswer() | Refused() as failure:
            return failure
        case _:
            return NoAnswer("unreadable_answer")
