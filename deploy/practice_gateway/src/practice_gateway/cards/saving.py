"""Saving cards: attached by the merchant, or through a setup intent and its page."""

import hashlib
from dataclasses import dataclass
from typing import Any

from practice_gateway.account import Account
from practice_gateway.act import Act
from practice_gateway.cards import issuer
from practice_gateway.cards.catalogue import BY_NAME, BY_NUMBER, TestCard
from practice_gateway.cards.declines import AUTHENTICATION_FAILED, AUTHENTICATION_REQUIRED, Decline
from practice_gateway.cards.script import Script
from practice_gateway.ids import new_id, new_secret
from practice_gateway.model import CheckoutSession, Customer, PaymentMethod, SetupIntent

CARD_YEARS = 8  # how long a named test card is good, counted from the merchant's year
YEAR = 31_557_600


@dataclass(frozen=True, slots=True)
class Saved:
    """The card is kept and may be charged."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The check failed."""

    decline: Decline


@dataclass(frozen=True, slots=True)
class ActionRequired:
    """Its holder has to authenticate first."""


Result = Saved | Refused | ActionRequired


def new_card(
    act: Act,
    behaviour: TestCard,
    *,
    exp_month: int | None = None,
    exp_year: int | None = None,
    script: Script | None = None,
    billing_details: dict[str, Any] | None = None,
) -> PaymentMethod:
    """Make a card of its number's kind, not attached to anybody yet."""
    year = 1970 + act.now // YEAR
    seed = f"{act.account.id}:{behaviour.number}"
    method = PaymentMethod(
        id=new_id("pm"),
        created=act.now,
        behaviour=behaviour,
        script=script,
        brand=behaviour.brand,
        last4=behaviour.last4,
        exp_month=exp_month or 12,
        exp_year=exp_year or year + CARD_YEARS,
        funding=behaviour.funding,
        country=behaviour.country,
        fingerprint=hashlib.sha256(seed.encode()).hexdigest()[:16],
        billing_details=billing_details or {},
    )
    return act.account.payment_methods.add(method)


def named_card(act: Act, identifier: str) -> PaymentMethod | None:
    """Return a card by id; a `pm_card_…` name makes a new one each time, as at Stripe."""
    behaviour = BY_NAME.get(identifier)
    if behaviour is not None:
        return new_card(act, behaviour)
    return act.account.payment_methods.get(identifier)


def card_of_number(number: str) -> TestCard | None:
    """Return the test card of a number."""
    return BY_NUMBER.get(number)


def attach(act: Act, method: PaymentMethod, customer: Customer) -> Result:
    """Check a card and give it to a customer. A card that asks for 3-D Secure attaches without it."""
    match issuer.save(method, act.account.clock.now(), authenticated=True):
        case issuer.Declined(decline):
            return Refused(decline)
        case issuer.Approved() | issuer.Challenged():
            attach_unchecked(act, method, customer)
            return Saved()


def attach_unchecked(act: Act, method: PaymentMethod, customer: Customer) -> None:
    """Give a card to a customer and say so."""
    method.customer = customer.id
    act.account.cards_of.setdefault(customer.id, []).append(method.id)
    act.emit("payment_method.attached", method)


def detach(act: Act, method: PaymentMethod) -> None:
    """Take a card from its customer for good; nothing may be charged to it any more."""
    before = act.look(method)
    owner = act.account.customers[method.customer] if method.customer else None
    method.customer, method.detached = None, True
    if owner is not None:
        act.account.cards_of[owner.id].remove(method.id)
    act.emit_change("payment_method.detached", method, before)
    if owner is not None and owner.default_payment_method == method.id:
        looked = act.look(owner)
        owner.default_payment_method = None
        act.emit_change("customer.updated", owner, looked)
    for subscription in act.account.subscriptions.of("customer", owner.id) if owner else []:
        if subscription.default_payment_method == method.id:
            looked = act.look(subscription)
            subscription.default_payment_method = None
            act.emit_change("customer.subscription.updated", subscription, looked)


def new_setup(act: Act, customer: str | None, metadata: dict[str, str], usage: str) -> SetupIntent:
    """Open an intention to save a card."""
    identifier = new_id("seti")
    setup = SetupIntent(
        id=identifier,
        created=act.now,
        client_secret=new_secret(f"{identifier}_secret_", 25),
        customer=customer,
        usage=usage,
        metadata=metadata,
    )
    act.account.setup_intents.add(setup)
    act.emit("setup_intent.created", setup)
    return setup


def confirm(act: Act, setup: SetupIntent, method: PaymentMethod, *, authenticated: bool = False) -> Result:
    """Check the card of a setup intent and keep it for its customer."""
    match issuer.save(method, act.account.clock.now(), authenticated=authenticated):
        case issuer.Approved():
            setup.status, setup.payment_method = "succeeded", method.id
            setup.candidate = setup.last_error = setup.failed_method = None
            method.set_up = authenticated
            owner = act.account.customers.get(setup.customer)
            if owner is not None and method.customer is None:
                attach_unchecked(act, method, owner)
            act.emit("setup_intent.succeeded", setup)
            return Saved()
        case issuer.Declined(decline):
            return _setup_failed(act, setup, method, decline)
        case issuer.Challenged():
            setup.status = "requires_action"
            setup.payment_method = setup.candidate = method.id
            act.emit("setup_intent.requires_action", setup)
            return ActionRequired()


def authenticate(act: Act, setup: SetupIntent, *, passed: bool) -> Result:
    """Go on after 3-D Secure with the card that waits for it."""
    method = act.account.payment_methods.get(setup.candidate)
    if method is None:
        return Refused(AUTHENTICATION_REQUIRED)
    if passed:
        return confirm(act, setup, method, authenticated=True)
    return _setup_failed(act, setup, method, AUTHENTICATION_FAILED)


def _setup_failed(act: Act, setup: SetupIntent, method: PaymentMethod, decline: Decline) -> Refused:
    setup.status = "requires_payment_method"
    setup.payment_method = setup.candidate = None
    setup.last_error, setup.failed_method = decline, method.id
    act.emit("setup_intent.setup_failed", setup)
    return Refused(decline)


def complete(act: Act, session: CheckoutSession) -> None:
    """Close a checkout session whose card is saved."""
    session.status = "complete"
    act.emit("checkout.session.completed", session)


def expire_session(act: Act, session: CheckoutSession) -> None:
    """Close a checkout session that nobody finished."""
    if session.status != "open":
        return
    session.status = "expired"
    act.emit("checkout.session.expired", session)


def customer_cards(account: Account, customer: str) -> list[PaymentMethod]:
    """Return a customer's cards, the latest attached first."""
    return [account.payment_methods[found] for found in reversed(account.cards_of.get(customer, []))]
