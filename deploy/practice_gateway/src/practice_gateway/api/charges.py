"""/v1/charges, /v1/refunds and /v1/disputes."""

from practice_gateway.api.call import Call, Route, created_filter, cursor, listing
from practice_gateway.billing import disputes
from practice_gateway.errors import invalid_request, refused
from practice_gateway.model import Charge
from practice_gateway.params import merge_metadata
from practice_gateway.wire import Wire

REASONS = ("duplicate", "fraudulent", "requested_by_customer")


async def retrieve(call: Call) -> Wire:
    """GET /v1/charges/{id}."""
    return call.show(call.one("charge", call.account.charges))


async def list_all(call: Call) -> Wire:
    """GET /v1/charges by customer, payment intent and created."""
    params, kept = call.params, call.account.charges
    customer, intent = params.text("customer"), params.text("payment_intent")
    within, at = created_filter(params), cursor(params)
    if intent is not None:
        source = reversed(kept.of("payment_intent", intent))
    elif customer is not None:
        source = reversed(kept.of("customer", customer))
    else:
        source = kept.newest_first()
    return listing(call, "/v1/charges", (item for item in source if within(item.created)), at)


async def refund(call: Call) -> Wire:
    """POST /v1/refunds of a charge or of a payment intent."""
    params = call.params
    charge = _charge(call)
    amount = params.integer("amount", least=1)
    reason = params.one_of("reason", REASONS)
    metadata = merge_metadata({}, params.strings("metadata"))
    params.accept("instructions_email", "refund_application_fee", "reverse_transfer")
    params.done()
    made = await disputes.refund(call.act, charge, amount=amount, reason=reason, metadata=metadata)
    return call.show(made)


def _charge(call: Call) -> Charge:
    charge = call.named("charge", call.account.charges, "charge")
    intent = call.named("payment_intent", call.account.payment_intents, "payment_intent")
    if charge is None and intent is None:
        raise invalid_request(
            "One of the following params should be provided for this request: payment_intent or charge.",
            code="parameter_missing",
        )
    if charge is None and intent is not None:
        for identifier in reversed(intent.charges):
            if call.account.charges[identifier].succeeded:
                return call.account.charges[identifier]
        raise refused("This PaymentIntent does not have a successful charge to refund.")
    assert charge is not None
    return charge


async def retrieve_refund(call: Call) -> Wire:
    """GET /v1/refunds/{id}."""
    return call.show(call.one("refund", call.account.refunds))


async def list_refunds(call: Call) -> Wire:
    """GET /v1/refunds by charge, payment intent and created."""
    params, kept = call.params, call.account.refunds
    charge, intent = params.text("charge"), params.text("payment_intent")
    within, at = created_filter(params), cursor(params)
    if charge is not None:
        source = reversed(kept.of("charge", charge))
    elif intent is not None:
        source = reversed(kept.of("payment_intent", intent))
    else:
        source = kept.newest_first()
    return listing(call, "/v1/refunds", (item for item in source if within(item.created)), at)


async def retrieve_dispute(call: Call) -> Wire:
    """GET /v1/disputes/{id}."""
    return call.show(call.one("dispute", call.account.disputes))


async def list_disputes(call: Call) -> Wire:
    """GET /v1/disputes by charge, payment intent and created."""
    params, kept = call.params, call.account.disputes
    charge, intent = params.text("charge"), params.text("payment_intent")
    within, at = created_filter(params), cursor(params)
    if charge is not None:
        source = reversed(kept.of("charge", charge))
    elif intent is not None:
        source = reversed(kept.of("payment_intent", intent))
    else:
        source = kept.newest_first()
    return listing(call, "/v1/disputes", (item for item in source if within(item.created)), at)


ROUTES: list[Route] = [
    ("GET", "/v1/charges", list_all),
    ("GET", "/v1/charges/{id}", retrieve),
    ("POST", "/v1/refunds", refund),
    ("GET", "/v1/refunds", list_refunds),
    ("GET", "/v1/refunds/{id}", retrieve_refund),
    ("GET", "/v1/disputes", list_disputes),
    ("GET", "/v1/disputes/{id}", retrieve_dispute),
]
