"""/v1/setup_intents and /v1/checkout/sessions."""

import asyncio
import time

from practice_gateway.api.call import Call, Route, card_error, cursor, listing
from practice_gateway.cards import saving
from practice_gateway.errors import invalid_request, no_such, refused
from practice_gateway.ids import new_secret
from practice_gateway.model import CheckoutSession, PaymentMethod, SetupIntent
from practice_gateway.params import merge_metadata
from practice_gateway.wire import Wire

SESSION_SECONDS = 24 * 3_600  # docs.stripe.com/api/checkout/sessions: expires_at defaults to 24 hours


async def create(call: Call) -> Wire:
    """POST /v1/setup_intents."""
    params = call.params
    customer = call.customer()
    method = _method(call)
    confirm, metadata = params.flag("confirm"), params.strings("metadata")
    usage = params.one_of("usage", ("off_session", "on_session")) or "off_session"
    params.accept("payment_method_types", "automatic_payment_methods", "payment_method_options", "return_url")
    params.accept("description", "use_stripe_sdk")
    params.done()
    setup = saving.new_setup(call.act, customer.id if customer else None, merge_metadata({}, metadata), usage)
    if method is not None:
        setup.status, setup.payment_method = "requires_confirmation", method.id
    if confirm:
        _confirm(call, setup, method)
    return call.show(setup)


def _method(call: Call) -> PaymentMethod | None:
    wanted = call.params.text("payment_method")
    if wanted is None:
        return None
    method = saving.named_card(call.act, wanted)
    if method is None:
        raise no_such("PaymentMethod", wanted, "payment_method")
    return method


def _confirm(call: Call, setup: SetupIntent, method: PaymentMethod | None) -> None:
    method = method or call.account.payment_methods.get(setup.payment_method)
    if method is None:
        raise refused(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="parameter_missing",
        )
    match saving.confirm(call.act, setup, method):
        case saving.Refused(decline):
            raise card_error(call, decline, method.id, setup_intent=call.show(setup))
        case saving.Saved() | saving.ActionRequired():
            return


async def retrieve(call: Call) -> Wire:
    """GET /v1/setup_intents/{id}."""
    return call.show(call.one("setupintent", call.account.setup_intents))


async def confirm(call: Call) -> Wire:
    """POST /v1/setup_intents/{id}/confirm."""
    setup = call.one("setupintent", call.account.setup_intents)
    method = _method(call)
    call.params.accept("return_url", "payment_method_options", "use_stripe_sdk", "mandate_data")
    call.params.done()
    if setup.status in ("succeeded", "canceled"):
        raise refused(
            f"You cannot confirm this SetupIntent because it has a status of {setup.status}.",
            code="setup_intent_unexpected_state",
        )
    _confirm(call, setup, method)
    return call.show(setup)


async def cancel(call: Call) -> Wire:
    """POST /v1/setup_intents/{id}/cancel."""
    setup = call.one("setupintent", call.account.setup_intents)
    reason = call.params.text("cancellation_reason")
    call.params.done()
    if setup.status in ("succeeded", "canceled"):
        raise refused(
            f"You cannot cancel this SetupIntent because it has a status of {setup.status}.",
            code="setup_intent_unexpected_state",
        )
    setup.status, setup.cancellation_reason = "canceled", reason
    call.act.emit("setup_intent.canceled", setup)
    return call.show(setup)


async def list_all(call: Call) -> Wire:
    """GET /v1/setup_intents."""
    customer = call.customer()
    setups = call.account.setup_intents
    found = reversed(setups.of("customer", customer.id)) if customer else setups.newest_first()
    return listing(call, "/v1/setup_intents", found, cursor(call.params))


async def open_session(call: Call) -> Wire:
    """POST /v1/checkout/sessions, in setup mode only."""
    params = call.params
    mode = params.one_of("mode", ("setup", "payment", "subscription")) or "payment"
    if mode != "setup":
        raise invalid_request("The practice gateway has checkout sessions in setup mode only.", param="mode")
    customer = call.customer()
    success_url = params.required("success_url")
    setup_data = params.nested("setup_intent_data")
    setup_metadata = merge_metadata({}, setup_data.strings("metadata"))
    setup_data.accept("description", "on_behalf_of")
    metadata = merge_metadata({}, params.strings("metadata"))
    now = call.act.now
    expires_at = params.integer("expires_at", least=now, most=now + SESSION_SECONDS) or now + SESSION_SECONDS
    cancel_url, currency, locale = params.text("cancel_url"), params.text("currency"), params.text("locale")
    reference = params.text("client_reference_id")
    params.accept("payment_method_types", "customer_creation", "ui_mode", "customer_update", "custom_text")
    params.accept("billing_address_collection", "payment_method_options")
    params.done()
    owner = customer.id if customer else None
    setup = saving.new_setup(call.act, owner, setup_metadata, "off_session")
    session = CheckoutSession(
        id=new_secret("cs_test_", 58),
        created=now,
        expires_at=expires_at,
        expires_real=time.time() + (expires_at - now),
        setup_intent=setup.id,
        success_url=success_url,
        customer=owner,
        metadata=metadata,
        cancel_url=cancel_url,
        currency=currency,
        locale=locale,
        client_reference_id=reference,
    )
    call.account.sessions.add(session)
    call.act.gateway.sessions[session.id] = (call.account, session)
    loop = asyncio.get_running_loop()  # the real clock: its timers are the event loop's
    loop.call_later(expires_at - now, saving.expire_session, call.act.gateway.itself(call.account), session)
    return call.show(session)


async def retrieve_session(call: Call) -> Wire:
    """GET /v1/checkout/sessions/{id}."""
    return call.show(call.one("checkout.session", call.account.sessions))


async def expire_session(call: Call) -> Wire:
    """POST /v1/checkout/sessions/{id}/expire."""
    session = call.one("checkout.session", call.account.sessions)
    call.params.done()
    if session.status != "open":
        raise refused(f"Only open Checkout Sessions can be expired; this one is {session.status}.")
    saving.expire_session(call.act, session)
    return call.show(session)


async def list_sessions(call: Call) -> Wire:
    """GET /v1/checkout/sessions."""
    customer, wanted = call.customer(), call.params.text("setup_intent")
    sessions = call.account.sessions
    found = reversed(sessions.of("customer", customer.id)) if customer else sessions.newest_first()
    matching = (item for item in found if wanted is None or item.setup_intent == wanted)
    return listing(call, "/v1/checkout/sessions", matching, cursor(call.params))


ROUTES: list[Route] = [
    ("POST", "/v1/setup_intents", create),
    ("GET", "/v1/setup_intents", list_all),
    ("GET", "/v1/setup_intents/{id}", retrieve),
    ("POST", "/v1/setup_intents/{id}/confirm", confirm),
    ("POST", "/v1/setup_intents/{id}/cancel", cancel),
    ("POST", "/v1/checkout/sessions", open_session),
    ("GET", "/v1/checkout/sessions", list_sessions),
    ("GET", "/v1/checkout/sessions/{id}", retrieve_session),
    ("POST", "/v1/checkout/sessions/{id}/expire", expire_session),
]
