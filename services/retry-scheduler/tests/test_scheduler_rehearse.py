"""`rehearse`: what a policy would have planned, from files as people have them; nothing is promised of it."""

import io
import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from recoup_retry_scheduler.rehearsal import rows, wire
from recoup_retry_scheduler.rehearsal.rehearse import BEFORE, SUPPOSED, History, Rehearsed, rehearse
from recoup_retry_scheduler.rehearsal.rows import Bad, Row
from recoup_retry_scheduler.smart.learning import Weights

from .scheduler_command import Command
from .scheduler_decide import START, Line, Stream, at, card, failure, outcome, policy, success

DOCUMENT = Path(__file__).parents[3] / "docs/rehearse.md"
FORECASTS = ("expect", "lift", "would recover", "would have recovered", "recovery rate")


def read(text: str | bytes, **names: str) -> list[Row | Bad]:
    raw = text if isinstance(text, bytes) else text.encode()
    return list(rows.read(io.BufferedReader(io.BytesIO(raw)), names))


def lines(*told: Line) -> str:
    return "".join(f"{json.dumps(one)}\n" for one in told)


def rehearsed(*told: Line, mode: str = "custom", **bounds: object) -> list[Rehearsed]:
    history = History()
    assert list(history.take(read(lines(*told)))) == []
    asked = wire.Policy(type="policy", merchant="any", mode=mode, **bounds)  # type: ignore[arg-type]  # tests name them
    return [one for one in rehearse(history, asked, Weights.prior()) if isinstance(one, Rehearsed)]


def days(one: Rehearsed, schedule: str) -> list[float]:
    return [(tried.at - one.failure.at) / timedelta(days=1) for tried in one.plans[schedule].tries]


def block(name: str) -> str:
    """Give a block of the document by the mark above it."""
    return DOCUMENT.read_text().partition(f"<!-- {name} -->\n```\n")[2].partition("```")[0]


# --- what is planned ----------------------------------------------------------------------------------------


def test_a_policy_stands_beside_fixed_and_even_tries_within_its_bounds() -> None:
    (one,) = rehearsed(failure(), steps_days=[2, 5], window_days=12)
    assert list(one.plans) == ["custom", "fixed", "even"]
    assert [days(one, name) for name in one.plans] == [[2, 5], [1, 3, 7], [4, 8, 12]]
    assert [plan.ended_by for plan in one.plans.values()] == ["no_step", "max_tries", "max_tries"]
    (one,) = rehearsed(failure(), mode="even", max_tries=2)
    assert list(one.plans) == ["even", "fixed"]
    assert days(one, "fixed") == [1, 3]


@pytest.mark.parametrize("mode", ["smart", "custom", "even"])
@pytest.mark.parametrize(
    "told", [failure(), failure(network_advice="27", brand="mastercard"), failure(brand="amex")]
)
def test_it_plans_what_decide_answers_when_each_try_fails_with_the_same_code(mode: str, told: Line) -> None:
    (one,) = rehearsed(told, mode=mode)
    stream, answered = Stream(), []
    answer = stream.one(policy(mode), told)
    while answer["action"] == "retry":
        answered.append(datetime.fromisoformat(answer["at"]))
        hours = (answered[-1] - START) / timedelta(hours=1)
        answer = stream.one(outcome(hours, network_advice=told.get("network_advice")))
    assert [tried.at for tried in one.plans[mode].tries] == answered
    assert one.plans[mode].reason == answer["reason"]


@pytest.mark.parametrize(
    ("told", "rule", "ends", "awaited"),
    [
        (failure(code="expired_card"), "needs_new_card", "wait", "card_updated"),
        (
            failure(code="authentication_required"),
            "needs_customer_authentication",
            "wait",
            "customer_authentication",
        ),
        (failure(network_code="43"), "visa_category_1", "wait", "card_updated"),
    ],
)
def test_a_rule_that_forbids_is_told_with_whom_it_waits_for(
    told: Line, rule: str, ends: str, awaited: str
) -> None:
    (one,) = rehearsed(told)
    plan = one.plans["custom"]
    assert (plan.tries, plan.begins, plan.ends, plan.waits_for, plan.ended_by) == (
        [],
        ends,
        ends,
        awaited,
        rule,
    )
    assert [bite.rule for bite in plan.bites] == [rule]


def test_a_rule_that_puts_off_is_told_with_its_instant() -> None:
    (one,) = rehearsed(failure(brand="mastercard", network_advice="27"), steps_days=[1, 6])
    first = one.plans["custom"].tries[0].at
    assert [(bite.rule, bite.until) for bite in one.plans["custom"].bites][:1] == [("mastercard_wait", first)]
    assert days(one, "custom") == [4, 8]
    assert one.plans["even"].bites == []


