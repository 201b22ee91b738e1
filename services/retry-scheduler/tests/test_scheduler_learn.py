"""`learn` and `models`: a log is taken as `decide` takes it; versions stay, and one of them is active."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recoup_retry_scheduler.rehearsal import models, rows, stream
from recoup_retry_scheduler.rehearsal.decide import Decider
from recoup_retry_scheduler.rehearsal.logbook import Logbook
from recoup_retry_scheduler.rehearsal.models import About
from recoup_retry_scheduler.rehearsal.rows import Bad, Row
from recoup_retry_scheduler.rehearsal.wire import read
from recoup_retry_scheduler.smart.attempts import Writer
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.mind import Customer, Mind
from recoup_retry_scheduler.smart.refit import losses
from recoup_retry_scheduler.smart.tables import Failing

from .scheduler_command import Command
from .scheduler_decide import Line, at, card, failure, outcome, success

CODES = (
    "insufficient_funds",
    "do_not_honor",
    "processing_error",
    "card_velocity_exceeded",
    "try_again_later",
)
ANY_TIME: Line = {
    "type": "policy", "merchant": "m1", "mode": "custom", "max_tries": 15, "window_days": 60, "min_gap_hours": 0,
    "steps_days": [0] * 15,
}  # fmt: skip
"""Under which every outcome is one of a planned try."""


def happened(
    seed: int, cases: int, *, passing: float = 0.4, then: tuple[int, float] = (9999, 0)
) -> Iterator[Line]:
    """Give what happens to some customers, in the order of time.

    Args:
        passing: share of the tries.
        then: the case from which on it is another.
    """
    chance = np.random.default_rng(seed)
    told: list[tuple[float, Line]] = []
    for number in range(cases):
        hours, who, case = 31.0 * number, int(chance.integers(cases // 4)), f"c{number}"
        about: Line = {
            "customer": f"u{who}", "instrument": f"k{who}", "country": ("US", "DE", None)[who % 3],
            "timezone": ("America/New_York", "Europe/Berlin", None)[who % 3], "funding": ("debit", "credit")[who % 2],
            "brand": "amex",
        }  # fmt: skip
        told.append((hours, failure(hours, case, code=str(chance.choice(CODES)), **about)))
        told.append((hours - 3, {"type": "payment", "at": at(hours - 3), "customer": f"u{who}"}))
        if chance.random() < 0.2:
            told.append((hours + 5, card(hours + 5, f"k{who}-{number}", f"u{who}")))
        if chance.random() < 0.2:
            says = {"type": "customer_payday", "at": at(hours + 6), "customer": f"u{who}", "day_of_month": 15}
            told.append((hours + 6, says))
        for tries in range(int(chance.integers(1, 5))):
            hours += float(chance.integers(20, 90)) + tries / 10
            if chance.random() < (passing if number < then[0] else then[1]):
                told.append((hours, success(hours, case)))
                break
            told.append((hours, outcome(hours, case, str(chance.choice(CODES)))))
    yield from (line for _, line in sorted(told, key=lambda one: one[0]))


def booked(*lines: Line) -> tuple[Logbook, list[str]]:
    """Write lines into a log; give what was refused."""
    book = Logbook()
    given: list[Row | Bad] = [Row(number, read(json.dumps(line))) for number, line in enumerate(lines, 1)]
    return book, [f"{bad.line}: {bad.why}" for bad in book.take(given)]


def text(*lines: Line) -> str:
    return "".join(f"{json.dumps(line)}\n" for line in lines)


class Watched(Mind):
    """A mind that notes what it is to learn from, and expects of it."""

    def __init__(self) -> None:
        super().__init__(Weights.prior())
        self.told: list[tuple[Failing, float, bool]] = []
        self.losses: list[float] = []

    def learn(self, failing: Failing, customer: Customer, at: float, *, passed: bool) -> None:
        self.weights = Weights.prior()
        before = customer.surprise
        super().learn(failing, customer, at, passed=passed)
        self.told.append((replace(failing, lot=None), at, passed))
        self.losses.append(-float(np.log(1 - abs(customer.surprise - before))))


class Noted(Writer):
    """A log that notes its attempts."""

    told: list[tuple[Failing, float, bool]]

    def attempt(self, person: int, failing: Failing, at: float, *, passed: bool) -> None:
        self.told.append((failing, at, passed))
        super().attempt(person, failing, at, passed=passed)


# --- what a log says ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_log_is_taken_as_decide_takes_it(seed: int) -> None:
    lines, mind, writer = list(happened(seed, 120)), Watched(), Noted()
    writer.told = []
    decider = Decider(mind)
    for number, line in enumerate([ANY_TIME, *lines]):
        assert not [answer for answer in decider.hear(json.dumps(line), number) if "error" in answer]
    book = Logbook(_writer=writer)
    assert list(book.take(Row(0, read(json.dumps(line))) for line in lines)) == []
    assert len(writer.told) == book.attempts > 150
    assert writer.told == mind.told
    # A log knows the country of a customer from the first; decide may have believed in another before it was told.
    assert losses(book.log(), Weights.prior()) == pytest.approx(mind.losses, abs=5e-3)


def test_a_table_and_json_lines_are_the_same_log() -> None:
    told, file = list(happened(4, 40)), io.StringIO()
    table = csv.DictWriter(file, sorted({name for line in told for name in line}))
    table.writeheader()
    table.writerows(told)
    books = [booked(*told)[0], Logbook()]
    given = io.BufferedReader(io.BytesIO(file.getvalue().encode()))
    assert list(books[1].take(rows.read(given, {}))) == []
    one, other = (book.log().events for book in books)
    assert np.array_equal(one, other)


def test_what_cannot_be_taken_is_told_why() -> None:
    refused = booked(
        failure(), outcome(20), outcome(20), outcome(5), success(40), outcome(50), outcome(60, "c9"), failure(70),
        failure(30, "c2"), failure(80, "c3"), outcome(80 + 24 * 181, "c3"), card(90), card(85),
        {"type": "customer_payday", "at": at(10), "customer": "u1", "weekday": 1},
    )[1]  # fmt: skip
    assert refused == [
        "3: at: an outcome of this instant or a later one was told",
        "4: at: an outcome of this instant or a later one was told",
        "6: case: it is over",
        "7: case: no failure of it is told",
        "8: case: it was opened before",
        "9: at: later things of this customer were told before; a log is in the order of time",
        "11: case: it was not heard of for too long",
        "13: at: a newer card of this customer is known",
        "14: at: later things of this customer were told before; a log is in the order of time",
    ]


def test_policies_are_passed_over_and_what_never_reached_a_bank_teaches_nothing() -> None:
    never = {"code": "idempotency_key_in_use", "gateway": "stripe"}
    book, refused = booked(ANY_TIME, {"type": "sync"}, failure(), outcome(5, **never), outcome(9))
    assert refused == []
    assert book.attempts == len(book.log().attempts) == 1


# --- versions -------------------------------------------------------------------------------------------------


def about(version: int, **told: Any) -> About:
    usual = {"source": "log", "attempts": 90, "held_out": 10, "before": 0.5, "after": 0.4}
    return About(version=version, made_at=datetime(2026, 3, 1, tzinfo=UTC), **(usual | told))


def test_a_log_becomes_a_version_that_decide_and_rehearse_load(run: Command, tmp_path: Path) -> None:
    log, folder = tmp_path / "log.jsonl", tmp_path / "models"
    log.write_text(text(*happened(1, 200, passing=0.85)))
    done = run("learn", str(log), "--models", str(folder))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Learnt from ")
    assert models.active(folder) == 1
    (kept,) = models.listed(folder)
    assert kept.after < kept.before
    assert kept.source == "log.jsonl"
    assert kept.attempts == stream.load(models.active_file(folder)).seen
    assert kept.held_out == (kept.attempts + kept.held_out) // 10
    told = text(failure(), {"type": "sync"})
    assert run("rehearse", "-", "--model", str(folder), told=text(failure())).code == 0
    assert run("decide", "--model", str(folder), "--frozen", told=told).code == 0
    refused = run("decide", "--model", str(folder), told=told)
    assert (refused.code, "--frozen is wanted" in refused.err) == (2, True)
    assert [path.name for path in sorted(folder.iterdir())] == ["000001.json", "000001.npz", "active"]


def test_a_version_that_foretells_worse_is_kept_and_not_made_active(run: Command, tmp_path: Path) -> None:
    log, folder = tmp_path / "log.jsonl", tmp_path / "models"
    log.write_text(text(*happened(1, 200, passing=0.85)))
    run("learn", str(log), "--models", str(folder))
    log.write_text(text(*happened(2, 240, passing=0, then=(180, 0.85))))
    done = run("learn", str(log), "--models", str(folder))
    assert done.out.endswith("Kept as version 2. It foretells worse and is not made active; --use does so.\n")
    assert "with version 1.\n" in done.out
    assert models.active(folder) == 1
    _, second = models.listed(folder)
    assert second.after > second.before
    run("models", str(folder), "--use", "2")
    assert models.active(folder) == 2


def test_versions_are_listed_and_one_is_gone_back_to(run: Command, tmp_path: Path) -> None:
    for version in (1, 2):
        assert models.reserve(tmp_path) == version
        models.keep(tmp_path, Weights.prior(), about(version))
    models.use(tmp_path, 2)
    listed = run("models", str(tmp_path)).out.splitlines()
    assert listed[1:] == [
        "        1  2026-03-01 00:00:00          90        10   0.50000   0.40000  log",
        "*       2  2026-03-01 00:00:00          90        10   0.50000   0.40000  log",
    ]
    back = run("models", str(tmp_path), "--use", "1").out.splitlines()
    assert [line[0] for line in back[1:]] == ["*", " "]
    assert models.active_file(tmp_path).name == "000001.npz"


def test_a_version_that_is_not_whole_is_none_and_its_number_is_not_given_again(tmp_path: Path) -> None:
    assert models.reserve(tmp_path) == 1
    assert models.listed(tmp_path) == []
    (tmp_path / "000007.json").write_text("{}")
    (tmp_path / "000008.json").write_text(about(9).model_dump_json())
    assert models.listed(tmp_path) == []
    assert models.reserve(tmp_path) == 2
    with pytest.raises(models.NoVersion, match=r"there is no version 1$"):
        models.use(tmp_path, 1)
    models.keep(tmp_path, Weights.prior(), about(2))
    (tmp_path / "000002.npz").write_text("cut off")
    with pytest.raises(stream.OtherModel):
        models.use(tmp_path, 2)
    assert models.active(tmp_path) is None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["learn", "-", "--models", "{}"], 1, "-: at least 10 attempts are wanted, and 1 could be read"),
        (["learn", "{}/none", "--models", "{}"], 1, "{}/none: No such file or directory"),
        (["models", "{}/none"], 1, "{}/none: there is no such directory"),
        (["models", "{}", "--use", "3"], 1, "{}: there is no version 3"),
        (["rehearse", "-", "--model", "{}"], 1, "{}: no version is active"),
        (["decide", "--frozen", "--model", "{}"], 1, "{}: no version is active"),
        (["learn", "-"], 2, "--models"),
        (["learn", "-", "--models", "{}/file"], 1, "{}/file: File exists"),
    ],
)
def test_what_cannot_be_is_told(
    run: Command, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "file").touch()
    done = run(*(one.format(tmp_path) for one in arguments), told=text(failure(), outcome(20)))
    assert done.code == code
    assert said.format(tmp_path) in done.err


def test_a_pointer_that_names_no_version_is_told(run: Command, tmp_path: Path) -> None:
    (tmp_path / "active").write_text("latest")
    assert run("models", str(tmp_path)).err == f"{tmp_path / 'active'} names no version; --use sets it\n"
    (tmp_path / "active").write_text("000004")
    done = run("decide", "--frozen", "--model", str(tmp_path))
    assert done.err == f"{tmp_path}: version 4 is active, and is not there\n"
