"""/v1/payment_methods."""

from practice_gateway.api.call import Call, Route, card_error, cursor, listing
from practice_gateway.cards import saving
from practice_gateway.cards.catalogue import BY_NAME, BY_NUMBER, TestCard, passes_luhn
from practice_gateway.cards.declines import DECLINES
from practice_gateway.errors import StripeError, invalid_request, no_such, refused
from practice_gateway.model import Customer, PaymentMethod
from practice_gateway.params import Params, merge_metadata
from practice_gateway.wire import Wire


async def create(call: Call) -> Wire:
    """POST /v1/payment_methods: a test card by its number, or by its token."""
    params = call.params
    kind = params.required("type")
    if kind != "card":
        raise invalid_request(f"The practice gateway has cards only, no {kind}.", param="type")
    card = params.nested("card")
    behaviour = _of_token(card.text("token"))
    month, year = card.integer("exp_month", least=1, most=12), card.integer("exp_year", least=1970, most=9999)
    if behaviour is None:
        behaviour = _typed(card)
        if month is None or year is None:
            raise invalid_request("Missing required param: card[exp_month].", code="parameter_missing")
    card.accept("cvc", "networks")
    billing, metadata = _billing(params), params.strings("metadata")
    params.accept("allow_redisplay", "radar_options")
    params.done()
    method = saving.new_card(call.act, behaviour, exp_month=month, exp_year=year, billing_details=billing)
    method.metadata = merge_metadata({}, metadata)
    return call.show(method)


def _of_token(token: str | None) -> TestCard | None:
    if token is None:
        return None
    behaviour = BY_NAME.get(token.replace("tok_", "pm_card_", 1))
    if behaviour is None:
        raise no_such("token", token, "card[token]")
    return behaviour


def _typed(card: Params) -> TestCard:
    number = card.required("number").replace(" ", "")
    behaviour = BY_NUMBER.get(number)
    if behaviour is not None:
        return behaviour
    if passes_luhn(number):
        raise StripeError(
            402,
            {
                "type": "card_error",
                "code": "card_declined",
                "decline_code": "test_mode_live_card",
                "message": "Your card was declined. Your request was in test mode, but used a non test card.",
            },
        )
    decline = DECLINES["incorrect_number"]
    raise StripeError(
        402, {"type": "card_error", "code": decline.code, "message": decline.message, "param": "number"}
    )


def _billing(params: Params) -> Wire | None:
    if "billing_details" not in params:
        return None
    details = params.nested("billing_details")
    return {
        "address": details.strings("address"),
        "email": details.text("email"),
        "name": details.text("name"),
        "phone": details.text("phone"),
    }


async def retrieve(call: Call) -> Wire:
    """GET /v1/payment_methods/{id}; a `pm_card_…` name gives a new card."""
    method = saving.named_card(call.act, call.path["id"])
    if method is None:
        raise no_such("PaymentMethod", call.path["id"])
    return call.show(method)


async def update(call: Call) -> Wire:
    """POST /v1/payment_methods/{id}: the holder's details and the expiry."""
    method = call.one("PaymentMethod", call.account.payment_methods)
    params = call.params
    card = params.nested("card")
    month, year = card.integer("exp_month", least=1, most=12), card.integer("exp_year", least=1970, most=9999)
    card.accept("networks")
    billing, metadata = _billing(params), params.strings("metadata")
    params.accept("allow_redisplay")
    params.done()
    if method.customer is None:
        raise refused("You must save this PaymentMethod to a customer before you can update it.")
    before = call.act.look(method)
    method.exp_month, method.exp_year = month or method.exp_month, year or method.exp_year
    method.billing_details = {**method.billing_details, **(billing or {})}
    method.metadata = merge_metadata(method.metadata, metadata)
    call.act.emit_change("payment_method.updated", method, before)
    return call.show(method)


async def attach(call: Call) -> Wire:
    """POST /v1/payment_methods/{id}/attach: checks the card, as the real one does."""
    method = saving.named_card(call.act, call.path["id"])
    if method is None:
        raise no_such("PaymentMethod", call.path["id"])
    customer = call.required_customer()
    call.params.done()
    await attach_or_refuse(call, method, customer)
    return call.show(method)


async def attach_or_refuse(call: Call, method: PaymentMethod, customer: Customer) -> None:
    """Attach a card.

    Raises:
        StripeError: 402 when it is declined, 400 when it belongs to somebody else.
    """
    if method.customer == customer.id:
        return
    refuse_detached(method)
    if method.customer is not None:
        raise refused("The payment method you provided has already been attached to a customer.")
    match saving.attach(call.act, method, customer):
        case saving.Refused(decline):
            raise card_error(call, decline, method.id)
        case saving.Saved() | saving.ActionRequired():
            return


def refuse_detached(method: PaymentMethod) -> None:
    """Refuse a card that was taken from its customer.

    Raises:
        StripeError: 400.
    """
    if method.detached:
        raise refused(
            "This PaymentMethod was previously used without being attached to a Customer or was detached "
            "from a Customer, and may not be used again.",
        )


async def detach(call: Call) -> Wire:
    """POST /v1/payment_methods/{id}/detach."""
    method = call.one("PaymentMethod", call.account.payment_methods)
    call.params.done()
    if method.customer is None:
        raise refused(
            "The payment method you provided is not attached to a customer so detachment is impossible."
        )
    saving.detach(call.act, method)
    return call.show(method)


async def list_all(call: Call) -> Wire:
    """GET /v1/payment_methods of a customer."""
    customer = call.customer()
    call.params.accept("type", "allow_redisplay")
    cards = saving.customer_cards(call.account, customer.id) if customer else []
    return listing(call, "/v1/payment_methods", cards, cursor(call.params))


ROUTES: list[Route] = [
    ("POST", "/v1/payment_methods", create),
    ("GET", "/v1/payment_methods", list_all),
    ("GET", "/v1/payment_methods/{id}", retrieve),
    ("POST", "/v1/payment_methods/{id}", update),
    ("POST", "/v1/payment_methods/{id}/attach", attach),
    ("POST", "/v1/payment_methods/{id}/detach", detach),
]
