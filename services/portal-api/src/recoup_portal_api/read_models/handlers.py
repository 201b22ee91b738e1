"""One function an event: what it adds to the read models. Safe to deliver twice and in any order."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from recoup_chassis.postgres import Tx
from recoup_events import models as e
from recoup_events.envelope import Tombstone
from recoup_portal_api.access.domain import Marks
from recoup_portal_api.read_models import domain, store
from recoup_portal_api.read_models.domain import Happening


async def payment_failed(batch: Sequence[e.PaymentFailed], tx: Tx) -> None:
    """Add to the timeline of the invoice's case."""
    lines = [
        _line(
            event,
            event.invoice.invoice_id if event.invoice else None,
            {
                "amount": event.amount.model_dump(mode="json"),
                "attributed_to": event.attributed_to,
                "nature": event.nature,
                "decline_code": event.decline.code,
                "network_code": event.decline.network_code,
                "charge_id": event.charge_id,
                "instrument": event.instrument.model_dump(mode="json") if event.instrument else None,
                "try_id": str(event.try_id) if event.try_id else None,
            },
        )
        for event in batch
    ]
    await _save(tx, lines)


async def payment_succeeded(batch: Sequence[e.PaymentSucceeded], tx: Tx) -> None:
    """Add to the timeline of the invoice's case."""
    lines = [
        _line(
            event,
            event.invoice.invoice_id if event.invoice else None,
            {
                "amount": event.amount.model_dump(mode="json"),
                "attributed_to": event.attributed_to,
                "settled_by": event.settled_by,
                "charge_id": event.charge_id,
                "instrument": event.instrument.model_dump(mode="json") if event.instrument else None,
                "try_id": str(event.try_id) if event.try_id else None,
            },
        )
        for event in batch
    ]
    await _save(tx, lines)


async def payment_reversed(batch: Sequence[e.PaymentReversed], tx: Tx) -> None:
    """Add to the timeline of the invoice's case."""
    lines = [
        _line(
            event,
            event.invoice_id,
            {
                "amount": event.amount.model_dump(mode="json"),
                "kind": event.kind,
                "charge_id": event.charge_id,
                "payable_again": event.payable_again,
            },
        )
        for event in batch
    ]
    await _save(tx, lines)


async def retry_due(batch: Sequence[e.RetryDue], tx: Tx) -> None:
    """Add to the case's timeline."""
    await _save(tx, [_told(event, {"try_id", "kind", "step", "reason", "instrument_id"}) for event in batch])


async def attempt_updated(batch: Sequence[e.AttemptUpdated], tx: Tx) -> None:
    """Add to the timeline of the invoice's case."""
    await _save(tx, [_told(event, {"attempt_id", "state", "reason", "try_id"}) for event in batch])


async def final_action_due(batch: Sequence[e.FinalActionDue], tx: Tx) -> None:
    """Add to the case's timeline."""
    await _save(tx, [_told(event, {"action", "subscription_id"}) for event in batch])


async def final_action_done(batch: Sequence[e.FinalActionDone], tx: Tx) -> None:
    """Add to the case's timeline."""
    await _save(tx, [_told(event, {"action", "outcome", "detail", "subscription_id"}) for event in batch])


async def notification_sent(batch: Sequence[e.NotificationSent], tx: Tx) -> None:
    """Add to the case's timeline."""
    lines = [
        Happening(
            event.id,
            event.merchant_id,
            event.account_id,
            event.customer_id,
            event.case_id,
            event.time,
            event.TOPIC.name,
            event.model_dump(mode="json", include={"message", "channel", "language"}),
        )
        for event in batch
    ]
    await _save(tx, lines)


async def card_updated(batch: Sequence[e.CardUpdated], tx: Tx) -> None:
    """Add to the timelines of all the customer's cases that were open then."""
    lines = [
        _line(
            event,
            None,
            {
                "change": event.change,
                "settling": list(event.settling),
                **event.instrument.model_dump(mode="json"),
            },
        )
        for event in batch
    ]
    await store.save_happenings(tx, lines)


async def recovery_changed(batch: Sequence[e.RecoveryChanged], tx: Tx) -> None:
    """Keep each case's highest revision, and every revision on its timeline."""
    await store.save_cases(tx, [_case(event) for event in batch])
    told = {
        "revision",
        "state",
        "transition",
        "reason",
        "next_try_at",
        "waiting_for",
        "decline_code",
        "recovered_by",
    }
    await _save(tx, [_told(event, told) for event in batch])


