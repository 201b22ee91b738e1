"""The bench's own arithmetic, and every row at its smallest size, so that it can't rot."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from recoup_local import sources
from recoup_local.house import House
from recoup_local.kafka import Kafka
from recoup_local.postgres import Postgres
from recoup_local.practice import PracticeGateway
from recoup_local.pytest_plugin import ServiceDatabases
from recoup_local.run import Run

from .measure import Goal, Reading, Result, Row, Side, Spread, number_of, percentile, take
from .place import Place
from .report import HEAD, asked, placed, render
from .rows import NAMES, row_of


def side(name: str, values: list[float], said: list[str]) -> Side:
    """A side that shows these values one after the other and says when it was run."""
    following: Iterator[float] = iter(values)

    async def run() -> Reading:
        said.append(name)
        return Reading(next(following), {"milliseconds": 2.0})

    return Side(name, run)


async def test_sides_are_run_in_turn_and_compared_pair_by_pair() -> None:
    said: list[str] = []
    row = Row(
        "row", "What.", "events/s", [side("A", [2, 9, 4], said), side("B", [4, 10, 10], said)],
        [Goal("A", "B", at_least=0.5), Goal("A", at_least=5), Goal("B", "A", at_most=1.2)],
    )  # fmt: skip
    result = await take(row, 3)
    assert said == ["A", "B", "A", "B", "A", "B"]
    assert result.spread("A") == Spread(4, 2, 9)
    assert result.ratio("A", "B") == Spread(0.5, 0.4, 0.9)
    assert [verdict.held for verdict in result.verdicts()] == [True, False, False]


async def test_what_warms_up_is_not_counted() -> None:
    said: list[str] = []
    row = Row("row", "What.", "s", [side("A", [1, 2, 2], said)], warm_up=True)
    assert (await take(row, 2)).spread("A") == Spread(2, 2, 2)


async def test_a_side_that_is_run_once_is_set_against_every_reading() -> None:
    said: list[str] = []
    once = Side("A", side("A", [10], said).run, once=True)
    result = await take(Row("row", "What.", "s", [once, side("B", [5, 20], said)]), 2)
    assert said == ["A", "B", "B"]
    assert result.ratio("A", "B") == Spread(1.25, 0.5, 2)


def test_a_goal_has_one_bound() -> None:
    with pytest.raises(ValueError, match="one bound"):
        Goal("A", "B")


def test_a_percentile_is_a_value_that_was_measured() -> None:
    assert percentile(range(1, 101), 0.99) == 99
    assert percentile([5, 1, 3], 0.5) == 3
    assert percentile([7], 0.99) == 7


def test_numbers_are_written_with_three_digits_that_count() -> None:
    written = [number_of(value) for value in (0, 0.01234, 0.5, 12.34, 1234.5)]
    assert written == ["0", "0.0123", "0.5", "12.3", "1,234"]


def test_a_page_keeps_the_sections_of_rows_that_were_not_measured_anew() -> None:
    page = placed(placed(HEAD, "relay", "## relay\n\nold\n"), "consume", "## consume\n\nkept\n")
    anew = placed(page, "relay", "## relay\n\nnew\n")
    assert anew.startswith(HEAD.rstrip())
    assert anew.endswith("## consume\n\nkept\n\n## relay\n\nnew\n")


async def test_a_section_says_readings_figures_goal_and_command() -> None:
    row = Row("row", "What it is.", "events/s", [side("A", [1, 3], [])], [Goal("A", at_least=4)])
    result: Result = await take(row, 2)
    section = render(
        result, at=datetime(2026, 3, 1, tzinfo=UTC), command="make bench ROW=row", on={}, used={}
    )
    assert "| A | 2 (1 to 3) | 2 |" in section
    assert "| milliseconds | 2 |" in section
    assert "- goal: A ≥ 4; measured 2 (1 to 3): **missed**" in section
    assert "`make bench ROW=row`" in section
    assert asked(Goal("A", "B", at_most=3)) == "A ÷ B ≤ 3 times"


@pytest.fixture
def place(
    local_run: Run,
    kafka_server: Kafka | sources.ExternalKafka,
    postgres_server: Postgres | sources.ExternalPostgres,
    database: ServiceDatabases,
    house: House,
    gateway: PracticeGateway,
) -> Place:
    """The smallest sizes on the test run's own servers, in its own house, at its own gateway."""
    assert house.practice is gateway
    return Place(
        local_run, quick=True, kafka=kafka_server, postgres=postgres_server, databases=database, house=house
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
async def test_every_row_works_at_its_smallest_size(name: str, place: Place) -> None:
    async with row_of(name)(place) as row:
        result = await take(row, 1, print)
    assert row.name == name
    assert all(reading.value > 0 for readings in result.readings.values() for reading in readings)
    assert [verdict.measured.median for verdict in result.verdicts() if verdict.measured.median <= 0] == []
