"""What follows from what a gateway says, in whatever order it says it. No database here."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from recoup_events.values import Attribution, CardChange, FailureNature, ReversalKind, SettledBy
from recoup_gateway_adapter.facts.domain.facts import (
    CardChanged,
    Circumstances,
    Fact,
    Join,
    JoinKind,
    PaymentFailed,
    PaymentReversed,
    PaymentSucceeded,
)
from recoup_gateway_adapter.facts.domain.follow import follow
from recoup_gateway_adapter.facts.domain.merge import merge
from recoup_gateway_adapter.facts.domain.needs import NeedCharge, NeedLink, NeedPayments, needs
from recoup_gateway_adapter.facts.domain.records import Kind, Known
from recoup_gateway_adapter.gateways.stripe.events import observations_of_event

Body = dict[str, Any]


@dataclass
class Desk:
    """Hears webhooks one after the other, as the service does in as many transactions."""

    known: Known = field(default_factory=Known)
    facts: list[Fact] = field(default_factory=list)
    waits: set[Join] = field(default_factory=set)
    attempts: dict[str, Any] = field(default_factory=dict)
    choosing: frozenset[str] = frozenset()

    def hear(self, *events: Body) -> "Desk":
        for event in events:
            concerned = merge(self.known, observations_of_event(event))
            around = Circumstances(attempts=self.attempts, choosing=self.choosing)
            self._note(follow(self.known, concerned, around))
        return self

    def settle(self) -> "Desk":
        """Nothing more comes, and the gateway knows no more."""
        for join in sorted(self.waits):
            around = Circumstances(attempts=self.attempts, settle=frozenset({join}))
            self._note(follow(self.known, {(kind, join.subject) for kind in Kind}, around))
        return self

    def _note(self, out: Any) -> None:
        self.facts += out.facts
        self.waits = (self.waits | out.waits) - out.done

    def of(self, kind: type[Fact]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


@dataclass
class OurAttempt:
    """One of our own, as attribution sees it."""

    customer_present: bool = False
    try_id: UUID | None = None


def told(events: Sequence[Body]) -> list[Fact]:
    return Desk().hear(*events).facts


def test_three_webhooks_about_one_decline_are_one_failure_in_any_order_and_however_often(either: Any) -> None:
    link = either.event("invoice_payment.paid", either.link())
    seen = [*either.failure(), link]
    expected = told(seen)

    assert [type(fact) for fact in expected] == [PaymentFailed]
    for order in itertools.permutations(seen):
        assert told(order) == expected
        assert told([*order, *order]) == expected
        assert told([event for event in order for _ in range(5)]) == expected


def test_a_failed_renewal_says_all_that_the_scheduler_needs(either: Any) -> None:
    desk = Desk().hear(*either.failure(), either.event("invoice_payment.paid", either.link()))

    (fact,) = desk.of(PaymentFailed)
    assert (fact.identity, fact.charge_id, fact.payment_intent_id) == ("ch_1", "ch_1", "pi_1")
    assert (fact.nature, fact.attributed_to) == (FailureNature.RENEWAL, Attribution.GATEWAY)
    assert (fact.invoice.invoice_id, fact.invoice.invoice.subscription_id) == ("in_1", "sub_1")
    assert (fact.amount.minor, fact.amount.currency) == (1999, "EUR")
    assert (fact.decline.code, fact.decline.advice) == ("insufficient_funds", "try_again_later")
    assert (fact.decline.network_code, fact.decline.network_advice) == ("51", "03")
    assert (fact.instrument.instrument_id, fact.instrument.fingerprint) == ("pm_1", "fp_1")


def test_a_failure_and_its_success_and_a_new_card_give_the_same_facts_in_every_order(either: Any) -> None:
    paid = either.paid_charge(created=2_000_000_000)
    seen = [
        either.event("charge.failed", either.charge()),
        either.event("invoice.payment_failed", either.invoice()),
        either.event("charge.succeeded", paid),
        either.event("invoice.paid", either.paid_invoice(), created=2_000_000_001),
        either.event("payment_method.attached", either.card()),
        either.event("invoice_payment.paid", either.link()),
    ]

    expected = {repr(fact).partition("invoice=")[0] for fact in told(seen)}
    assert len(expected) == 3
    for order in itertools.permutations(seen):
        assert {repr(fact).partition("invoice=")[0] for fact in told(order)} == expected


def test_a_modern_charge_waits_until_somebody_says_what_it_pays(modern: Any) -> None:
    desk = Desk().hear(modern.event("charge.failed", modern.charge()))

    assert desk.facts == []
    assert desk.waits == {Join(JoinKind.CHARGE, "ch_1")}
    assert needs(desk.known, Join(JoinKind.CHARGE, "ch_1")) == [NeedLink("pi_1", "ch_1")]


def test_an_old_invoice_names_its_charge_which_is_then_asked_for(old: Any) -> None:
    desk = Desk().hear(old.event("invoice.payment_failed", old.invoice()))

    assert desk.facts == []
    assert needs(desk.known, Join(JoinKind.FAILURE, "in_1:1")) == [NeedCharge("ch_1")]


def test_a_modern_invoice_asks_which_payment_failed(modern: Any) -> None:
    desk = Desk().hear(modern.event("invoice.payment_failed", modern.invoice()))

    assert needs(desk.known, Join(JoinKind.FAILURE, "in_1:1")) == [NeedPayments("in_1")]


def test_where_the_gateway_knows_no_charge_the_failed_collection_is_told_by_itself(modern: Any) -> None:
    desk = Desk().hear(modern.event("invoice.payment_failed", modern.invoice())).settle()

    (fact,) = desk.of(PaymentFailed)
    assert (fact.identity, fact.charge_id, fact.nature) == ("in_1:1", None, FailureNature.RENEWAL)


def test_a_charge_that_turns_up_after_its_failure_was_told_brings_its_code_once(modern: Any) -> None:
    desk = Desk().hear(modern.event("invoice.payment_failed", modern.invoice())).settle()

    late = modern.event("invoice_payment.paid", modern.link()), modern.event("charge.failed", modern.charge())
    desk.hear(*late).hear(*late)

    without, with_it = desk.of(PaymentFailed)
    assert (without.identity, without.decline.code) == ("in_1:1", None)
    assert (with_it.identity, with_it.decline.code) == ("in_1:1:ch_1", "insufficient_funds")


def test_that_a_try_waits_for_the_customer_is_told_when_it_is_heard_after_the_failure_once(
    modern: Any,
) -> None:
    failed = modern.event("invoice.payment_failed", modern.invoice())
    desk = Desk().hear(failed).settle()

    late = modern.event("invoice.payment_action_required", modern.invoice(), created=failed["created"] - 2)
    desk.hear(late).hear(late)

    without, with_it = desk.of(PaymentFailed)
    assert (without.identity, without.decline.code) == ("in_1:1", None)
    assert (with_it.identity, with_it.decline.code) == ("in_1:1:authentication", "authentication_required")
    assert with_it.decline.requires_authentication
    assert without.at == with_it.at


def test_a_failure_told_with_its_code_is_not_told_again(old: Any) -> None:
    desk = Desk().hear(
        old.event("payment_intent.payment_failed", old.intent(old.charge())),
        old.event("invoice.payment_failed", old.invoice()),
    )
    desk.settle().hear(old.event("charge.failed", old.charge()))

    assert len(desk.of(PaymentFailed)) == 1


@pytest.mark.parametrize(
    ("changes", "nature"),
    [
        ({}, FailureNature.RENEWAL),
        ({"billing_reason": "manual"}, FailureNature.RENEWAL),
        ({"billing_reason": "subscription_create"}, FailureNature.SETUP_UNFINISHED),
        ({"collection_method": "send_invoice"}, FailureNature.OVERDUE),
    ],
)
def test_only_a_finalised_automatic_invoice_is_a_renewal(
    old: Any, changes: Body, nature: FailureNature
) -> None:
    charge = old.event("charge.failed", old.charge())
    desk = Desk().hear(charge, old.event("invoice.updated", old.invoice(**changes)))

    assert [fact.nature for fact in desk.of(PaymentFailed)] == [nature]


def test_a_first_invoice_that_made_its_subscription_fall_behind_is_a_renewal(old: Any) -> None:
    invoice = old.invoice(billing_reason="subscription_create")
    desk = Desk().hear(
        old.event("customer.subscription.updated", old.subscription()),
        old.event("invoice.payment_failed", invoice),
        old.event("charge.failed", old.charge()),
    )

    assert [fact.nature for fact in desk.of(PaymentFailed)] == [FailureNature.RENEWAL]


def test_a_draft_invoice_opens_nothing_until_it_is_seen_finalised(old: Any) -> None:
    desk = Desk().hear(old.event("invoice.created", old.invoice(status="draft"), created=1))
    desk.hear(old.event("charge.failed", old.charge()))
    assert desk.facts == []

    desk.hear(old.event("invoice.finalized", old.invoice(), created=2))

    assert [fact.nature for fact in desk.of(PaymentFailed)] == [FailureNature.RENEWAL]


def test_a_charge_without_an_invoice_is_told_without_one(old: Any) -> None:
    (fact,) = told([old.event("charge.failed", old.charge(invoice=None, payment_intent=None))])

    assert isinstance(fact, PaymentFailed)
    assert (fact.nature, fact.invoice) == (FailureNature.STANDALONE, None)


def test_a_guest_has_a_customer_of_their_own_so_that_the_try_still_counts(old: Any) -> None:
    (fact,) = told([old.event("charge.failed", old.charge(customer=None, invoice=None))])

    assert fact.customer_id == "guest:ch_1"


@pytest.mark.parametrize(
    ("request_", "attributed"),
    [
        ({"id": None, "idempotency_key": None}, Attribution.GATEWAY),
        ({"id": "req_1", "idempotency_key": "theirs"}, Attribution.MERCHANT),
        ({"id": "req_1", "idempotency_key": None}, Attribution.MERCHANT),
        ("req_1", Attribution.MERCHANT),
        (None, Attribution.GATEWAY),
        ({"id": "req_1", "idempotency_key": "ours"}, Attribution.RECOUP),
        ({"id": "req_1", "idempotency_key": "ours-on-the-page"}, Attribution.CUSTOMER),
    ],
)
def test_a_charge_is_attributed_by_the_request_that_made_it(
    old: Any, request_: Any, attributed: Attribution
) -> None:
    attempts = {"ours": OurAttempt(try_id=uuid4()), "ours-on-the-page": OurAttempt(customer_present=True)}
    desk = Desk(attempts=attempts).hear(
        old.event("invoice.updated", old.invoice()),
        old.event("charge.failed", old.charge(), request=request_),
    )

    assert [fact.attributed_to for fact in desk.of(PaymentFailed)] == [attributed]


def test_a_stored_charge_decides_its_attribution_before_any_request(old: Any) -> None:
    attempt = OurAttempt(try_id=uuid4())
    desk = Desk(attempts={"ch_1": attempt}).hear(*old.failure())

    (fact,) = desk.of(PaymentFailed)
    assert (fact.attributed_to, fact.try_id) == (Attribution.RECOUP, attempt.try_id)


def test_our_tries_that_make_no_charge_are_facts_of_their_own(modern: Any) -> None:
    """The gateway's attempt count does not rise with them."""
    first = modern.event("invoice.payment_failed", modern.invoice(), request={"idempotency_key": "ours:1"})
    second = modern.event("invoice.payment_failed", modern.invoice(), request={"idempotency_key": "ours:2"})

    desk = Desk().hear(first, second).settle()

    assert [fact.identity for fact in desk.of(PaymentFailed)] == ["in_1:ours:1", "in_1:ours:2"]