def test_a_failure_knows_what_was_told_before_it_and_nothing_later() -> None:
    stolen = failure(code="stolen_card")
    early, late = rehearsed(failure(-24, "c0"), stolen | {"case": "c1"})
    assert early.plans["custom"].begins == "retry"
    late_too = rehearsed(stolen, failure(24, "c2"))[1]
    assert (late.plans["custom"].begins, late_too.plans["custom"].begins) == ("wait", "wait")
    (one,) = rehearsed(failure(), card(5))
    assert days(one, "custom") == [1, 3, 7]


def test_what_was_really_done_is_shown_beside_and_moves_no_plan_of_its_case() -> None:
    alone, (one,) = (
        rehearsed(failure(), mode="smart"),
        rehearsed(failure(), outcome(20), success(40), mode="smart"),
    )
    assert [told.success for told in one.really] == [False, True]
    assert one.plans == alone[0].plans


def test_of_many_earlier_events_the_newest_count() -> None:
    paid = [
        {"type": "payment", "at": at(number - BEFORE - 9), "customer": "u1"} for number in range(BEFORE + 5)
    ]
    history = History()
    assert list(history.take(read(lines(failure(), *paid)))) == []
    before = history.before(history.failures[0])
    assert len(before) == BEFORE
    assert before[-1].line == BEFORE + 6


def test_no_order_of_lines_matters() -> None:
    told = [
        failure(),
        failure(200, "c2"),
        outcome(30),
        {"type": "payment", "at": "2026-02-10T09:00:00Z", "customer": "u1"},
    ]
    assert [one.plans for one in rehearsed(*told, mode="smart")] == [
        one.plans for one in rehearsed(*reversed(told), mode="smart")
    ]


def test_the_weights_stand_still() -> None:
    weights, history = Weights.prior(), History()
    assert list(history.take(read(lines(*(failure(n, f"c{n}") for n in range(20)))))) == []
    asked = wire.Policy(type="policy", merchant="any")
    assert len(list(rehearse(history, asked, weights))) == 20
    assert (weights.version, weights._waiting) == (0, [])


def test_a_failure_whose_tries_no_line_could_tell_is_skipped() -> None:
    history = History()
    assert list(history.take(read(lines(failure(at="2099-12-30T09:00:00Z"))))) == []
    asked = wire.Policy(type="policy", merchant="any")
    assert list(rehearse(history, asked, Weights.prior())) == [
        Bad(1, "at: its tries would be made after 2099")
    ]


# --- files as people have them --------------------------------------------------------------------------------


def failures(those: Iterable[Row | Bad]) -> list[wire.Failure]:
    return [one.told for one in those if isinstance(one, Row) and isinstance(one.told, wire.Failure)]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "header", ["at,case,network_code,note", "AT,Case,Network Code,Note", " at ,CASE,network-code,x"]
)
def test_a_table_is_read_by_its_header(mark: str, delimiter: str, header: str) -> None:
    text = f'{mark}{header}\r\n2026-02-03T09:00:00Z,c1,51,"zwei\nZeilen"\r\n2026-02-03 10:00+01:00,,,\r\n'
    first, second = failures(read(text.replace(",", delimiter)))
    assert (first.case, first.network_code, second.case, second.network_code) == ("c1", "51", "line 4", None)
    assert first.at == second.at == START


def test_json_lines_and_a_table_tell_the_same() -> None:
    header = "at,case,customer,instrument,merchant,gateway,code,amount_minor"
    table = f"{header}\n2026-02-03T09:00:00Z,c1,u1,k1,m1,stripe,x,5\n"
    line = {
        "at": "2026-02-03T09:00:00Z",
        "case": "c1",
        "customer": "u1",
        "instrument": "k1",
        "merchant": "m1",
    }
    assert failures(read(table)) == failures(
        read(lines(line | {"gateway": "stripe", "code": "x", "amount_minor": 5}))
    )


def test_columns_of_other_names_are_named() -> None:
    (told,) = failures(
        read("Created,Decline Code\n2026-02-03T09:00:00Z,expired_card\n", at="created", code="decline code")
    )
    assert told.code == "expired_card"


