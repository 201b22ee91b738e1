"""What `make up` leaves running, `make down` ends: that, all of it, and nothing else."""

import asyncio
import fcntl
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from recoup_local.eventually import eventually
from recoup_local.processes import Identity, end, marked
from recoup_local.run import Run
from recoup_local.state import LocalError
from recoup_local.up import FILE, Up, down, up

pytestmark = pytest.mark.slow  # whole processes start and are killed

FAMILY = ["sh", "-c", "(setsid sleep 1006 &) ; sleep 1007 & sleep 1008"]


@pytest.fixture
def bystander() -> Iterator[psutil.Popen]:
    process = psutil.Popen(["sleep", "1009"])
    yield process
    process.kill()
    process.wait()


def contents(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def end_all(run: Run, state: Path) -> list[str]:
    ended = await asyncio.to_thread(down, state)
    for process in run.processes.values():  # this process is their parent, so it has to take notice
        assert await process.ended(within=10)
    return ended


async def let_go(state: Path, *extra: Identity) -> Run:
    """A run that outlives its launcher, as `up` leaves it."""
    run = Run(state)
    run.start("family", FAMILY)
    data = run.data("data")
    await eventually(lambda: len(list(marked(run.id))) >= 4)
    processes = {name: process.identity for name, process in run.processes.items()}
    processes |= {f"extra-{number}": identity for number, identity in enumerate(extra)}
    Up(run.id, processes, (str(data),), {"logs": str(run.logs)}, {"notifier": {"SECRET": "s"}}, {}).write(
        state
    )
    await run.let_go()
    return run


async def test_down_ends_everything_with_children_and_removes_the_data(tmp_path: Path) -> None:
    run = await let_go(tmp_path)
    assert "family" in await end_all(run, tmp_path)
    assert not list(marked(run.id))
    assert contents(run.directory) == ["logs"]
    assert Up.read(tmp_path) is None


async def test_down_leaves_a_stranger_with_a_recycled_number_alone(
    tmp_path: Path, bystander: psutil.Popen
) -> None:
    run = await let_go(tmp_path, Identity(bystander.pid, bystander.create_time() - 3600))
    await end_all(run, tmp_path)
    assert bystander.is_running()


def test_down_with_nothing_up_ends_nothing(tmp_path: Path, bystander: psutil.Popen) -> None:
    assert down(tmp_path) == []
    assert bystander.is_running()


async def test_down_twice_is_down(tmp_path: Path) -> None:
    run = await let_go(tmp_path)
    assert await end_all(run, tmp_path)
    assert await asyncio.to_thread(down, tmp_path) == []


async def test_up_again_says_what_is_up(tmp_path: Path) -> None:
    run = await let_go(tmp_path)
    there = await up(tmp_path)
    assert there.run == run.id
    await end_all(run, tmp_path)


async def test_up_again_after_a_crash_of_one_part_says_which(tmp_path: Path, bystander: psutil.Popen) -> None:
    run = await let_go(tmp_path, Identity(bystander.pid, bystander.create_time() - 3600))
    with pytest.raises(LocalError, match="extra-0 ended since `make up`"):
        await up(tmp_path)
    await end_all(run, tmp_path)


async def test_up_with_containers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOUP_LOCAL", "docker")
    with pytest.raises(LocalError, match="containers end with the command"):
        await up(tmp_path)


async def test_two_at_once_do_not_meet(tmp_path: Path) -> None:
    run = await let_go(tmp_path)
    with (tmp_path / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LocalError, match="another `make up` or `make down` is at work"):
            await up(tmp_path)
        with pytest.raises(LocalError, match="another `make up` or `make down` is at work"):
            down(tmp_path)
    await end_all(run, tmp_path)


async def test_after_a_restart_of_the_machine_nothing_is_up(tmp_path: Path) -> None:
    run = await let_go(tmp_path)
    await asyncio.to_thread(end, run.id, [process.identity for process in run.processes.values()])
    there = Up.read(tmp_path)
    assert there is not None
    assert there.ended() == list(there.processes)
    assert await end_all(run, tmp_path) == []
    assert contents(run.directory) == ["logs"]


async def test_the_file_with_the_secrets_is_its_owners_alone(tmp_path: Path) -> None:
    run = await let_go(tmp_path)
    mode = stat.S_IMODE((tmp_path / FILE).stat().st_mode)
    assert mode == 0o600
    await end_all(run, tmp_path)
