"""Nothing is decided by order: the same facts in any order, with any repetition, give the same case."""

from collections.abc import Callable, Sequence
from itertools import chain, permutations, repeat
from random import Random

import pytest
from hypothesis import given, settings, strategies as st

from recoup_events.values import (
    AttemptState,
    Attribution,
    CardChange,
    CaseState,
    FinalActionOutcome,
    InvoiceStatus,
    ReversalKind,
    SubscriptionStatus,
)
from recoup_retry_scheduler.cases.domain.facts import Fact

from .scheduler_life import NEW, OLD, T0, Life, card, days, hours, minutes


def picture(life: Life) -> object:
    """What must not depend on order: state, timer and ledger of every case."""
    return {
        case.bill.invoice_id: (
            *(case.state, case.waiting_for, case.next_try_at, case.resolve_by, case.failed_at, case.bill),
            *(case.card, case.verdict, case.recovered, case.wake),
            case.recovered_by or None,
            sorted(fact.fact_id for fact in life.book.failures_of(case.bill.invoice_id)),
            sorted(fact.fact_id for fact in life.book.successes_of(case.bill.invoice_id)),
        )
        for case in life.book.cases.values()
    }


def told(facts: Sequence[Fact]) -> object:
    life = Life()
    for fact in facts:
        life.tell(fact)
    return picture(life)


STORIES: dict[str, Callable[[Life], list[Fact]]] = {
    "hard failure, new card, its success": lambda life: [
        life.failed("expired_card"),
        life.gave(after=hours(1)),
        life.paid(card=NEW, by=Attribution.CUSTOMER, after=hours(1)),
    ],
    "soft failure, new card": lambda life: [life.failed(), life.gave(after=hours(1))],
    "hard failure, new card": lambda life: [life.failed("stolen_card"), life.gave(after=hours(1))],
    "soft failure, hard failure of the gateway's retry, success": lambda life: [
        life.failed(),
        life.failed("stolen_card", after=hours(3)),
        life.paid(after=hours(5)),
    ],
    "two failures and the removal of the card": lambda life: [
        life.failed(),
        life.failed("do_not_honor", after=hours(3)),
        life.gave(OLD, change=CardChange.REMOVED, after=hours(4)),
    ],
    "card session settling, declined": lambda life: [
        life.failed("expired_card"),
        life.gave(settling=["in_1"], after=hours(1)),
        life.failed("stolen_card", card=NEW, by=Attribution.CUSTOMER, after=hours(1)),
    ],
    "card session settling, paid": lambda life: [
        life.failed("expired_card"),
        life.gave(settling=["in_1"], after=hours(1)),
        life.paid(card=NEW, by=Attribution.CUSTOMER, after=hours(1)),
    ],
    "pay now pending, then declined": lambda life: [
        life.failed(),
        life.attempt(AttemptState.PENDING),
        life.failed("do_not_honor", by=Attribution.CUSTOMER, after=hours(1)),
    ],
    "the same card given twice, declined in between": lambda life: [
        life.failed("expired_card"),
        life.gave(after=hours(1)),
        life.failed(card=NEW, invoice="in_2", after=hours(2)),
        life.gave(after=hours(3)),
    ],
    "a session, then another one that still runs": lambda life: [
        life.failed("expired_card"),
        life.attempt(AttemptState.SENDING, after=hours(1)),
        life.attempt(AttemptState.NOT_SENT, after=hours(2)),
        life.gave(settling=["in_1"], after=hours(3)),
    ],
    "success, bank return, payable again": lambda life: [
        life.failed(),
        life.paid(after=hours(1)),
        life.back(ReversalKind.BANK_RETURN, payable=True, after=hours(2)),
    ],
    "success and dispute": lambda life: [
        life.failed(),
        life.paid(after=hours(1)),
        life.back(ReversalKind.DISPUTE, invoice=None, after=hours(2)),
    ],
    "void elsewhere": lambda life: [
        life.failed(),
        life.invoice(InvoiceStatus.VOID),
        life.gave(after=hours(1)),
    ],
    "cancelled elsewhere": lambda life: [
        life.failed(),
        life.subscription(SubscriptionStatus.CANCELED),
        life.failed("do_not_honor", after=hours(1)),
    ],
    "paid in two parts": lambda life: [
        life.failed(),
        life.paid(300, charge="ch_1", after=hours(1)),
        life.paid(700, charge="ch_2", after=hours(2)),
    ],
}