@pytest.mark.parametrize(
    ("text", "names", "why"),
    [
        (
            "case,when\nc1,x\n",
            {},
            "no column `at`, when a payment failed; its columns are: case, when. Name it",
        ),
        ("at,case\n", {"code": "reason"}, "no column is called reason; its columns are: at, case"),
        ("at,at\n", {}, "two columns are for `at`"),
        (b"\xff\xfea\x00t\x00,\x00c\x00\n\x00", {}, "neither JSON lines nor CSV in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_told_why(text: str | bytes, names: dict[str, str], why: str) -> None:
    with pytest.raises(rows.NoTable, match=f"^{why}"):
        read(text, **names)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("yesterday,c1,5,", "at: Input should be a valid datetime, input is too short"),
        ("2026-02-03T09:00:00,c1,5,", "at: Input should have timezone info"),
        ("2026-02-03T09:00:00Z,c1,5.99,", "amount_minor: Input should be a valid integer"),
        ("2026-02-03T09:00:00Z,c1", "4 cells are wanted, as in the header, and not 2"),
        (",c1,5,", "at: Field required"),
        (f"2026-02-03T09:00:00Z,{'c' * 201},,", "case: String should have at most 200 characters"),
        ("2026-02-03T09:00:00Z,c\udcff,5,", "not UTF-8"),
        ("2026-02-03T09:00:00Z,c1,5,chargeback", f"type: {wire._TYPES} is wanted"),
        (f"{'x' * 200_000},c1,5,", "no row: field larger than field limit (131072)"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_the_rest_goes_on(row: str, why: str) -> None:
    text = f"at,case,amount_minor,type\n{row}\n2026-02-03T09:00:00Z,c2,,\n"
    bad, good = read(text.encode(errors="surrogateescape"))
    assert bad == Bad(2, why)
    assert failures([good])[0].case == "c2"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"{", "not JSON"),
        (b"[1]", "a JSON object is wanted"),
        (b'{"at":"\xff"}', "not JSON"),
        (b'{"x":"' + b"x" * 70_000 + b'"}', "a line of at most 65536 bytes is wanted"),
        (b'{"at":' + b"[" * 30_000, "not JSON"),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_the_rest_goes_on(line: bytes, why: str) -> None:
    good = b'{"at":"2026-02-03T09:00:00Z"}\n'
    first, bad, last = read(b"\xef\xbb\xbf" + good + line + b"\n\n" + good)
    assert bad == Bad(2, why)
    assert [told.case for told in failures([first, last])] == ["line 1", "line 4"]


def test_what_belongs_to_no_failure_or_comes_twice_is_told() -> None:
    told = lines(outcome(5, "c9"), failure(), failure(3), policy(), {"type": "sync"})
    assert [(bad.line, bad.why) for bad in History().take(read(told))] == [
        (3, "case: it was opened before"),
        (1, "case: no failure of it is told"),
    ]


# --- the program ----------------------------------------------------------------------------------------------


def test_the_documents_example_is_what_is_shown(run: Command) -> None:
    done = run("rehearse", "-", "--mode", "custom", "--steps-days", "2,5", told=block("in"))
    assert done.out == block("out")
    assert (
        done.err == "line 6: at: Input should be a valid datetime, input is too short\n1 lines were skipped\n"
    )
    assert done.code == 0


def test_nothing_is_foretold_but_the_models_odds_on_request(run: Command) -> None:
    shown = {
        name: run("rehearse", "-", *name.split(), told=block("in")).out
        for name in ("--mode smart", "--odds", "--json")
    }
    assert SUPPOSED in shown["--mode smart"]
    assert [word for text in shown.values() for word in FORECASTS if word in text.lower()] == []
    assert " odds " not in shown["--mode smart"]
    told = [json.loads(line) for line in shown["--json"].splitlines()]
    smart = [tried for one in told[:3] for tried in one["schedules"]["smart"]["tries"]]
    assert shown["--odds"].count("model's odds") == len(smart) > 0
    assert [sorted(tried) for tried in smart] == [["at", "models_odds", "reason"]] * len(smart)
    assert [one["type"] for one in told] == ["failure"] * 3 + ["summary"]
    tries = [tried for one in told[:3] for tried in one["schedules"]["even"]["tries"]]
    assert [sorted(tried) for tried in tries] == [["at", "reason"]] * 6
    assert told[3]["schedules"]["even"]["tries_per_failure"] == 2
    assert (told[3]["lines_skipped"], told[3]["really"]) == (1, {"tried": 1, "passed": 1})


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--max-tries", "99"], 2, "max_tries: 0 to 15 is possible; the nearest is 15"),
        (["--steps-days", "1"], 2, "--steps-days is of --mode custom"),
        (["--mode", "custom", "--steps-days", "x"], 2, "invalid _days value"),
        (["--columns", "at"], 2, "FIELD=NAME is wanted"),
        (["--columns", "at=when"], 1, "-: no column is called when; its columns are: at"),
        (["--model", "nowhere"], 1, "nowhere: No such file or directory"),
        ([], 1, "-: no failure could be read"),
    ],
)
def test_what_cannot_be_is_told(run: Command, arguments: list[str], code: int, said: str) -> None:
    done = run("rehearse", "-", *arguments, told="at\n")
    assert done.code == code
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_file_that_is_not_there_is_told(run: Command, tmp_path: Path) -> None:
    done = run("rehearse", str(tmp_path / "none.csv"))
    assert (done.code, done.err) == (1, f"{tmp_path / 'none.csv'}: No such file or directory\n")
