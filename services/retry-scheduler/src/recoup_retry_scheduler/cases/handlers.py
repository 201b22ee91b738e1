"""One function a message, a batch at a time. Safe to deliver twice and in any order.

Each reads its messages as facts, and one fold over the books of the customers concerned decides.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TypeVar
from uuid import UUID

from recoup_chassis import clocks
from recoup_chassis.postgres import Tx
from recoup_chassis.timers import Timer
from recoup_events import models as m
from recoup_events.settings import MerchantSetting, RecoverySetting, Setting
from recoup_events.values import AppliesTo
from recoup_retry_scheduler.cases import metrics, store, translate
from recoup_retry_scheduler.cases.announce import events_of
from recoup_retry_scheduler.cases.domain.book import Books
from recoup_retry_scheduler.cases.domain.choosing import Choose, evenly
from recoup_retry_scheduler.cases.domain.decisions import Decisions
from recoup_retry_scheduler.cases.domain.facts import Fact, PolicyChanged, Reversed, TimerFired
from recoup_retry_scheduler.cases.domain.fold import fold
from recoup_retry_scheduler.cases.domain.settle import Now

S = TypeVar("S", bound=Setting)


async def decide(facts: Sequence[Fact], tx: Tx) -> None:
    """Apply facts to their customers' cases, save what follows, and announce it."""
    if not facts:
        return
    books = await store.load(tx, facts)
    now = {owner.merchant_id: Now(tx.now(owner.merchant_id), tx.real_now) for owner in books}
    decisions = await _folded(books, facts, now)
    await store.save(tx, books, decisions)
    await tx.emit(events_of(decisions.announcements, now))
    metrics.count(decisions)


async def _folded(books: Books, facts: Sequence[Fact], now: Mapping[str, Now]) -> Decisions:
    """Fold; where the mind may be asked, beside the event loop: 500 choices take half a second, and others go on."""
    if any(book.smart for book in books.values()):
        return await asyncio.to_thread(_with_the_mind, books, facts, now)
    return fold(books, facts, now, evenly)


def _with_the_mind(books: Books, facts: Sequence[Fact], now: Mapping[str, Now]) -> Decisions:
    return fold(books, facts, now, _mind())


@cache
def _mind() -> Choose:
    from recoup_retry_scheduler.cases import mind  # noqa: PLC0415  numpy's 18 MiB are for those who use them

    return mind.chooser()


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
    """Follow clocks and zones, and keep recovery settings for cases to come, or for open ones too."""
    await clocks.settings_changed(batch, tx)
    zones = {
        event.merchant_id: (event.merchant_id, event.version, _read(event, MerchantSetting).timezone)
        for event in _in_order(batch, "merchant")
    }
    await store.save_zones(tx, list(zones.values()))
    recovery = [(e, _read(e, RecoverySetting)) for e in _in_order(batch, "recovery")]
    policies = {e.merchant_id: translate.policy_of(setting, e.version) for e, setting in recovery}
    await store.save_policies(tx, list(policies.items()))
    for_open = {
        e.merchant_id: translate.policy_of(setting, e.version)
        for e, setting in recovery
        if setting.applies_to is AppliesTo.OPEN
    }
    await store.spread_policies(tx, list(for_open.items()))


def _in_order(batch: Sequence[m.SettingsChanged], name: str) -> list[m.SettingsChanged]:
    return sorted((e for e in batch if e.setting == name), key=lambda event: event.version)


def _read(event: m.SettingsChanged, model: type[S]) -> S:
    return model.model_validate(event.value, extra="ignore")  # a later release's setting may say more


async def spread_policy(tx: Tx, merchant_id: str, at_most: int) -> bool:
    """Let the next customers' open cases follow a policy that is for them too; give whether there may be more."""
    owners = await store.claim_policy_spread(tx, merchant_id, at_most)
    if owners is None:
        return False
    await tx.lock_customers([(owner.merchant_id, owner.customer_id) for owner in owners])
    await decide([PolicyChanged(owner) for owner in owners], tx)
    await store.go_on_spreading(tx, owners, merchant_id)
    return bool(owners)


async def timers_fired(batch: Sequence[Timer], tx: Tx) -> None:
    """Let the cases whose timers went off look at themselves."""
    wanted = [(timer.merchant_id, UUID(timer.subject)) for timer in batch]
    owners = await store.owners_of(tx, wanted)
    await decide([TimerFired(owners[key], key[1]) for key in dict.fromkeys(wanted) if key in owners], tx)
