"""`decide` as a program: its lines, what it refuses, its model, and the example in its document."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recoup_retry_scheduler.rehearsal import stream, wire
from recoup_retry_scheduler.rehearsal.decide import Decider
from recoup_retry_scheduler.smart.learning import Weights

from .scheduler_decide import Line, Stream, failure, outcome, policy

DOCUMENT = Path(__file__).parents[3] / "docs/decide.md"


def said(text: str) -> list[str]:
    """Give what a stream answers to some text."""
    answers = io.BytesIO()
    stream.run(Decider(), io.BytesIO(text.encode()), answers)
    return answers.getvalue().decode().splitlines()


def block(name: str) -> str:
    """Give a block of the document by the mark above it."""
    return DOCUMENT.read_text().partition(f"<!-- {name} -->\n```\n")[2].partition("```")[0]


def test_the_documents_example_is_what_is_answered() -> None:
    answered = said(block("in"))
    assert len(answered) == 5
    assert [json.loads(line) for line in block("out").splitlines()] == [json.loads(line) for line in answered]


@pytest.mark.parametrize("model", [wire.Policy, *wire.Event.__args__])
def test_the_document_names_every_field(model: type[wire.Policy]) -> None:
    kind = model.model_fields["type"].annotation.__args__[0]  # type: ignore[union-attr]  # a Literal
    (row,) = re.findall(rf"^\| `{kind}` \|.*$", DOCUMENT.read_text(), re.MULTILINE)
    required = {name for name, field in model.model_fields.items() if field.is_required()} - {"type"}
    assert set(re.findall(r"\*\*(\w+)\*\*", row)) == required
    assert [name for name in model.model_fields if name not in row and name != "type"] == []


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("{", "not JSON"),
        ("", "not JSON"),
        ("null", "Input should be an object"),
        ('{"type":"chargeback"}', f"type: {wire._TYPES} is wanted"),
        ('{"case":"c1"}', f"type: {wire._TYPES} is wanted"),
        (failure(case=""), "case: String should have at least 1 character"),
        (failure(at="2026-02-03T09:00:00"), "at: Input should have timezone info"),
        (failure(at="1999-12-31T00:00:00Z"), "at: an instant of 2000 to 2099 is wanted"),
        (failure(at="9999-12-31T23:59:59Z"), "at: an instant of 2000 to 2099 is wanted"),
        (outcome(1, success="false"), "success: Input should be a valid boolean"),
        (policy(max_tries=16), "max_tries: 0 to 15 is possible; the nearest is 15"),
        (policy(max_tries=-1), "max_tries: 0 to 15 is possible; the nearest is 0"),
        (policy(window_days=0.5), "window_days: 1 to 60 is possible; the nearest is 1"),
        (policy(window_days=61), "window_days: 1 to 60 is possible; the nearest is 60"),
        (policy(min_gap_hours=-2), "min_gap_hours: 0 to 336 is possible; the nearest is 0"),
        (policy(window_days=1, min_gap_hours=25), "min_gap_hours: 0 to 24 is possible; the nearest is 24"),
        (policy(steps_days=[3, 1]), "steps_days, which go up: 3 to 14 is possible; the nearest is 3"),
        (
            '{"type":"policy","merchant":"m1","window_days":NaN}',
            "window_days: 1 to 60 is possible; the nearest is 1",
        ),
        (
            {"type": "customer_payday", "at": "2026-02-03T09:00:00Z", "customer": "u1"},
            "day_of_month, weekday or date: one is wanted",
        ),
    ],
)
def test_a_bad_line_is_refused_by_its_field_and_the_stream_goes_on(line: Line | str, error: str) -> None:
    talk = Stream()
    assert talk.one(line) == {"error": error, "line": 2}
    assert talk.one(failure())["action"] == "retry"


def test_a_refused_policy_leaves_the_one_before_it() -> None:
    talk = Stream()
    talk.tell(policy(steps_days=[2]), policy(steps_days=[1], max_tries=99))
    assert talk.one(failure())["at"] == "2026-02-05T09:00:00Z"


@pytest.mark.parametrize("field", ["type", "at", "case", "code", "timezone", "amount_minor"])
def test_an_error_never_repeats_what_was_sent(field: str) -> None:
    answer = Stream().one(failure() | {field: "SECRET" * 1000})
    assert "SECRET" not in answer["error"]
    assert len(answer["error"]) <= wire.LONGEST_ERROR


@pytest.mark.parametrize(
    "missing", ["code", "gateway", "brand", "country", "timezone", "funding", "amount_minor"]
)
def test_what_is_missing_or_null_is_unknown(missing: str) -> None:
    told = failure() | {"unheard_of": {"deep": []}}
    assert Stream().one(told | {missing: None})["action"] == "retry"
    told.pop(missing, None)
    assert Stream().one(told)["action"] == "retry"


@pytest.mark.parametrize("zone", ["Nowhere/City", "../../etc/passwd", "Europe", "x" * 200, "\x00"])
def test_a_zone_that_nobody_knows_is_utc(zone: str) -> None:
    assert Stream().one(policy("smart"), failure(timezone=zone))["action"] == "retry"


def test_a_line_that_is_too_long_is_passed_over() -> None:
    long = json.dumps(failure(unheard_of="x" * wire.LONGEST_LINE))
    answers = [json.loads(line) for line in said(f'{long}\n{{"type":"sync"}}\n')]
    assert answers == [
        {"error": "a line of at most 65536 bytes is wanted", "line": 1},
        {"line": 2, "synced": True},
    ]


def test_bytes_that_are_no_text_are_refused() -> None:
    answers = io.BytesIO()
    stream.run(Decider(), io.BytesIO(b'{"type":"\xff\xfe"}\n'), answers)
    assert "error" in json.loads(answers.getvalue())


def test_weights_are_kept_and_given_back(tmp_path: Path) -> None:
    weights = Weights.prior()
    weights.mean[0] = 0.5
    stream.save(tmp_path / "model", weights)
    again = stream.load(tmp_path / "model")
    assert np.array_equal(again.mean, weights.mean)
    assert np.array_equal(again.precision, weights.precision)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_file_that_is_no_model_is_told(tmp_path: Path) -> None:
    for text in ("", "nothing", "PK\x03\x04 cut off"):
        (tmp_path / "model").write_text(text)
        with pytest.raises(stream.OtherModel):
            stream.load(tmp_path / "model")


@pytest.mark.slow
def test_the_program_answers_line_by_line_and_keeps_its_model(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "recoup_retry_scheduler.cli",
        "decide",
        "--model",
        str(tmp_path / "model"),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for line in (failure(), {"type": "sync"}):
            program.stdin.write(f"{json.dumps(line)}\n")
            program.stdin.flush()
            assert json.loads(program.stdout.readline())["line"] in {1, 2}
        program.stdin.close()
        assert program.wait(timeout=60) == 0
    assert stream.load(tmp_path / "model").seen == 0
    (tmp_path / "model").write_text("nothing")
    told = subprocess.run(command, check=False, capture_output=True, text=True, input="")
    assert told.returncode == 1
    assert "no model" in told.stderr
