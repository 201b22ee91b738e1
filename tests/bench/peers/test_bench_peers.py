"""The bench of the peers can't rot: its judging, and Recoup's own side of each scene at its smallest size."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from recoup_local import sources
from recoup_local.postgres import Postgres
from recoup_local.pytest_plugin import ServiceDatabases
from recoup_local.run import Run

from ..measure import Reading, Result, Row, Side
from ..place import Place
from .contestants import recoup
from .fires import Fire, Watched, tally
from .rows import OURS, where_peers_are_better
from .scenes import Sizes, cliff, steady, takeover
from .stage import Stages

SMALL = Sizes(cliff=60, steady=40, a_second=100, killed=600, lead=1.5, pause=2000, wait=60)


def test_what_fired_twice_early_or_never_is_told_apart() -> None:
    due = {1: 100.0, 2: 100.0, 3: 100.0, 4: 100.0}
    judged = tally([Fire(1, 100.5), Fire(1, 100.2), Fire(2, 99.9)], due, still_open={3})
    assert judged.lateness == pytest.approx([-100, 200])
    assert (judged.doubled, judged.early, judged.not_yet, judged.lost) == (1, 1, 1, 1)


def test_a_line_that_is_being_written_waits_for_its_end(tmp_path: Path) -> None:
    watched = Watched(tmp_path / "fires")
    with watched.path.open("a") as file:
        file.write("7 1000000\n8 20000")
        file.flush()
        assert watched.look() == [Fire(7, 1.0)]
        file.write("00\n")
        file.flush()
        assert watched.of(8, 9) == [Fire(8, 2.0)]


def test_it_is_said_where_a_peer_is_better() -> None:
    async def unused() -> Reading:
        raise AssertionError

    row = Row("row", "What.", "timers/s", [Side(OURS, unused), Side("Peer, tuned", unused)])
    result = Result(
        row,
        {
            OURS: [Reading(10, {"lateness p50, ms": 4.0, "lateness max, ms": 5.0})],
            "Peer, tuned": [Reading(9, {"lateness p50, ms": 3.0, "lateness max, ms": 6.0})],
        },
        seconds=1,
    )
    assert where_peers_are_better(result) == [
        f"Peer, tuned is better than {OURS} in: lateness p50, ms (3 against 4)."
    ]


@pytest_asyncio.fixture(loop_scope="session")
async def stages(
    local_run: Run, postgres_server: Postgres | sources.ExternalPostgres, database: ServiceDatabases
) -> AsyncIterator[Stages]:
    yield Stages(Place(local_run, quick=True, postgres=postgres_server, databases=database))


@pytest.mark.postgres
@pytest.mark.slow
async def test_recoup_fires_each_timer_of_a_cliff_and_of_a_trickle_once_and_never_early(
    stages: Stages,
) -> None:
    who = recoup()
    for how in who.settings:
        shown = await cliff(stages, who, how, 100, SMALL)
        assert shown.value > 0
        figures = {**shown.figures}
        assert [figures[name] for name in ("lost", "doubled", "early", "not fired when it was cut")] == [
            0,
            0,
            0,
            0,
        ]
    trickled = await steady(stages, who, who.settings[0], 0, SMALL)
    assert [trickled.figures[name] for name in ("lost", "doubled", "early")] == [0, 0, 0]


@pytest.mark.postgres
@pytest.mark.slow
async def test_what_a_killed_dispatcher_held_is_fired_by_the_other(stages: Stages) -> None:
    who = recoup()
    shown = await takeover(stages, who, who.settings[0].lasting or [], SMALL)
    assert shown.figures["timers it held"] > 0
    assert shown.figures["not taken over while waited for"] == 0
    assert shown.figures["lost"] == 0
