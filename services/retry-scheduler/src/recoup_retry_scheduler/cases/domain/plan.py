"""What an open case does next: try, wait, or end. Pure; it changes nothing.

Promise: never a card that a network, a bank or its removal forbids, never two tries of one case at a time.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from recoup_declines import DefaultAction
from recoup_events.values import TryKind, WaitingFor
from recoup_retry_scheduler.cases.domain import asking, choosing, sentences
from recoup_retry_scheduler.cases.domain.book import Book
from recoup_retry_scheduler.cases.domain.case import Case, next_step
from recoup_retry_scheduler.cases.domain.choosing import Choice, Choose
from recoup_retry_scheduler.cases.domain.facts import Card
from recoup_retry_scheduler.rules.codes import WAITS_FOR
from recoup_retry_scheduler.rules.verdict import Forbidden, allowed


@dataclass(frozen=True, slots=True)
class Fire:
    """Ask for a charge now. `step`: of the ladder, from 1; none for a new card."""

    kind: TryKind
    step: int | None
    card: Card | None
    reason: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """Try at `at`; without an instant, when it is this invoice's turn. `basis`, `because`: of `Planned`."""

    at: datetime | None
    reason: str
    basis: str = ""
    because: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait for somebody until the deadline."""

    whom: WaitingFor
    reason: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Let the gateway collect, and speak."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The deadline has come: ask for the final action."""


@dataclass(frozen=True, slots=True)
class Close:
    """The deadline has come and nothing is to be done about the subscription."""

    reason: str


Plan = Fire | Schedule | Wait | Watch | Finish | Close


def plan(case: Case, book: Book, now: datetime, choose: Choose) -> Plan:
    """Decide what an open case does next, while no try of it is outstanding and nobody else charges its invoice.

    Args:
        now: the merchant's instant, UTC.
        choose: asked in mode smart alone.
    """
    overdue = now >= case.resolve_by
    if case.policy.watches_only:
        return Close(sentences.ENDED_WATCHING) if overdue else Watch(sentences.watching(case))
    decision = _wish(case, book, now, choose)
    if not overdue:
        return decision
    match decision:
        case Fire():
            return decision
        case Schedule(at=None):
            return _fire_new(case, book)
        case Wait(whom=WaitingFor.MERCHANT):
            return Close(sentences.ENDED_MERCHANT)
        case Schedule() | Wait() | Watch() | Finish() | Close():
            return Finish()


def _wish(case: Case, book: Book, now: datetime, choose: Choose) -> Plan:
    newer = book.wallet.newest_after(case.card, case.last_failed_at)
    if newer is not None and book.wallet.is_untried(newer):
        return _new_card(case, book, newer, now)
    card = newer or (book.wallet.on_file(case.card) if case.card else None)
    action = _action(case, book, card)
    whom = WAITS_FOR.get(action)
    if whom is not None:
        return Wait(whom, sentences.waiting(case, whom))
    if card is not None and not book.wallet.usable(card):
        return Wait(WaitingFor.CARD, sentences.forbidden(case))
    if case.policy.smart:
        return _chosen(case, book, card, now, choose)
    return _ladder(case, book, card, now, retry_soon=action is DefaultAction.RETRY_SOON)


def _action(case: Case, book: Book, card: Card | None) -> DefaultAction:
    """Give what the last decline of this card on this invoice asks for; a card not tried here may be tried."""
    if card is None or card == case.card:
        return case.verdict.action
    declines = book.declines_of(case.bill.invoice_id)
    return next(
        (d.verdict.action for d in reversed(declines) if d.card and d.card.is_same_edition(card)),
        DefaultAction.RETRY_SCHEDULED,
    )


def _new_card(case: Case, book: Book, card: Card, now: datetime) -> Plan:
    verdict = asking.instants(case, asking.with_new_card(case, book, card, now), case.not_before, now)
    if isinstance(verdict, Forbidden):
        return _refused(verdict)
    at = max(now, verdict.earliest, case.not_before or now)
    if at > now:
        return _later(case, at, sentences.new_card_later(at, verdict.because))
    if book.is_settling_a_new_card():
        return Schedule(None, sentences.QUEUED)
    return Fire(TryKind.NEW_CARD, None, card, sentences.NEW_CARD)


def _fire_new(case: Case, book: Book) -> Plan:
    card = book.wallet.newest_after(case.card, case.last_failed_at)
    return Fire(TryKind.NEW_CARD, None, card, sentences.NEW_CARD) if card else Finish()


def _ladder(case: Case, book: Book, card: Card | None, now: datetime, *, retry_soon: bool) -> Plan:
    step = next_step(case, now, retry_soon=retry_soon)
    if step is None:
        return Wait(WaitingFor.CARD, sentences.exhausted(case))
    verdict = asking.instants(case, asking.scheduled(case, book, card, now), step.at, now)
    if isinstance(verdict, Forbidden):
        return _refused(verdict)
    if verdict.earliest > max(step.at, now):
        reason = sentences.put_off(case, step.number, verdict.earliest, verdict.because)
        return _later(case, verdict.earliest, reason)
    if step.at <= now:
        reason = sentences.trying_step(case, step.number)
        return Fire(TryKind.SCHEDULED, step.number, card, reason)
    return _later(case, step.at, sentences.planned(case, step.number, step.at))


def _chosen(case: Case, book: Book, card: Card | None, now: datetime, choose: Choose) -> Plan:
    """Keep a plan while its sight stays the same and the rules allow it; when its instant has come, make the try."""
    if not case.steps_left:
        return Wait(WaitingFor.CARD, sentences.exhausted(case))
    payment = asking.scheduled(case, book, card, now)
    sight = choosing.sight(case, book, card, payment)
    basis, plan = sight.mark, case.standing
    if plan is not None and (plan.at <= now or plan.basis == basis) and asking.stands(plan, payment):
        return _at(case, card, Choice(plan.at, plan.because), basis, now)
    verdict = allowed(payment, now)
    if isinstance(verdict, Forbidden):
        return _refused(verdict)
    earliest = max(verdict.earliest, case.not_before or now)
    if now >= case.resolve_by or earliest > verdict.latest:
        return Wait(WaitingFor.CARD, sentences.TOO_LATE)
    choice = choose(sight, replace(verdict, earliest=earliest))
    if choice is None:
        return Wait(WaitingFor.CARD, sentences.not_worth_it(case))
    at = min(max(choice.at, earliest), verdict.latest)  # the rules have the last word
    return _at(case, card, Choice(at, choice.reason), basis, now)


def _at(case: Case, card: Card | None, choice: Choice, basis: str, now: datetime) -> Plan:
    number = case.position + 1
    if choice.at <= now:
        return Fire(TryKind.SCHEDULED, number, card, sentences.trying_chosen(case, number, choice.reason))
    return Schedule(choice.at, sentences.chosen(case, number, choice.reason), basis, choice.reason)


def _refused(verdict: Forbidden) -> Plan:
    """Wait for whoever can change what the rules say; where nobody can, another card still may pay."""
    return Wait(verdict.whom or WaitingFor.CARD, verdict.reason)


def _later(case: Case, at: datetime, reason: str) -> Plan:
    if at >= case.resolve_by:
        return Wait(WaitingFor.CARD, sentences.TOO_LATE)
    return Schedule(at, reason)
