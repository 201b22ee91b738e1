"""What is believed of customers: where their bank is, what a frozen mind still learns, what a model keeps of them."""

from pathlib import Path

import numpy as np
import pytest

from recoup_retry_scheduler.rehearsal import stream
from recoup_retry_scheduler.rehearsal.customers import Customers
from recoup_retry_scheduler.rehearsal.decide import LONGEST_SILENCE, Decider
from recoup_retry_scheduler.smart import paydays
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.mind import Mind

from .scheduler_decide import Stream, at, failure, outcome, policy

PAYDAY = {"type": "customer_payday", "customer": "u1", "day_of_month": 13}


def belief(of: Stream, name: str = "u1") -> np.ndarray:
    """What is believed of a customer, as a model would keep it."""
    person = of.decider.learnt().find(name)
    assert person is not None
    return person.mind.belief


def payment(hours: float, customer: str = "u1") -> dict[str, str]:
    return {"type": "payment", "at": at(hours), "customer": customer, "instrument": "k1"}


def test_a_customer_who_paid_before_a_failure_told_their_country_is_of_that_country() -> None:
    late, early = Stream(), Stream()
    late.tell(policy("smart"), payment(-24), failure())
    early.tell(policy("smart"), failure(-48, case="c0", code="issuer_not_available"), payment(-24), failure())
    monthly = np.array([cycle.name == "monthly" for cycle in paydays.CYCLES])
    assert belief(late)[monthly].sum() > 0.75 > paydays.prior(None)[monthly].sum()
    assert abs(belief(late) - belief(early)).max() < 0.03


def test_a_country_is_learnt_once() -> None:
    of = Stream()
    of.tell(policy("smart"), payment(-24), failure())
    before = belief(of).copy()
    of.tell(failure(case="c2", country="US", code="issuer_not_available"))
    assert belief(of) == pytest.approx(before)


def test_a_frozen_mind_learns_of_customers_and_nothing_else() -> None:
    mind = Mind(frozen=True)
    of = Stream(Decider(mind))
    of.tell(policy("smart"), failure())
    before = belief(of).copy()
    answer = of.one(outcome(75))
    assert answer["propensity"] == 1
    assert abs(belief(of) - before).max() > 0.001
    mind.weights.learn()
    assert mind.weights.version == 0


def test_a_model_keeps_when_customers_are_paid_and_not_their_names(tmp_path: Path) -> None:
    one = Stream()
    one.tell(policy("smart"), PAYDAY | {"at": at(-1)}, failure(customer="somebody@example.org"))
    model = tmp_path / "model"
    stream.save(model, Weights.prior(), one.decider.learnt())
    assert b"somebody" not in model.read_bytes()
    other = Stream(Decider(Mind(stream.load(model)), stream.load_customers(model)))
    assert "payday on the 13th" in other.one(policy("smart", max_tries=1), failure())["reason"]
    kept = other.decider.learnt()
    assert kept.find("somebody@example.org") is not None
    assert kept.find("u1") is not None
    assert kept.find("nobody") is None


def test_a_model_without_customers_knows_none(tmp_path: Path) -> None:
    stream.save(tmp_path / "model", Weights.prior())
    assert stream.load_customers(tmp_path / "model").find("u1") is None


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("customers", np.zeros((1, 16))),
        ("customers", np.zeros((2, 16), np.uint8)),
        ("beliefs", np.full((1, len(paydays.CYCLES)), np.nan)),
        ("beliefs", np.zeros((1, len(paydays.CYCLES)))),
        ("pasts", np.array([[0.0, np.inf, 0.0]])),
        ("located", np.zeros((3,), bool)),
    ],
)
def test_customers_who_cannot_be_are_no_model(name: str, wrong: np.ndarray) -> None:
    of = Stream()
    of.tell(failure())
    arrays = of.decider.learnt().arrays()
    assert Customers.of(arrays).find("u1") is not None
    with pytest.raises(ValueError, match=r"customers|belief"):
        Customers.of(arrays | {name: wrong})


def test_an_instant_in_the_far_future_is_refused_and_makes_nothing_late() -> None:
    of = Stream()
    of.tell(failure())
    told = of.one(payment(24 * LONGEST_SILENCE.days + 1, "u2"))
    assert told["error"] == "at: at most 1000 days after the latest instant heard"
    assert of.one(outcome(24))["at"] == at(72)
