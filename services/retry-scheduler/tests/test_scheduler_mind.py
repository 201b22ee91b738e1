"""The mind behind the service's cases: what it believes of a customer, and what it says; loaded by those who use it."""

import subprocess
import sys
from datetime import UTC, datetime
from uuid import UUID

import pytest

from recoup_declines import DeclineClass
from recoup_events.values import RecoveryMode, TryKind
from recoup_retry_scheduler.cases import mind
from recoup_retry_scheduler.cases.domain.case import Policy
from recoup_retry_scheduler.cases.domain.choosing import Choose, Sight
from recoup_retry_scheduler.cases.domain.facts import Card, Charge
from recoup_retry_scheduler.rules import codes, verdict as rules
from recoup_retry_scheduler.rules.verdict import Last
from recoup_retry_scheduler.smart.paydays import CYCLES

from .scheduler_life import T0, Life, days, hours, minutes

FUNDS = DeclineClass.INSUFFICIENT_FUNDS
FRIDAY = datetime(2026, 3, 6, 15, tzinfo=UTC)
US = Card("pm_us", brand="visa", funding="debit", country="US", fingerprint="fp_us")


@pytest.fixture(scope="module")
def choose() -> Choose:
    """The service's own chooser."""
    return mind.chooser()


def charge(number: int, at: datetime, declined: DeclineClass | None = None, invoice: str = "") -> Charge:
    return Charge(at, UUID(int=number), invoice or f"in_{number}", declined, "debit")


def sight(*past: Charge, zone: str = "UTC") -> Sight:
    return Sight(FUNDS, "debit", "US", zone, T0, T0, 1, 3, past)


def test_whoever_passes_on_fridays_is_believed_to_be_paid_then() -> None:
    told = mind.customer_of(
        sight(*(charge(week, FRIDAY - days(7 * week)) for week in range(8, 0, -1)), charge(9, T0, FUNDS))
    )
    fridays = sum(belief for cycle, belief in zip(CYCLES, told.belief, strict=True) if cycle.of[:1] == (4,))
    unknown = mind.customer_of(sight())
    before = sum(belief for cycle, belief in zip(CYCLES, unknown.belief, strict=True) if cycle.of[:1] == (4,))
    assert fridays > before
    assert told.passed_at == pytest.approx((FRIDAY - days(7)).timestamp() / 3600)


def test_retries_that_pass_are_the_customer_s_own_doing() -> None:
    failed = charge(1, T0 - days(40), FUNDS, "in_1")
    good = mind.customer_of(sight(failed, charge(2, T0 - days(39), None, "in_1")))
    bad = mind.customer_of(sight(failed, charge(2, T0 - days(39), FUNDS, "in_1")))
    assert good.effect > 0 > bad.effect
    assert mind.customer_of(sight(failed)).effect == 0


def test_a_choice_is_allowed_and_says_why_in_the_merchant_s_time(choose: Choose) -> None:
    declined = Last(T0, codes.read("stripe", "visa", Life().failed().verdict))
    policy = rules.Policy(max_tries=3, window=days(14), min_gap=hours(10))
    instants = rules.allowed(
        rules.Payment(policy, "stripe", "visa", "US", T0, 0, 1, declined, None, ()), now=T0
    )
    assert isinstance(instants, rules.Allowed)
    chosen = choose(sight(zone="America/New_York"), instants)
    assert chosen is not None
    assert instants.earliest <= chosen.at <= instants.latest
    assert " %" in chosen.reason
    assert chosen.reason.endswith(" (time of America/New_York)")
    assert choose(sight(zone="America/New_York"), instants) == chosen


def test_a_case_goes_its_way_with_the_mind(choose: Choose) -> None:
    life = Life(policy=Policy(mode=RecoveryMode.SMART), choose=choose)
    life.tell(*(life.paid(invoice=f"in_0{n}", charge=f"ch_0{n}", after=days(-30 * n)) for n in (1, 2, 3)))
    life.tell(life.failed(card=US))
    planned = life.case().next_try_at
    assert planned is not None
    assert T0 + hours(10) <= planned <= T0 + days(14)
    assert "; try 1 of 3: " in life.case().reason
    life.go(planned - T0 + minutes(1))
    assert life.asked().asked.kind is TryKind.SCHEDULED
    life.decline()
    life.go(days(16))
    assert 1 <= len(life.tries()) <= 3


def test_a_service_without_merchants_in_mode_smart_loads_no_numpy() -> None:
    seen = "import sys, recoup_retry_scheduler.app; print('numpy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"