def test_an_authentication_asked_for_on_our_page_is_no_failure(modern: Any) -> None:
    asked = modern.event(
        "invoice.payment_action_required", modern.invoice(), request={"idempotency_key": "ours"}
    )
    desk = Desk(attempts={"ours": OurAttempt(customer_present=True)}).hear(asked).settle()

    assert desk.facts == []


def test_a_renewal_that_needs_the_customer_says_so(modern: Any) -> None:
    desk = Desk().hear(modern.event("invoice.payment_action_required", modern.invoice())).settle()

    (fact,) = desk.of(PaymentFailed)
    assert (fact.decline.requires_authentication, fact.decline.code) == (True, "authentication_required")


def test_an_invoice_paid_out_of_band_is_settled_without_a_charge(old: Any) -> None:
    (fact,) = told(
        [old.event("invoice.paid", old.paid_invoice(None, paid_out_of_band=True, payment_intent=None))]
    )

    assert isinstance(fact, PaymentSucceeded)
    assert (fact.settled_by, fact.charge_id, fact.amount.minor) == (SettledBy.OUT_OF_BAND, None, 1999)


def test_an_invoice_of_nothing_is_no_payment(either: Any) -> None:
    nothing = either.paid_invoice(None, amount_due=0, amount_paid=0, total=0, payment_intent=None)

    assert told([either.event("invoice.paid", nothing)]) == []


