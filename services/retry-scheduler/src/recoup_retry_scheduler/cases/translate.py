"""From events to facts: the edge where the contract's words become the domain's."""

from datetime import timedelta

from recoup_events import models as m
from recoup_events.parts import Instrument, Invoice
from recoup_events.settings import RecoverySetting
from recoup_events.values import FailureNature
from recoup_retry_scheduler.cases.domain.case import Policy
from recoup_retry_scheduler.cases.domain.facts import (
    AttemptMoved,
    Bill,
    Card,
    CardChanged,
    Failed,
    FinalActionSettled,
    InvoiceSeen,
    Owner,
    Reversed,
    SubscriptionSeen,
    Succeeded,
    judge,
)


def owner_of(event: m.CustomerEvent) -> Owner:
    """Say whose event it is."""
    return Owner(event.merchant_id, event.account_id, event.customer_id)


def _card(instrument: Instrument | None) -> Card | None:
    if instrument is None:
        return None
    return Card(
        instrument_id=instrument.instrument_id,
        kind=instrument.kind,
        brand=instrument.brand,
        funding=instrument.funding,
        country=instrument.country,
        fingerprint=instrument.fingerprint,
        exp_month=instrument.exp_month,
        exp_year=instrument.exp_year,
    )


def _bill(invoice: Invoice | None) -> Bill | None:
    if invoice is None:
        return None
    return Bill(
        invoice_id=invoice.invoice_id,
        owed=invoice.owed.minor,
        currency=invoice.owed.currency,
        number=invoice.number,
        subscription_id=invoice.subscription_id,
        collection=invoice.collection.value,
        next_gateway_try_at=invoice.next_gateway_try_at,
    )


def failed(event: m.PaymentFailed) -> Failed:
    """Read `payment.failed`. Only a renewal's failure with its invoice opens a case."""
    decline, brand = event.decline, event.instrument.brand if event.instrument else None
    return Failed(
        owner=owner_of(event),
        fact_id=event.id,
        at=event.time,
        gateway=event.gateway,
        opens=event.nature is FailureNature.RENEWAL and event.invoice is not None,
        bill=_bill(event.invoice),
        charge_id=event.charge_id,
        amount=event.amount.minor,
        currency=event.amount.currency,
        card=_card(event.instrument),
        verdict=judge(
            event.gateway,
            decline.code,
            decline.advice,
            brand,
            decline.network_code,
            decline.network_advice,
            requires_authentication=decline.requires_authentication,
        ),
        attributed_to=event.attributed_to,
        try_id=event.try_id,
    )


def succeeded(event: m.PaymentSucceeded) -> Succeeded:
    """Read `payment.succeeded`."""
    return Succeeded(
        owner=owner_of(event),
        fact_id=event.id,
        at=event.time,
        invoice_id=event.invoice.invoice_id if event.invoice else None,
        charge_id=event.charge_id,
        payment_intent_id=event.payment_intent_id,
        amount=event.amount.minor,
        currency=event.amount.currency,
        card=_card(event.instrument),
        settled_by=event.settled_by,
        attributed_to=event.attributed_to,
        try_id=event.try_id,
    )


def reversed_(event: m.PaymentReversed) -> Reversed:
    """Read `payment.reversed`."""
    return Reversed(
        owner=owner_of(event),
        fact_id=event.id,
        at=event.time,
        kind=event.kind,
        charge_id=event.charge_id,
        invoice_id=event.invoice_id,
        amount=event.amount.minor,
        payable_again=event.payable_again,
    )


def card_changed(event: m.CardUpdated) -> CardChanged:
    """Read `card.updated`."""
    card = _card(event.instrument)
    assert card is not None
    return CardChanged(
        owner=owner_of(event), at=event.time, card=card, change=event.change, settling=event.settling
    )


def attempt_moved(event: m.AttemptUpdated) -> AttemptMoved:
    """Read `attempt.updated`."""
    return AttemptMoved(
        owner=owner_of(event),
        at=event.time,
        invoice_id=event.invoice_id,
        state=event.state,
        reason=event.reason,
        revision=event.revision,
        try_id=event.try_id,
    )


def final_action_settled(event: m.FinalActionDone) -> FinalActionSettled:
    """Read `final_action.done`."""
    return FinalActionSettled(
        owner=owner_of(event),
        at=event.time,
        case_id=event.case_id,
        invoice_id=event.invoice_id,
        outcome=event.outcome,
        detail=event.detail,
    )


def invoice_seen(event: m.InvoiceUpdated) -> InvoiceSeen:
    """Read `invoice.updated`."""
    return InvoiceSeen(
        owner=owner_of(event),
        at=event.time,
        invoice_id=event.invoice_id,
        version=event.version,
        status=event.status,
    )


def subscription_seen(event: m.SubscriptionUpdated) -> SubscriptionSeen:
    """Read `subscription.updated`."""
    return SubscriptionSeen(
        owner=owner_of(event),
        subscription_id=event.subscription_id,
        version=event.version,
        status=event.status,
    )


def policy_of(setting: RecoverySetting, version: int) -> Policy:
    """Read a merchant's `recovery` setting."""
    return Policy(
        mode=setting.mode,
        schedule=tuple(timedelta(days=days) for days in setting.schedule_days),
        max_tries=setting.max_tries,
        min_gap=timedelta(hours=setting.min_gap_hours),
        window=timedelta(days=setting.window_days),
        final_action=setting.final_action,
        precedence=setting.precedence,
        version=version,
    )
