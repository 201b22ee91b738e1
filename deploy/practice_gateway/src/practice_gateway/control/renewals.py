"""POST /practice/renewals: thousands of customers whose subscriptions renew now and fail for many reasons."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass

from practice_gateway.account import Account
from practice_gateway.api.customers import new_customer
from practice_gateway.billing import subscriptions
from practice_gateway.cards import saving
from practice_gateway.cards.catalogue import BY_NUMBER
from practice_gateway.cards.script import Script
from practice_gateway.control.reasons import REASONS
from practice_gateway.control.request import Answer, Control, ControlError, ControlRoute
from practice_gateway.gateway import Gateway
from practice_gateway.ids import new_id
from practice_gateway.model import Customer, Invoice, Price, Product, Subscription, SubscriptionItem

MAX_COUNT = 100_000
CHUNK = 100  # renewals whose tries run together, between two looks at other work
MONTH = 30 * 86_400
CURRENCIES = ("eur", "usd", "gbp")
COUNTRIES = {"eur": ("IT", "FR", "DE"), "usd": ("US",), "gbp": ("GB",)}
CARDS = ("4242424242424242", "4000056655665556", "5555555555554444", "5200828282828210", "378282246310005")
GIVEN = ("Anna", "Luca", "Giulia", "Marco", "Sofia", "Tom", "Emma", "Jack", "Chiara", "Paolo", "Ruth", "Sam")
FAMILY = ("Rossi", "Bianchi", "Smith", "Jones", "Ferrari", "Brown", "Conti", "Taylor", "Greco", "Wilson")
LONGEST = 36  # months of a period, as at Stripe
AMOUNTS = (499, 900, 999, 1_200, 1_900, 2_900, 4_900, 9_900, 19_900)


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for."""

    count: int
    reasons: list[str]
    weights: list[float]
    italian: float
    months: int
    draw: random.Random


async def create(control: Control) -> Answer:
    """Make customers with a card, a subscription whose period ends now, its invoice and the first try."""
    account = control.account()
    control.only("count", "seed", "mix", "italian", "months")
    order = _order(control)
    prices = _prices(account, order)
    made: list[Answer] = []
    while len(made) < order.count:
        size = min(CHUNK, order.count - len(made))
        first = len(account.customers)
        chunk = [_renewal(control.gateway, account, order, prices, first + n) for n in range(size)]
        made += await asyncio.gather(*chunk)
    return {
        "renewals": made,
        "by_reason": Counter(item["reason"] for item in made),
        "by_status": Counter(item["status"] for item in made),
    }


def _order(control: Control) -> Order:
    mix = control.body.get("mix", {name: weight for name, (_, weight) in REASONS.items()})
    if not isinstance(mix, dict) or not mix or set(mix) - set(REASONS):
        message = f"mix is an object of weights by reason: {', '.join(REASONS)}"
        raise ControlError(message)
    weights = list(mix.values())
    if not all(isinstance(one, int | float) and one >= 0 for one in weights) or not sum(weights) > 0:
        raise ControlError("the weights of mix are numbers from 0, not all of them 0")
    return Order(
        count=int(control.number("count", 100, 1, MAX_COUNT)),
        reasons=list(mix),
        weights=weights,
        italian=control.number("italian", 0.4, 0, 1),
        months=int(control.number("months", 1, 1, LONGEST)),
        draw=random.Random(control.number("seed", 0, -(2**63), 2**63)),
    )


def _prices(account: Account, order: Order) -> dict[tuple[str, int], Price]:
    now = account.now()
    product = account.products.add(
        Product(id=new_id("prod", 14), created=now - 12 * MONTH, name="Practice plan")
    )
    return {
        (currency, amount): account.prices.add(
            Price(
                id=new_id("price"),
                created=product.created,
                product=product.id,
                currency=currency,
                unit_amount=amount,
                interval="month",
                interval_count=order.months,
            )
        )
        for currency in CURRENCIES
        for amount in AMOUNTS
    }


async def _renewal(
    gateway: Gateway, account: Account, order: Order, prices: dict[tuple[str, int], Price], number: int
) -> Answer:
    draw = order.draw
    reason = draw.choices(order.reasons, order.weights)[0]
    price = prices[draw.choice(CURRENCIES), draw.choice(AMOUNTS)]
    act = gateway.itself(account)
    customer = _customer(account, order, price.currency, number)
    script, _ = REASONS[reason]
    card = saving.new_card(
        act,
        BY_NUMBER[draw.choice(CARDS)],
        exp_month=draw.randint(1, 12),
        script=Script(script(draw, account.clock.now())),
    )
    card.created, card.customer = customer.created, customer.id
    card.fingerprint = new_id("fp")  # a card of their own, though the test numbers repeat
    account.cards_of[customer.id] = [card.id]
    customer.default_payment_method = card.id
    subscription = _subscription(account, customer, price, order.months)
    invoice = subscriptions.renew(act, subscription)
    await subscriptions.finish_draft(act, invoice)
    return _told(customer, subscription, invoice, reason)


def _customer(account: Account, order: Order, currency: str, number: int) -> Customer:
    draw = order.draw
    customer = new_customer(account, account.now() - 6 * MONTH)
    customer.email = f"customer-{number}.{account.id}@example.org"
    customer.name = f"{draw.choice(GIVEN)} {draw.choice(FAMILY)}"
    customer.preferred_locales = ["it"] if draw.random() < order.italian else ["en"]
    customer.address = {"country": draw.choice(COUNTRIES[currency])}
    customer.currency = currency
    return account.customers.add(customer)


def _subscription(account: Account, customer: Customer, price: Price, months: int) -> Subscription:
    now = account.now()
    begun = now - months * MONTH
    return account.subscriptions.add(
        Subscription(
            id=new_id("sub"),
            created=customer.created,
            customer=customer.id,
            items=[SubscriptionItem(id=new_id("si", 14), created=customer.created, price=price)],
            status="active",
            current_period_start=begun,
            current_period_end=now,
            billing_cycle_anchor=now,
        )
    )


def _told(customer: Customer, subscription: Subscription, invoice: Invoice, reason: str) -> Answer:
    return {
        "customer": customer.id,
        "email": customer.email,
        "subscription": subscription.id,
        "invoice": invoice.id,
        "payment_method": customer.default_payment_method,
        "reason": reason,
        "amount": invoice.amount_due,
        "currency": invoice.currency,
        "locale": customer.preferred_locales[0],
        "status": invoice.status,
    }


ROUTES: list[ControlRoute] = [("POST", "/practice/renewals", create)]