def test_an_invoice_settled_by_credit_says_so(old: Any) -> None:
    (fact,) = told(
        [old.event("invoice.paid", old.paid_invoice(None, amount_due=0, amount_paid=0, payment_intent=None))]
    )

    assert isinstance(fact, PaymentSucceeded)
    assert (fact.settled_by, fact.amount.minor) == (SettledBy.CREDIT, 1999)


def test_an_authorisation_is_no_payment_until_it_is_captured(old: Any) -> None:
    desk = Desk().hear(
        old.event("invoice.updated", old.invoice()),
        old.event("charge.succeeded", old.paid_charge(captured=False)),
    )
    assert desk.of(PaymentSucceeded) == []

    desk.hear(old.event("charge.captured", old.paid_charge(), created=2_000_000_000))

    assert [fact.charge_id for fact in desk.of(PaymentSucceeded)] == ["ch_2"]


def test_a_pending_bank_debit_is_told_when_the_bank_has_spoken(old: Any) -> None:
    pending = old.paid_charge("py_1", status="pending", paid=False, captured=True)
    desk = Desk().hear(old.event("invoice.updated", old.invoice()), old.event("charge.pending", pending))
    assert desk.facts == []

    desk.hear(old.event("charge.failed", old.charge("py_1"), created=2_000_000_000))

    assert [fact.charge_id for fact in desk.of(PaymentFailed)] == ["py_1"]


