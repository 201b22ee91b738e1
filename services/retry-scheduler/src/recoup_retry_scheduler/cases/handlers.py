"""One function a message, a batch at a time. Safe to deliver twice and in any order.

Each reads its messages as facts, and one fold over the books of the customers concerned decides.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from recoup_chassis import clocks
from recoup_chassis.postgres import Tx
from recoup_chassis.timers import Timer
from recoup_events import models as m
from recoup_events.settings import RecoverySetting
from recoup_retry_scheduler.cases import metrics, store, translate
from recoup_retry_scheduler.cases.announce import events_of
from recoup_retry_scheduler.cases.domain.facts import Fact, Reversed, TimerFired
from recoup_retry_scheduler.cases.domain.fold import fold
from recoup_retry_scheduler.cases.domain.settle import Now


async def decide(facts: Sequence[Fact], tx: Tx) -> None:
    """Apply facts to their customers' cases, save what follows, and announce it."""
    if not facts:
        return
    books = await store.load(tx, facts)
    now = {owner.merchant_id: Now(tx.now(owner.merchant_id), tx.real_now) for owner in books}
    decisions = fold(books, facts, now)
    await store.save(tx, books, decisions)
    await tx.emit(events_of(decisions.announcements, now))
    metrics.count(decisions)


async def payment_failed(batch: Sequence[m.PaymentFailed], tx: Tx) -> None:
    """Open or continue a case for each failure."""
    await decide([translate.failed(event) for event in batch], tx)


async def payment_succeeded(batch: Sequence[m.PaymentSucceeded], tx: Tx) -> None:
    """Close the cases of what was paid."""
    await decide([translate.succeeded(event) for event in batch], tx)


async def payment_reversed(batch: Sequence[m.PaymentReversed], tx: Tx) -> None:
    """Undo recoveries whose money went back."""
    facts = [translate.reversed_(event) for event in batch]
    nameless = {fact: (*fact.owner[:2], fact.charge_id) for fact in facts if _is_nameless(fact)}
    wanted = [(merchant, account, charge or "") for merchant, account, charge in nameless.values()]
    invoices = await store.invoices_of_charges(tx, wanted) if wanted else {}
    await decide([_named(fact, invoices) for fact in facts], tx)


def _is_nameless(fact: Reversed) -> bool:
    return fact.invoice_id is None and fact.charge_id is not None


def _named(fact: Reversed, invoices: dict[store.Named, str]) -> Reversed:
    if not _is_nameless(fact):
        return fact
    return replace(fact, invoice_id=invoices.get((*fact.owner[:2], fact.charge_id or "")))


async def card_updated(batch: Sequence[m.CardUpdated], tx: Tx) -> None:
    """Try a customer's open invoices with their new card; never charge a removed one again."""
    await decide([translate.card_changed(event) for event in batch], tx)


async def attempt_updated(batch: Sequence[m.AttemptUpdated], tx: Tx) -> None:
    """Follow what becomes of charges that are asked for or made by others."""
    await decide([translate.attempt_moved(event) for event in batch], tx)


async def final_action_done(batch: Sequence[m.FinalActionDone], tx: Tx) -> None:
    """Close the cases whose final action is settled."""
    await decide([translate.final_action_settled(event) for event in batch], tx)


async def invoice_updated(batch: Sequence[m.InvoiceUpdated], tx: Tx) -> None:
    """Close the cases of invoices that are paid, void or written off."""
    await decide([translate.invoice_seen(event) for event in batch], tx)


async def subscription_updated(batch: Sequence[m.SubscriptionUpdated], tx: Tx) -> None:
    """Close the cases of subscriptions that were cancelled elsewhere."""
    await decide([translate.subscription_seen(event) for event in batch], tx)


async def settings_changed(batch: Sequence[m.SettingsChanged], tx: Tx) -> None:
    """Follow clocks, and keep recovery settings for cases to come."""
    await clocks.settings_changed(batch, tx)
    newest = {
        event.merchant_id: (event.merchant_id, event.version, event)
        for event in sorted(batch, key=lambda event: event.version)
        if event.setting == "recovery"
    }
    policies = [
        (merchant, version, translate.policy_of(RecoverySetting.model_validate(event.value)))
        for merchant, version, event in newest.values()
    ]
    await store.save_policies(tx, policies)


async def timers_fired(batch: Sequence[Timer], tx: Tx) -> None:
    """Let the cases whose timers went off look at themselves."""
    wanted = [(timer.merchant_id, UUID(timer.subject)) for timer in batch]
    owners = await store.owners_of(tx, wanted)
    await decide([TimerFired(owners[key], key[1]) for key in dict.fromkeys(wanted) if key in owners], tx)
