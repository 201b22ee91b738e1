"""Facts and snapshots as the events that everybody reads: ids, times and money by the contract."""

from recoup_events import models, parts
from recoup_events.models import Event
from recoup_events.values import fact_id
from recoup_gateway_adapter.accounts.domain import AccountRef
from recoup_gateway_adapter.facts.domain.facts import (
    CardChanged,
    Fact,
    InvoiceRef,
    PaymentFailed,
    PaymentReversed,
    PaymentSucceeded,
)
from recoup_gateway_adapter.facts.domain.records import CustomerRecord, InvoiceRecord, SubscriptionRecord
from recoup_gateway_adapter.facts.domain.snapshots import Snapshot
from recoup_gateway_adapter.gateways.contract import Instrument, Money


def event_of(account: AccountRef, fact: Fact) -> Event:
    """Give the event of a fact; its id is the fact's, the same from every messenger."""
    match fact:
        case PaymentFailed():
            return _failed(account, fact)
        case PaymentSucceeded():
            return _succeeded(account, fact)
        case PaymentReversed():
            return _reversed(account, fact)
        case CardChanged():
            return _card(account, fact)


def snapshot_of(account: AccountRef, record: Snapshot) -> Event:
    """Give the event of a snapshot in its present version."""
    match record:
        case InvoiceRecord():
            return _invoice(account, record)
        case CustomerRecord():
            return _customer(account, record)
        case SubscriptionRecord():
            return _subscription(account, record)


def _failed(account: AccountRef, fact: PaymentFailed) -> models.PaymentFailed:
    decline = fact.decline
    return models.PaymentFailed(
        id=fact_id(account.account_id, "payment.failed", fact.identity),
        time=fact.at,
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        customer_id=fact.customer_id,
        gateway=account.gateway,
        nature=fact.nature,
        invoice=_invoice_part(fact.invoice, fact.amount, failed=True),
        charge_id=fact.charge_id,
        payment_intent_id=fact.payment_intent_id,
        amount=_money(fact.amount),
        instrument=_instrument(fact.instrument),
        decline=parts.DeclineFacts(
            code=decline.code,
            advice=decline.advice,
            network_code=decline.network_code,
            network_advice=decline.network_advice,
            requires_authentication=decline.requires_authentication,
        ),
        attributed_to=fact.attributed_to,
        try_id=fact.try_id,
    )


def _succeeded(account: AccountRef, fact: PaymentSucceeded) -> models.PaymentSucceeded:
    return models.PaymentSucceeded(
        id=fact_id(account.account_id, "payment.succeeded", fact.identity),
        time=fact.at,
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        customer_id=fact.customer_id,
        gateway=account.gateway,
        invoice=_invoice_part(fact.invoice, Money(0, fact.amount.currency), failed=False),
        charge_id=fact.charge_id,
        payment_intent_id=fact.payment_intent_id,
        amount=_money(fact.amount),
        instrument=_instrument(fact.instrument),
        settled_by=fact.settled_by,
        attributed_to=fact.attributed_to,
        try_id=fact.try_id,
    )


def _reversed(account: AccountRef, fact: PaymentReversed) -> models.PaymentReversed:
    return models.PaymentReversed(
        id=fact_id(account.account_id, "payment.reversed", fact.reversal_id),
        time=fact.at,
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        customer_id=fact.customer_id,
        gateway=account.gateway,
        kind=fact.kind,
        reversal_id=fact.reversal_id,
        charge_id=fact.charge_id,
        invoice_id=fact.invoice_id,
        amount=_money(fact.amount),
        payable_again=fact.payable_again,
    )


def _card(account: AccountRef, fact: CardChanged) -> models.CardUpdated:
    card = fact.instrument
    identity = (
        fact.customer_id,
        card.instrument_id,
        str(fact.change),
        card.fingerprint or "",
        f"{card.exp_year or ''}-{card.exp_month or ''}",
    )
    return models.CardUpdated(
        id=fact_id(account.account_id, "card.updated", *identity),
        time=fact.at,
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        customer_id=fact.customer_id,
        instrument=_card_part(card),
        change=fact.change,
        card_session_id=fact.card_session_id,
        settling=fact.settling,
    )


def _invoice_part(ref: InvoiceRef | None, otherwise: Money, *, failed: bool) -> parts.Invoice | None:
    """Give the invoice; of a failure what was due, even where the invoice has been paid meanwhile."""
    if ref is None:
        return None
    if ref.invoice is None:
        return parts.Invoice(invoice_id=ref.invoice_id, owed=_money(otherwise))
    invoice = ref.invoice
    owed = invoice.owed.minor or (invoice.due_minor if failed else 0)
    return parts.Invoice(
        invoice_id=invoice.invoice_id,
        number=invoice.number,
        subscription_id=invoice.subscription_id,
        owed=_money(Money(owed, invoice.owed.currency)),
        collection=invoice.collection,
        next_gateway_try_at=invoice.next_gateway_try_at,
    )


def _instrument(card: Instrument | None) -> parts.Instrument | None:
    return None if card is None else _card_part(card)


def _card_part(card: Instrument) -> parts.Instrument:
    return parts.Instrument(
        instrument_id=card.instrument_id,
        kind=card.kind,
        brand=card.brand,
        funding=card.funding,
        country=card.country,
        fingerprint=card.fingerprint,
        exp_month=card.exp_month,
        exp_year=card.exp_year,
    )


def _money(amount: Money) -> parts.Money:
    return parts.Money(minor=amount.minor, currency=amount.currency)


def _invoice(account: AccountRef, record: InvoiceRecord) -> models.InvoiceUpdated:
    invoice = record.invoice
    assert invoice.customer_id is not None, "a snapshot without its owner is never renewed"
    return models.InvoiceUpdated(
        id=fact_id(account.account_id, "invoice.updated", invoice.invoice_id, str(record.version)),
        time=record.seen_at,
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        customer_id=invoice.customer_id,
        version=record.version,
        invoice_id=invoice.invoice_id,
        number=invoice.number,
        subscription_id=invoice.subscription_id,
        status=invoice.status,
        owed=_money(invoice.owed),
        collection=invoice.collection,
        collected_by_gateway=invoice.collected_by_gateway,
    )


def _customer(account: AccountRef, record: CustomerRecord) -> models.CustomerUpdated:
    customer = record.customer
    return models.CustomerUpdated(
        id=fact_id(account.account_id, "customer.updated", customer.customer_id, str(record.version)),
        time=record.seen_at,
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        customer_id=customer.customer_id,
        version=record.version,
        email=customer.email,
        name=customer.name,
        locale=customer.locale,
        country=customer.country,
    )


def _subscription(account: AccountRef, record: SubscriptionRecord) -> models.SubscriptionUpdated:
    subscription = record.subscription
    return models.SubscriptionUpdated(
        id=fact_id(
            account.account_id, "subscription.updated", subscription.subscription_id, str(record.version)
        ),
        time=record.seen_at,
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        customer_id=subscription.customer_id,
        version=record.version,
        subscription_id=subscription.subscription_id,
        status=subscription.status,
        cancel_at_period_end=subscription.cancel_at_period_end,
        collection_paused=subscription.collection_paused,
        current_period_end=subscription.current_period_end,
        description=subscription.description,
    )