def test_a_debit_that_comes_back_after_its_success_is_a_bank_return(old: Any) -> None:
    desk = Desk().hear(
        old.event("invoice.updated", old.invoice()),
        old.event("charge.succeeded", old.paid_charge("py_1")),
        old.event("charge.failed", old.charge("py_1"), created=2_000_000_000),
    )

    (fact,) = desk.of(PaymentReversed)
    assert (fact.kind, fact.payable_again) == (ReversalKind.BANK_RETURN, True)
    assert desk.of(PaymentFailed) == []


def test_a_refund_is_told_once_by_whichever_webhook_brings_it(either: Any) -> None:
    refund = {"id": "re_1", "object": "refund", "amount": 500, "currency": "eur", "charge": "ch_2"}
    refund |= {"created": 1_772_400_000, "status": "succeeded"}
    refunds = {} if either.modern else {"refunds": {"object": "list", "data": [refund]}}
    refunded = either.paid_charge(amount_refunded=500, **refunds)
    seen = [
        either.event("invoice.updated", either.invoice()),
        either.event("invoice_payment.paid", either.link()),
        either.event("charge.refunded", refunded, created=2_000_000_000),
        either.event("charge.refund.updated", refund, created=2_000_000_001),
    ]
    for order in itertools.permutations(seen):
        (fact,) = Desk().hear(*order).of(PaymentReversed)
        assert (fact.reversal_id, fact.amount.minor, fact.invoice_id) == ("re_1", 500, "in_1")
        assert fact.customer_id == "cus_1"


@pytest.mark.parametrize(
    ("status", "told_"), [("needs_response", 1), ("lost", 1), ("warning_needs_response", 0), ("won", 0)]
)
def test_a_dispute_that_takes_the_money_is_a_reversal_and_an_inquiry_is_not(
    old: Any, status: str, told_: int
) -> None:
    dispute = {"id": "dp_1", "object": "dispute", "amount": 1999, "currency": "eur", "charge": "ch_2"}
    dispute |= {"created": 1_772_400_000, "status": status, "reason": "fraudulent"}
    desk = Desk().hear(
        old.event("invoice.updated", old.invoice()),
        old.event("charge.succeeded", old.paid_charge()),
        old.event("charge.dispute.created", dispute),
    )

    assert len(desk.of(PaymentReversed)) == told_


