"""Ask Stripe for what its webhooks left out.

Promise: an answer is told apart from silence; "there is none" is only said where Stripe said so. Every answer is
read as it stood before the question was sent.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from recoup_gateway_adapter.facts.domain.needs import (
    Need,
    NeedCharge,
    NeedCustomer,
    NeedInstrument,
    NeedIntent,
    NeedInvoice,
    NeedLink,
    NeedPayments,
    NeedRefunds,
    NeedSubscription,
)
from recoup_gateway_adapter.gateways.contract import Observation, PaymentLink
from recoup_gateway_adapter.gateways.stripe.client import Answered, Form, StripeClient
from recoup_gateway_adapter.gateways.stripe.translate import observations_of

LATEST_CHARGE_SINCE = "2022-11-15"
"""Before, an intent carried its charges (docs.stripe.com/changelog/2022-11-15)."""

UNKNOWN_THERE = frozenset({400, 404})
"""There is no such object, or no such address in the version asked for."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the answer shows; nothing, where the answer is that there is nothing."""

    observations: list[Observation]


@dataclass(frozen=True, slots=True)
class Gone:
    """Stripe knows no such thing, or will not show it to us."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No answer, or not now. `why` is a word."""

    why: str


Fetched = Found | Gone | Unanswered


async def fetch(client: StripeClient, need: Need, at: datetime) -> Fetched:  # noqa: C901, PLR0911  # one line a need
    """Ask for one thing.

    Args:
        at: the merchant's time before this call.
    """

    async def get(path: str, form: Form = (), *, of: str = "") -> Fetched:
        whole = f"{path}/{quote(of, safe='')}" if of else path
        return _read(await client.request("GET", whole, form), at)

    match need:
        case NeedCharge(charge_id):
            return await get("/v1/charges", of=charge_id)
        case NeedInvoice(invoice_id):
            return await get("/v1/invoices", of=invoice_id)
        case NeedIntent(payment_intent_id):
            newest = client.version >= LATEST_CHARGE_SINCE
            expand = [("expand[]", "latest_charge")] if newest else []
            return await get("/v1/payment_intents", expand, of=payment_intent_id)
        case NeedLink():
            return await _link(get, need, at)
        case NeedPayments(invoice_id):
            paid_by = await get("/v1/invoice_payments", [("invoice", invoice_id), ("limit", "10")])
            return await get("/v1/invoices", of=invoice_id) if isinstance(paid_by, Gone) else paid_by
        case NeedRefunds(charge_id):
            return await get("/v1/refunds", [("charge", charge_id), ("limit", "100")])
        case NeedInstrument(instrument_id):
            return await get("/v1/payment_methods", of=instrument_id)
        case NeedCustomer(customer_id):
            return await get("/v1/customers", of=customer_id)
        case NeedSubscription(subscription_id):
            return await get("/v1/subscriptions", of=subscription_id)


async def _link(get: Callable[..., Awaitable[Fetched]], need: NeedLink, at: datetime) -> Fetched:
    """Ask which invoice an intent pays: since 2025-03-31 its payments say it, before its charges did."""
    about = [("payment[type]", "payment_intent"), ("payment[payment_intent]", need.payment_intent_id)]
    answer = await get("/v1/invoice_payments", [*about, ("limit", "1")])
    if isinstance(answer, Gone):
        return await get("/v1/charges", of=need.charge_id)
    if isinstance(answer, Found) and not any(isinstance(o.thing, PaymentLink) for o in answer.observations):
        none = PaymentLink(invoice_id=None, payment_intent_id=need.payment_intent_id)
        return Found([*answer.observations, Observation(none, at)])
    return answer


def _read(reply: Any, at: datetime) -> Fetched:
    if not isinstance(reply, Answered):
        return Unanswered(reply.why)
    if reply.ok:
        return Found(observations_of(reply.json, at=at))
    return Gone() if reply.status in UNKNOWN_THERE else Unanswered(reply.code)
