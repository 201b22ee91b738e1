"""`decide`: what it answers to what it is told."""

from typing import Any

import pytest

from recoup_retry_scheduler.rehearsal.decide import Decider
from recoup_retry_scheduler.rehearsal.memory import FORGOTTEN_AFTER
from recoup_retry_scheduler.smart.mind import Choice, Customer, Mind
from recoup_retry_scheduler.smart.tables import Failing

from .scheduler_decide import Line, Stream, at, card, failure, outcome, policy, success


def planned(answer: Line) -> str:
    """Give the instant of a try."""
    assert answer["action"] == "retry", answer
    instant: str = answer["at"]
    return instant


def test_a_failure_gets_the_first_step() -> None:
    answer = Stream().one(failure())
    assert answer == {
        "line": 2,
        "case": "c1",
        "action": "retry",
        "at": at(24),
        "p": 0.3,
        "propensity": 1.0,
        "reason": "Step 1 of 3 in mode custom.",
    }


@pytest.mark.parametrize(
    ("told", "hours"),
    [
        (policy("fixed"), [24, 72, 168]),
        (policy("fixed", steps_days=[2]), [24, 72, 168]),
        (policy("custom", steps_days=[2, 2.5]), [48, 60]),
        (policy("even", max_tries=4, window_days=8), [48, 96, 144, 192]),
        (policy("even", max_tries=0), []),
        (policy("custom", max_tries=2), [24, 72]),
        (policy("custom", window_days=4), [24, 72]),
        (policy("custom", steps_days=[0.1], min_gap_hours=5), [5]),
    ],
)
def test_a_ladder_has_its_steps_and_no_more(told: Line, hours: list[float]) -> None:
    stream = Stream()
    answer = stream.one(told, failure())
    for hour in hours:
        assert planned(answer) == at(hour)
        answer = stream.one(outcome(hour))
    assert answer["action"] != "retry"


def test_the_mind_chooses_within_what_is_allowed() -> None:
    answer = Stream().one(policy("smart"), failure())
    assert at(10) <= planned(answer) <= at(14 * 24)
    assert 0 < answer["p"] < 1