@pytest.mark.parametrize(
    ("kind", "changes", "previous", "change"),
    [
        ("payment_method.attached", {}, None, CardChange.ADDED),
        ("payment_method.detached", {"customer": None}, {"customer": "cus_1"}, CardChange.REMOVED),
        ("payment_method.automatically_updated", {}, {}, CardChange.NETWORK_UPDATED),
        ("payment_method.updated", {}, {"card": {"exp_year": 2026}}, CardChange.NETWORK_UPDATED),
        ("payment_method.updated", {}, {"billing_details": {"email": "a@b.c"}}, None),
    ],
)
def test_what_happened_to_a_card_follows_from_the_event(
    modern: Any, kind: str, changes: Body, previous: Body | None, change: CardChange | None
) -> None:
    facts = told([modern.event(kind, modern.card(**changes), previous=previous)])

    assert [fact.change for fact in facts if isinstance(fact, CardChanged)] == ([change] if change else [])


def test_a_removed_card_never_comes_back(modern: Any) -> None:
    added = modern.event("payment_method.attached", modern.card())
    removed = modern.event("payment_method.detached", modern.card(), created=2_000_000_000)

    in_order, late = Desk().hear(added, removed), Desk().hear(removed, added)
    assert [fact.change for fact in in_order.of(CardChanged)] == [CardChange.ADDED, CardChange.REMOVED]
    assert [fact.change for fact in late.of(CardChanged)] == [CardChange.REMOVED]


def test_a_mandate_that_was_revoked_removes_its_instrument(modern: Any) -> None:
    mandate = {"id": "mandate_1", "object": "mandate", "payment_method": "pm_2", "status": "inactive"}
    desk = Desk().hear(
        modern.event("payment_method.attached", modern.card()),
        modern.event("mandate.updated", mandate, created=2_000_000_000),
    )

    assert [fact.change for fact in desk.of(CardChanged)] == [CardChange.ADDED, CardChange.REMOVED]


def test_a_new_card_waits_while_our_own_page_is_open(modern: Any) -> None:
    desk = Desk(choosing=frozenset({"cus_1"})).hear(modern.event("payment_method.attached", modern.card()))
    assert desk.facts == []

    desk.settle()

    assert [fact.change for fact in desk.of(CardChanged)] == [CardChange.ADDED]


def test_a_setup_mode_checkout_is_no_payment(modern: Any) -> None:
    session = {"id": "cs_1", "object": "checkout.session", "mode": "setup", "status": "complete"}

    assert told([modern.event("checkout.session.completed", session)]) == []


def test_a_failure_of_a_customer_never_seen_asks_who_they_are(old: Any) -> None:
    desk = Desk().hear(*old.failure())

    assert desk.waits == {Join(JoinKind.CUSTOMER, "cus_1"), Join(JoinKind.SUBSCRIPTION, "sub_1")}


def test_a_failure_told_without_its_invoice_is_told_by_the_invoice_when_that_turns_up(old: Any) -> None:
    desk = Desk().hear(old.event("charge.failed", old.charge())).settle()
    assert [fact.nature for fact in desk.of(PaymentFailed)] == [FailureNature.UNKNOWN]

    desk.hear(old.event("invoice.payment_failed", old.invoice())).settle()

    facts = [(fact.identity, fact.nature) for fact in desk.of(PaymentFailed)]
    assert facts == [("ch_1", FailureNature.UNKNOWN), ("in_1:1", FailureNature.RENEWAL)]


def test_an_intent_whose_charge_nobody_shows_tells_what_it_knows(modern: Any) -> None:
    failed = modern.event("payment_intent.payment_failed", modern.intent(modern.charge()))
    (fact,) = Desk().hear(failed).settle().of(PaymentFailed)

    assert (fact.identity, fact.nature, fact.decline.code) == (
        "ch_1",
        FailureNature.UNKNOWN,
        "insufficient_funds",
    )
