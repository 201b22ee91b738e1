"""A run ends what it started, however its launcher ends, and nothing else."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from recoup_local.eventually import eventually
from recoup_local.processes import Identity, end, marked
from recoup_local.run import KEPT_RUNS, Run, living

pytestmark = pytest.mark.slow  # whole processes start and are killed

SHELL_WITH_CHILDREN = ["sh", "-c", "(setsid sleep 1001 &) ; sleep 1002 & sleep 1003"]
DEAF = ["sh", "-c", "trap '' TERM; echo deaf; while true; do sleep 1; done"]
LAUNCHER = f"""
import asyncio
from recoup_local.postgres import Postgres
from recoup_local.run import Run

async def main():
    run = Run()
    run.start("shell", {SHELL_WITH_CHILDREN})
    await Postgres.start(run)
    print(run.id, flush=True)
    await asyncio.sleep(1000)

asyncio.run(main())
"""


@pytest.fixture
def bystander() -> Iterator[psutil.Popen]:
    process = psutil.Popen(["sleep", "1004"])
    yield process
    process.kill()
    process.wait()


def commands(run_id: str) -> list[str]:
    return sorted(process.cmdline()[-1] for process in marked(run_id) if process.name() == "sleep")


async def test_it_ends_with_the_children_of_its_shells_even_those_that_left_the_session(
    tmp_path: Path,
) -> None:
    async with Run(tmp_path) as run:
        run.start("shell", SHELL_WITH_CHILDREN)
        await eventually(lambda: commands(run.id) == ["1001", "1002", "1003"])
    assert not list(marked(run.id))


async def test_a_process_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    async with Run(tmp_path) as run:
        process = run.start("deaf", DEAF)
        await eventually(lambda: process.last_words() == "deaf")
        await process.stop(within=0.2)
        assert process.returncode == -signal.SIGKILL
    assert not list(marked(run.id))


async def test_a_launcher_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    launcher = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LAUNCHER),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"RECOUP_STATE": str(tmp_path)},
    )
    assert launcher.stdout
    run_id = (await launcher.stdout.readline()).decode().strip()
    assert {"sh", "sleep", "postgres"} <= {process.name() for process in marked(run_id)}
    socket = Path(next(path for path in opened_sockets(run_id) if ".s.PGSQL." in path))

    launcher.kill()
    await launcher.wait()

    await eventually(lambda: run_id not in set(living(tmp_path)))
    assert not list(marked(run_id))
    kept = {path.name for path in (tmp_path / run_id).iterdir()}
    assert kept == {"logs"}
    assert not socket.parent.exists()


def opened_sockets(run_id: str) -> list[str]:
    return [str(place.laddr) for process in marked(run_id) for place in process.net_connections("unix")]


async def test_two_runs_do_not_end_each_other(tmp_path: Path) -> None:
    async with Run(tmp_path) as one:
        one.start("shell", SHELL_WITH_CHILDREN)
        async with Run(tmp_path) as other:
            other.start("shell", SHELL_WITH_CHILDREN)
            await eventually(lambda: len(commands(one.id)) == len(commands(other.id)) == 3)
            assert one.directory != other.directory
        assert commands(one.id) == ["1001", "1002", "1003"]
        assert not list(marked(other.id))


async def test_a_run_that_is_let_go_lives_on_until_it_is_ended(tmp_path: Path) -> None:
    run = Run(tmp_path)
    process = run.start("shell", SHELL_WITH_CHILDREN)
    await eventually(lambda: len(commands(run.id)) == 3)
    await run.let_go()
    assert process.returncode is None
    assert run.id in set(living(tmp_path))
    ended = await asyncio.to_thread(end, run.id, [process.identity])
    assert process.pid in ended
    assert await process.ended(within=10)
    assert not list(marked(run.id))


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(bystander: psutil.Popen) -> None:
    recycled = Identity(bystander.pid, bystander.create_time() - 60)
    assert recycled.find() is None
    assert end("a-run-that-never-was", [recycled]) == []
    assert bystander.is_running()


def test_a_process_is_found_by_its_pid_and_start(bystander: psutil.Popen) -> None:
    found = Identity(bystander.pid, bystander.create_time()).find()
    assert found is not None
    assert found.pid == bystander.pid


async def test_a_restart_under_the_same_name_appends_to_the_log(tmp_path: Path) -> None:
    async with Run(tmp_path) as run:
        for word in ("one", "two"):
            assert await run.start("echo", ["echo", word]).ended(within=10)
        assert run.processes["echo"].last_words() == "one\ntwo"


async def test_the_environment_of_the_launcher_does_not_leak_a_broker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere")
    async with Run(tmp_path) as run:
        process = run.start("environment", ["env"], environment={"KAFKA_BOOTSTRAP_SERVERS": "here:1"})
        assert await process.ended(within=10)
        told = process.last_words(lines=1000)
    assert "elsewhere" not in told
    assert "KAFKA_BOOTSTRAP_SERVERS=here:1" in told


def test_only_the_last_runs_keep_their_logs(tmp_path: Path) -> None:
    for number in range(KEPT_RUNS + 5):
        old = tmp_path / f"20200101-0000{number:02}-abcdef"
        old.mkdir()
        os.utime(old, (1, 1))
    run = Run(tmp_path)
    asyncio.run(run.close())
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [*(f"20200101-0000{number:02}-abcdef" for number in range(5, KEPT_RUNS + 5)), run.id]