@pytest.mark.parametrize("story", STORIES)
def test_every_order_gives_the_same_case(story: str) -> None:
    facts = STORIES[story](Life())
    expected = told(facts)
    for order in permutations(facts):
        assert told(order) == expected, [type(fact).__name__ for fact in order]


@pytest.mark.parametrize("story", STORIES)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_repetition_in_any_order_changes_nothing(story: str, data: st.DataObject) -> None:
    facts = STORIES[story](Life())
    repeated = data.draw(st.permutations([*facts, *facts, *facts]))
    assert told(repeated) == told(facts)


@pytest.mark.parametrize("story", STORIES)
def test_one_batch_gives_the_same_as_one_by_one(story: str) -> None:
    facts = STORIES[story](Life())
    life = Life()
    life.tell(*facts)
    assert picture(life) == told(facts)


CODES = ["insufficient_funds", "expired_card", "stolen_card", "processing_error", "authentication_required"]


@st.composite
def _facts(draw: st.DrawFn) -> list[Fact]:
    """Failures, cards, successes and reversals of two invoices, at different instants."""
    life = Life()
    found: list[Fact] = [life.failed(draw(st.sampled_from(CODES)), invoice="in_1")]
    for number in range(1, draw(st.integers(1, 6))):
        at, invoice = minutes(number), draw(st.sampled_from(["in_1", "in_2"]))
        on = draw(st.sampled_from([OLD, NEW, card("third")]))
        by = draw(st.sampled_from([Attribution.GATEWAY, Attribution.CUSTOMER]))
        match draw(st.integers(0, 4)):
            case 0 | 1:
                found.append(
                    life.failed(draw(st.sampled_from(CODES)), invoice=invoice, card=on, by=by, after=at)
                )
            case 2:
                found.append(life.gave(on, after=at))
            case 3:
                found.append(
                    life.paid(invoice=invoice, charge=f"ch_{invoice}_{number}", card=on, by=by, after=at)
                )
            case _:
                found.append(life.gave(on, change=CardChange.REMOVED, after=at))
    return found


@given(_facts(), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_closed_is_closed_and_dead_is_dead_in_any_order(facts: list[Fact], chance: Random) -> None:
    """Planned tries may differ with the order, but not which invoices are settled, nor which cards are usable."""
    shuffled = list(facts)
    chance.shuffle(shuffled)
    lives = Life(), Life()
    for life, order in zip(lives, (facts, shuffled), strict=True):
        for fact in order:
            life.tell(fact)
    one, other = lives
    for case_id, case in one.book.cases.items():
        twin = other.book.cases[case_id]
        assert case.closed == twin.closed
        assert (case.failed_at, case.resolve_by, case.verdict) == (
            twin.failed_at,
            twin.resolve_by,
            twin.verdict,
        )
    for on in (OLD, NEW, card("third")):
        assert one.book.wallet.usable(on) == other.book.wallet.usable(on)


@given(_facts(), st.lists(st.integers(1, 100), max_size=6))
@settings(max_examples=300, deadline=None)
def test_whatever_happens_every_case_is_resolved_by_the_rules(facts: list[Fact], pauses: list[int]) -> None:
    """`Life.tell` holds every decision to the rules: usable cards, one try at a time, no end before the deadline."""
    life = Life()
    for fact, pause in zip(facts, chain(pauses, repeat(1)), strict=False):
        life.tell(fact)
        life.go(life.now - T0 + hours(pause))
    for _ in range(60):
        for case in life.open():
            if case.trying is not None:
                life.decline(invoice=case.bill.invoice_id)
            elif case.state is CaseState.ENDING:
                life.tell(life.final(FinalActionOutcome.DONE, invoice=case.bill.invoice_id))
        life.go(life.now - T0 + days(0.5))
    assert life.open() == []
