"""Ending a subscription's collection at Stripe: cancel it, or pause what it collects.

Cancelling leaves finalised invoices open and stops their automatic collection; no later ones are made
(docs.stripe.com/api/subscriptions/cancel). Pausing with `keep_as_draft` leaves later invoices in draft, as Stripe's
own "unpaid" does, so that the merchant can still collect them (docs.stripe.com/billing/subscriptions/pause-payment).
"""

from dataclasses import dataclass

from recoup_events.values import SubscriptionStatus
from recoup_gateway_adapter.charging.domain import NoAnswer, Refused, Unprocessed
from recoup_gateway_adapter.gateways.stripe.charges import meaning_of
from recoup_gateway_adapter.gateways.stripe.client import Answered, Json, Reply, StripeClient, segment


@dataclass(frozen=True)
class SubscriptionSeen:
    """A subscription as it is now; None of it where Stripe knows no such one."""

    status: SubscriptionStatus
    paused: bool
    json: Json


Failure = Unprocessed | NoAnswer | Refused


async def read(client: StripeClient, subscription_id: str) -> SubscriptionSeen | Failure:
    """Read a subscription; one that is gone is refused with `resource_missing`."""
    return _seen(await client.request("GET", f"/v1/subscriptions/{segment(subscription_id)}"))


async def cancel(client: StripeClient, subscription_id: str) -> SubscriptionSeen | Failure:
    """Cancel now, without a last invoice. Repeated, it is refused with `resource_missing`."""
    return _seen(await client.request("DELETE", f"/v1/subscriptions/{segment(subscription_id)}"))


async def pause(client: StripeClient, subscription_id: str) -> SubscriptionSeen | Failure:
    """Leave later invoices in draft. Safe to repeat."""
    return _seen(
        await client.request(
            "POST",
            f"/v1/subscriptions/{segment(subscription_id)}",
            [("pause_collection[behavior]", "keep_as_draft")],
        )
    )


def _seen(reply: Reply) -> SubscriptionSeen | Failure:
    if isinstance(reply, Answered) and reply.ok:
        return SubscriptionSeen(
            SubscriptionStatus(reply.json.get("status") or "unknown"),
            bool(reply.json.get("pause_collection")),
            reply.json,
        )
    match meaning_of(reply):
        case Unprocessed() | NoAnswer() | Refused() as failure:
            return failure
        case _:
            return NoAnswer("unreadable_answer")