class Witness(Mind):
    """A mind that notes what it is asked about and what it is taught."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Failing] = []
        self.taught: list[Failing] = []

    def choose(self, failing: Failing, customer: Customer, **within: Any) -> Choice | None:
        self.asked.append(failing)
        return super().choose(failing, customer, **within)

    def learn(self, failing: Failing, customer: Customer, at: float, *, passed: bool) -> None:
        self.taught.append(failing)
        super().learn(failing, customer, at, passed=passed)


def test_a_try_teaches_about_the_case_that_it_was_planned_for() -> None:
    mind = Witness()
    stream = Stream(Decider(mind))
    answer = stream.one(policy("smart"), failure())
    while answer["action"] == "retry":
        answer = stream.one(outcome(0) | {"at": answer["at"]})
    assert len(mind.taught) == 3
    assert mind.taught == mind.asked


def test_a_policy_holds_for_the_failures_that_follow() -> None:
    stream = Stream()
    stream.tell(failure(), policy("custom", steps_days=[2]))
    assert planned(stream.one(outcome(24))) == at(72)
    assert planned(stream.one(failure(25, "c2", instrument="k9"))) == at(25 + 48)


def test_a_charge_by_others_uses_no_try() -> None:
    stream = Stream()
    assert planned(stream.one(failure(), outcome(3))) == at(24)
    assert planned(stream.one(outcome(24))) == at(72)


def test_a_success_ends_a_case_and_needs_no_answer() -> None:
    stream = Stream()
    assert stream.tell(failure(), success(24)) == []
    assert stream.tell(success(25)) == []
    assert stream.one(outcome(26)) == {"error": "case: it has been paid", "line": 5}


def test_a_success_that_comes_before_its_failure_ends_the_case_too() -> None:
    stream = Stream()
    assert stream.tell(success(1)) == []
    assert stream.one(failure())["action"] == "stop"
    assert stream.one(failure(5, "c2", code="expired_card"))["action"] == "wait"


@pytest.mark.parametrize(
    ("code", "awaited"),
    [
        ("expired_card", "card_updated"),
        ("authentication_required", "customer_authentication"),
        ("fraudulent", "card_updated"),
    ],
)
def test_a_code_that_forbids_waits_for_who_can_help(code: str, awaited: str) -> None:
    answer = Stream().one(failure(code=code))
    assert (answer["action"], answer["for"]) == ("wait", awaited)


def test_a_new_card_is_tried_at_once_and_uses_a_try() -> None:
    stream = Stream()
    stream.tell(policy(max_tries=1), failure(code="expired_card"))
    assert planned(stream.one(card(5))) == at(5)
    assert stream.one(outcome(5))["action"] == "stop"


def test_nothing_more_is_told_of_a_case_that_was_stopped() -> None:
    stream = Stream()
    assert stream.one(policy(max_tries=1), failure(), outcome(24))["action"] == "stop"
    assert stream.tell(card(25)) == []


def test_a_ladder_without_a_step_waits_for_another_card() -> None:
    stream = Stream()
    told = stream.one(policy("custom", steps_days=[1]), failure(), outcome(24))
    assert (told["action"], told["for"]) == ("wait", "card_updated")
    assert planned(stream.one(card(30))) == at(30)


def test_the_same_card_told_again_changes_nothing() -> None:
    stream = Stream()
    assert stream.tell(failure(), card(5, "k1")) == []
    assert stream.tell(failure(6, "c2"), card(7, "k2"), card(8, "k2")) == []


def test_an_older_update_than_the_newest_card_is_refused() -> None:
    answer = Stream().one(failure(), card(8, "k3"), card(5, "k2"))
    assert answer["error"] == "at: a newer card of this customer is known"


def test_an_update_that_the_last_charge_knew_changes_nothing() -> None:
    assert Stream().tell(failure(6, code="expired_card"), card(5)) == []


def test_a_card_that_was_told_late_may_have_been_charged_already() -> None:
    stream = Stream()
    stream.tell(failure(6), card(5), outcome(30, code="processing_error"))
    answers = stream.tell(failure(31, "c2", code="stolen_card"), card(31))
    assert {answer["case"]: planned(answer) for answer in answers} == {"c1": at(78), "c2": at(31)}


def test_a_card_that_was_tried_before_has_its_gap() -> None:
    stream = Stream()
    stream.tell(policy(steps_days=[0.1, 0.2]), failure(), card(1))
    assert planned(stream.one(outcome(1))) == at(11)
    assert planned(stream.one(card(2, "k1"))) == at(10)


def test_a_try_that_is_under_way_is_waited_for_before_a_new_card_is_tried() -> None:
    stream = Stream()
    stream.tell(failure())
    assert planned(stream.one(card(24.1))) == at(34)
    assert planned(stream.one(outcome(24, code="expired_card"))) == at(
        24.1
    )  # the old card's: the new one is free


def test_what_is_under_way_is_not_planned_anew() -> None:
    stream = Stream()
    stream.tell(policy("smart"))
    due = planned(stream.one(failure()))
    told: Line = {"type": "payment", "at": due, "customer": "u1"}
    assert stream.tell(told) == []


def test_a_dead_card_is_dead_for_every_case_of_its_merchant() -> None:
    stream = Stream()
    stream.tell(failure(), failure(1, "c2"), failure(1, "c3", merchant="m2"))
    others, own = stream.tell(outcome(2, code="stolen_card"))
    assert (others["case"], others["action"], others["for"]) == ("c2", "wait", "card_updated")
    assert (own["case"], own["action"]) == ("c1", "wait")
    assert stream.one(failure(3, "c4"))["action"] == "wait"
    assert stream.one(failure(3, "c5", merchant="m2"))["action"] == "retry"


def test_a_limit_that_another_case_fills_puts_off_what_was_planned() -> None:
    stream = Stream()
    stream.tell(policy(window_days=60), *(failure(number, f"c{number}") for number in range(14)))
    answers = stream.tell(failure(14, "c14"))
    assert [answer["case"] for answer in answers][-1] == "c14"
    assert len(answers) == 15
    assert {planned(answer) for answer in answers} == {at(30 * 24)}


def test_a_decline_of_a_new_card_is_not_laid_on_the_old_one() -> None:
    stream = Stream()
    stream.tell(failure(), card(5), outcome(5, code="stolen_card"))
    assert planned(stream.one(failure(6, "c2"))) == at(30)


def test_what_may_have_been_another_card_lifts_nothing() -> None:
    stream = Stream()
    stream.tell(failure(code="authentication_required"), card(1), card(2, "k1"))
    assert stream.one(outcome(3))["for"] == "customer_authentication"
    assert stream.one(outcome(4, code="expired_card"))["for"] == "card_updated"


def test_what_may_have_been_another_card_puts_off_but_never_forward() -> None:
    stream = Stream()
    stream.tell(policy(steps_days=[0.1]), failure(), card(1), card(2, "k1"))
    assert planned(stream.one(outcome(3, code="processing_error"))) == at(10)
    assert planned(stream.one(outcome(4))) == at(14)


# --- twice, late, unknown -----------------------------------------------------------------------------------


def test_a_line_that_comes_twice_is_answered_as_it_was_and_counts_once() -> None:
    stream = Stream()
    first = stream.one(failure())
    assert stream.one(failure()) == first | {"line": 3}
    second = stream.one(outcome(24))
    assert stream.one(outcome(24)) == second | {"line": 5}
    assert planned(stream.one(outcome(72))) == at(168)


def test_a_case_is_opened_once() -> None:
    stream = Stream()
    assert stream.one(failure(), failure(3))["error"] == "case: it was opened before"
    assert stream.one(success(4), failure(0)) == {"error": "case: it is over", "line": 5}


def test_an_outcome_of_a_case_that_nobody_knows_is_answered() -> None:
    answer = Stream().one(outcome(3))
    assert (answer["action"], answer["case"]) == ("stop", "c1")


def test_an_outcome_that_comes_late_counts_and_the_later_one_decides() -> None:
    stream = Stream()
    stream.tell(failure(), outcome(24, code="authentication_required"))
    assert stream.one(outcome(3))["for"] == "customer_authentication"
    assert stream.one(outcome(4, code="lost_card"))["for"] == "card_updated"


def test_nothing_is_planned_before_the_latest_instant_heard() -> None:
    stream = Stream()
    stream.tell(failure(100, "c9", customer="u9", instrument="k9"))
    assert planned(stream.one(failure(0))) == at(100)


def test_a_payment_told_twice_counts_once() -> None:
    stream = Stream()
    told: Line = {"type": "payment", "at": at(3), "customer": "u1", "instrument": "k1"}
    stream.tell(policy("smart"), failure(), told)
    assert stream.tell(told) == []


def test_a_payday_moves_a_plan_and_says_so() -> None:
    stream = Stream()
    before = planned(stream.one(policy("smart"), failure()))
    told: Line = {"type": "customer_payday", "at": at(1), "customer": "u1", "date": "2026-02-12"}
    assert planned(stream.one(told)) != before


def test_who_has_no_open_case_needs_no_answer() -> None:
    stream = Stream()
    assert stream.tell(card(1), {"type": "payment", "at": at(2), "customer": "u7"}) == []


def test_sync_is_answered() -> None:
    assert Stream().one({"type": "sync"}) == {"line": 2, "synced": True}


def test_what_is_not_heard_of_for_long_is_forgotten_but_for_bans() -> None:
    stream = Stream()
    late = FORGOTTEN_AFTER.total_seconds() / 3600 + 30
    stream.tell(*(failure(0, f"c{n}", customer=f"u{n}", instrument=f"k{n}") for n in range(20)))
    stream.tell(outcome(1, "c3", code="stolen_card"))
    stream.tell(*(failure(late, f"d{n}", customer=f"v{n}", instrument=f"l{n}") for n in range(20)))
    decider = stream.decider
    assert [len(kept) for kept in (decider._cases, decider._people, decider._credentials)] == [20, 20, 20]
    assert stream.one(outcome(late, "c1"))["reason"] == "This case is not known, or no longer."
    assert stream.one(failure(late, "c99", instrument="k3"))["action"] == "wait"
    assert stream.one(failure(0, "c1"))["error"] == "case: it is over"
