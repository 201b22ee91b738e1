"""The wire holds: what a decider may not say is refused, and what it says is carried out to the letter."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from .baselines import Scheduled, even, fixed
from .paths import Cause
from .play import BEYOND_WINDOW, DAY, NO_TRY_LEFT, Played, Policy, play
from .stream import EPOCH, KEPT_HOURS, Failure, Stream, Told, iso
from .wire import InProcess, Process, WireError
from .world import World, draw

Line = dict[str, Any]
WORLD = draw("us", 1)
POLICY = Policy()
BEGAN = EPOCH + 100 * DAY


def failure(
    number: int = 1, *, at: int = BEGAN, passes_from: float = float("inf"), code: str = "do_not_honor"
) -> Failure:
    """A failure whose tries pass from so many days after it on."""
    utc = (at - EPOCH) // 3600
    hours = np.arange(KEPT_HOURS)
    path = np.where(hours >= passes_from * 24, Cause.NONE, Cause.HELD).astype(np.uint8)
    case, who = f"c{number}", f"u{number}"
    wire = {
        "type": "failure", "at": iso(at), "case": case, "merchant": "m1", "customer": who, "instrument": f"k-{who}-1",
        "amount_minor": 999, "currency": "USD", "gateway": "stripe", "code": code, "advice": None,
        "network_code": None, "network_advice": None, "funding": "debit", "brand": "visa", "issuer": "bank-01",
        "country": "US", "timezone": "America/New_York",
    }  # fmt: skip
    hour = utc + int(WORLD.offsets[0, utc])
    return Failure(case, at, who, hour, 0, 0, path, float("inf"), 0.5, "visa", True, 999, wire)


def card_updated(at: int, number: int = 1) -> Told:
    """The customer of a failure gives a new card."""
    who = f"u{number}"
    return Told(at, {"type": "card_updated", "at": iso(at), "customer": who, "instrument": f"k-{who}-2"})


def played(
    decide: Callable[[Line], list[Line]],
    *failures: Failure,
    told: list[Told] | None = None,
    world: World = WORLD,
) -> Played:
    """Play these failures against a function that gives lines without their number."""
    number = 0

    def numbered(event: Line) -> list[Line]:
        nonlocal number
        number += 1
        return [{"line": number} | line for line in decide(event)]

    return play(Stream(world, list(failures), told or []), InProcess(numbered), POLICY)


def retry(at: float, case: str = "c1", **more: Any) -> Line:
    """An answer that plans a try."""
    return {
        "case": case,
        "action": "retry",
        "at": iso(at),
        "p": 0.4,
        "propensity": 1.0,
        "reason": "why",
    } | more


def stop(case: str = "c1") -> Line:
    """An answer that ends a case."""
    return {"case": case, "action": "stop", "reason": "why"}


def on_failure(*lines: Line) -> Callable[[Line], list[Line]]:
    """Say these lines after a failure and stop after each failed try."""

    def decide(event: Line) -> list[Line]:
        match event:
            case {"type": "failure"}:
                return list(lines)
            case {"type": "outcome", "success": False, "case": case}:
                return [stop(case)]
            case _:
                return []

    return decide


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "answered last, once"),
        ([stop(), stop()], "more than one answer"),
        ([stop("c2")], "answered last, once"),
        ([stop("c2"), stop()], "is no case"),
        ([stop() | {"line": 8}], "`line` is not 7"),
        ([stop() | {"action": "pause"}], "an unknown action"),
        ([stop() | {"reason": ""}], "no reason"),
        ([stop() | {"action": "wait", "for": "godot"}], "something unknown"),
        ([retry(BEGAN, p=1.2)], "not within 0 and 1"),
        ([retry(BEGAN, propensity=None)], "not within 0 and 1"),
        ([retry(BEGAN) | {"at": "2025-03-05T08:00:00"}], "no instant in UTC"),
        ([retry(BEGAN) | {"at": "soonZ"}], "no instant in UTC"),
        ([{"error": "what?"}], "a good line was refused"),
    ],
)
def test_a_breach_of_the_wire_is_refused_and_named(lines: list[Line], said: str) -> None:
    with pytest.raises(WireError) as caught:
        played(on_failure(*lines), failure())
    assert said in str(caught.value)


def test_a_case_that_was_stopped_is_heard_of_no_more() -> None:
    def decide(event: Line) -> list[Line]:
        return [stop()] if event["type"] in {"failure", "card_updated"} else []

    with pytest.raises(WireError, match="which is stopped"):
        played(decide, failure(), told=[card_updated(BEGAN + DAY)])


def test_a_try_is_made_at_the_planned_instant_and_passes_as_the_path_says() -> None:
    done = played(on_failure(retry(BEGAN + 2 * DAY + 90)), failure(passes_from=2))
    assert done.cases[0].recovered_at == BEGAN + 2 * DAY + 90
    assert [(charge.by, charge.success) for charge in done.charges] == [("renewal", False), ("retry", True)]


def test_a_try_before_the_path_passes_fails() -> None:
    done = played(on_failure(retry(BEGAN + 1.9 * DAY)), failure(passes_from=2))
    assert (done.cases[0].recovered_at, done.cases[0].tries) == (None, 1)


def test_a_plan_in_the_past_is_tried_now() -> None:
    done = played(on_failure(retry(BEGAN - DAY)), failure(passes_from=0))
    assert done.cases[0].recovered_at == BEGAN


def test_the_latest_plan_of_a_case_counts() -> None:
    def decide(event: Line) -> list[Line]:
        match event["type"]:
            case "failure":
                return [retry(BEGAN + 5 * DAY)]
            case "card_updated":
                return [retry(BEGAN + 3 * DAY)]
            case _:
                return []

    done = played(decide, failure(passes_from=1), told=[card_updated(BEGAN + DAY)])
    assert (done.cases[0].recovered_at, done.cases[0].tries) == (BEGAN + 3 * DAY, 1)


def test_a_plan_for_another_case_may_come_before_the_answer() -> None:
    def decide(event: Line) -> list[Line]:
        match event:
            case {"type": "failure", "case": "c1"}:
                return [retry(BEGAN + 9 * DAY)]
            case {"type": "failure"}:
                return [retry(BEGAN + 2 * DAY), stop("c2")]
            case _:
                return []

    done = played(decide, failure(passes_from=1), failure(2, at=BEGAN + DAY))
    assert [case.recovered_at for case in done.cases] == [BEGAN + 2 * DAY, None]


def test_a_plan_beyond_the_window_or_the_tries_is_refused_and_counted() -> None:
    def decide(event: Line) -> list[Line]:
        match event:
            case {"type": "failure", "case": "c2"}:
                return [retry(BEGAN + 15 * DAY, "c2")]
            case {"type": "failure" | "outcome", "case": case}:
                return [retry(BEGAN + DAY, case)]
            case _:
                return []

    done = played(decide, failure(), failure(2))
    assert [case.tries for case in done.cases] == [POLICY.max_tries, 0]
    assert done.refused == {NO_TRY_LEFT: 1, BEYOND_WINDOW: 1}


def test_fatigue_blocks_for_good_after_a_failed_retry_and_not_after_the_failure() -> None:
    world = draw("fatigue", 1)
    certain = World(world.setting, world.seed, {**world.odds, "fatigue": 1.0}, world.issuers, world.merchants)

    def after(*days: float) -> Callable[[Line], list[Line]]:
        left = [retry(BEGAN + day * DAY) for day in days]

        def decide(event: Line) -> list[Line]:
            if event["type"] == "failure" or (event["type"] == "outcome" and not event["success"]):
                return [left.pop(0) if left else stop()]
            return []

        return decide

    once = played(after(2), failure(passes_from=1), world=certain)
    again = played(after(0.5, 2), failure(passes_from=1), world=certain)
    assert [done.cases[0].recovered_at for done in (once, again)] == [BEGAN + 2 * DAY, None]


def test_a_schedule_waits_for_a_new_card_and_then_tries_at_once() -> None:
    renewed = failure(passes_from=4.5, code="expired_card")
    done = play(
        Stream(WORLD, [renewed], [card_updated(BEGAN + 5 * DAY)]),
        InProcess(Scheduled(fixed(), POLICY)),
        POLICY,
    )
    assert (done.cases[0].recovered_at, done.cases[0].tries) == (BEGAN + 5 * DAY, 1)


def test_a_schedule_never_tries_after_never_again() -> None:
    revoked = failure(passes_from=0, code="revocation_of_authorization")
    done = play(Stream(WORLD, [revoked], []), InProcess(Scheduled(fixed(), POLICY)), POLICY)
    assert [(case.state, case.tries) for case in done.cases] == [("stopped", 0)]


@pytest.mark.parametrize("tries", [1, 3, 8])
def test_even_tries_end_just_within_the_window(tries: int) -> None:
    policy = Policy(max_tries=tries)
    done = play(Stream(WORLD, [failure()], []), InProcess(Scheduled(even(policy), policy)), policy)
    at = [charge.at for charge in done.charges if charge.by == "retry"]
    assert len(at) == tries
    assert at[-1] == BEGAN + 14 * DAY - 3600
    assert not done.refused


PROCESS = """
import json, sys
number = 0
for text in sys.stdin:
    number += 1
    event = json.loads(text)
    said = {"line": number, "case": event.get("case"), "action": "stop", "reason": "why"}
    if event["type"] == "sync":
        said = {"line": number, "synced": True}
    elif event["type"] not in SAID:
        continue
    print(json.dumps(said), flush=True)
"""


def process(tmp_path: Path, *said: str) -> Process:
    """A decider of its own process that answers these events."""
    script = tmp_path / "decider.py"
    script.write_text(f"SAID = {json.dumps(said)}\n{PROCESS}")
    return Process([sys.executable, str(script)])


def test_a_process_is_asked_in_lockstep(tmp_path: Path) -> None:
    with process(tmp_path, "failure", "outcome") as decider:
        stream = Stream(WORLD, [failure(), failure(2)], [card_updated(BEGAN + DAY)])
        done = play(stream, decider, POLICY)
    assert [case.state for case in done.cases] == ["stopped", "stopped"]


def test_a_process_that_ends_too_early_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "decider.py"
    script.write_text("input()")
    with pytest.raises(WireError, match="ended"), Process([sys.executable, str(script)]) as decider:
        play(Stream(WORLD, [failure()], []), decider, POLICY)