def _case(event: e.RecoveryChanged) -> dict[str, Any]:
    same = {
        "merchant_id", "case_id", "revision", "account_id", "customer_id", "instrument", "state", "transition",
        "reason", "failed_at", "resolve_by", "next_try_at", "waiting_for", "final_action", "decline_code",
        "decline_class", "decline_action", "masked", "tries_made", "tries_planned", "recovered_by",
    }  # fmt: skip
    recovered = event.recovered_amount
    return {
        **event.model_dump(mode="json", include=same),
        "invoice_id": event.invoice.invoice_id,
        "invoice_number": event.invoice.number,
        "subscription_id": event.invoice.subscription_id,
        "owed_minor": event.invoice.owed.minor,
        "currency": event.invoice.owed.currency,
        "recovered_minor": recovered.minor if recovered else None,
        "recovered_currency": recovered.currency if recovered else None,
        "changed_at": event.time.isoformat(),
        "closed_at": event.time.isoformat() if event.state in domain.CLOSED else None,
    }


async def invoice_updated(batch: Sequence[e.InvoiceUpdated], tx: Tx) -> None:
    """Keep each invoice's highest version."""
    same = {
        "merchant_id",
        "account_id",
        "customer_id",
        "invoice_id",
        "version",
        "number",
        "subscription_id",
        "status",
    }
    rows = [
        {
            **event.model_dump(mode="json", include=same),
            "owed_minor": event.owed.minor,
            "currency": event.owed.currency,
        }
        for event in batch
    ]
    await store.save_invoices(tx, rows)


async def subscription_updated(batch: Sequence[e.SubscriptionUpdated], tx: Tx) -> None:
    """Keep each subscription's highest version."""
    same = {"merchant_id", "account_id", "customer_id", "subscription_id", "version", "status", "description"}
    await store.save_subscriptions(tx, [event.model_dump(mode="json", include=same) for event in batch])


def customer_updated(marks: Marks) -> Callable[[Sequence[e.CustomerUpdated], Tx], Awaitable[None]]:
    """Give the handler that keeps each customer's highest version: the address as a keyed hash only."""

    async def handler(batch: Sequence[e.CustomerUpdated], tx: Tx) -> None:
        contacts = [
            store.Contact(
                event.merchant_id,
                event.account_id,
                event.customer_id,
                event.version,
                marks.contact(event.merchant_id, event.email) if event.email else None,
                event.locale,
            )
            for event in batch
        ]
        await store.save_contacts(tx, contacts)

    return handler


async def customer_erased(batch: Sequence[Tombstone], tx: Tx) -> None:
    """Forget the customer: the address can't sign in any more."""
    await store.erase_customers(tx, [_erased(tombstone) for tombstone in batch])


async def invoice_erased(batch: Sequence[Tombstone], tx: Tx) -> None:
    """Forget the invoice; its case stays."""
    await store.erase_invoices(tx, [_erased(tombstone) for tombstone in batch])


async def subscription_erased(batch: Sequence[Tombstone], tx: Tx) -> None:
    """Forget the subscription."""
    await store.erase_subscriptions(tx, [_erased(tombstone) for tombstone in batch])


def _erased(tombstone: Tombstone) -> tuple[str, str]:
    return tombstone.merchant_id, tombstone.key.removeprefix(f"{tombstone.merchant_id}/")


async def _save(tx: Tx, lines: Sequence[Happening]) -> None:
    """Save those that belong to a case; a failure without an invoice has none."""
    await store.save_happenings(tx, [line for line in lines if line.case_id is not None])


def _told(
    event: e.RetryDue | e.AttemptUpdated | e.FinalActionDue | e.FinalActionDone | e.RecoveryChanged,
    fields: set[str],
) -> Happening:
    invoice_id = event.invoice.invoice_id if isinstance(event, e.RecoveryChanged) else event.invoice_id
    return _line(event, invoice_id, event.model_dump(mode="json", include=fields))


def _line(event: e.CustomerEvent, invoice_id: str | None, details: dict[str, Any]) -> Happening:
    return Happening(
        event.id,
        event.merchant_id,
        event.account_id,
        event.customer_id,
        domain.case_of(event.account_id, invoice_id),
        event.time,
        event.TOPIC.name,
        details,
    )
