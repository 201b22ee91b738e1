"""A service as a process: ready when it says so, gone when killed, back with the same ports."""

import signal
import sys
from collections.abc import AsyncIterator

import psutil
import pytest
import pytest_asyncio

from recoup_local.eventually import eventually
from recoup_local.ports import free_port
from recoup_local.processes import marked
from recoup_local.run import Run
from recoup_local.services import Service, console_script, run_command
from recoup_local.state import LocalError

pytestmark = pytest.mark.slow  # whole processes start and are killed

MINIATURE = """
import asyncio, os, signal, subprocess, sys
from aiohttp import web

async def main():
    looks = 0
    async def ready(request):
        nonlocal looks
        looks += 1
        waits = looks < 3 or "never" in sys.argv
        return web.Response(status=503 if waits else 200, text="consumer behind" if waits else "ready")
    app = web.Application()
    app.router.add_get("/readyz", ready)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", int(os.environ["OPS_PORT"])).start()
    subprocess.Popen(["sleep", "1005"])
    done = asyncio.Event()
    if "deaf" not in sys.argv:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("replica", os.environ["REPLICA"], flush=True)
    await done.wait()
    await runner.cleanup()

asyncio.run(main())
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def run() -> AsyncIterator[Run]:
    async with Run() as run:
        yield run


def miniature(run: Run, name: str, *arguments: str, replica: str = "0") -> Service:
    environment = {"OPS_PORT": str(free_port())}
    return Service(run, name, environment, replica, [sys.executable, "-c", MINIATURE, *arguments])


async def test_it_is_started_when_it_says_that_it_is_ready(run: Run) -> None:
    service = miniature(run, "ready")
    await service.start()
    assert service.process.returncode is None
    await service.stop()
    assert service.process.returncode == 0


async def test_a_killed_service_comes_back_on_its_port_and_its_children_are_gone(run: Run) -> None:
    service = miniature(run, "killed")
    await service.start()
    first, place = service.process, service.ops_url
    await service.kill()
    assert first.returncode == -signal.SIGKILL
    assert not [process for process in marked(run.id) if process.ppid() == first.pid]
    await service.restart()
    assert service.process.pid != first.pid
    assert service.ops_url == place
    assert service.log.read_text().count("replica 0") == 2
    await service.restart()
    assert service.process.returncode is None
    await service.stop()


async def test_replicas_of_a_service_run_beside_each_other(run: Run) -> None:
    replicas = [miniature(run, "twin", replica=number) for number in ("0", "1")]
    for replica in replicas:
        await replica.start()
    assert [replica.log.read_text().strip() for replica in replicas] == ["replica 0", "replica 1"]
    assert len({replica.process.pid for replica in replicas}) == 2
    for replica in replicas:
        await replica.stop()


async def test_one_that_ends_at_once_says_its_last_words(run: Run) -> None:
    dead = Service(
        run, "dead", {"OPS_PORT": str(free_port())}, command=["sh", "-c", "echo no database; exit 3"]
    )
    with pytest.raises(LocalError, match=r"dead ended with 3:\nno database"):
        await dead.start()


async def test_one_that_never_gets_ready_says_what_is_wrong(run: Run) -> None:
    service = miniature(run, "never", "never")
    service.launch()
    await eventually(lambda: "replica" in service.log.read_text())
    with pytest.raises(LocalError, match="never isn't ready within 1 s: consumer behind"):
        await service.ready(within=1)
    await service.stop()


async def test_one_that_ignores_sigterm_is_told_of(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recoup_local.services.STOP_WITHIN", 0.5)
    service = miniature(run, "deaf", "deaf")
    await service.start()
    with pytest.raises(LocalError, match="deaf doesn't leave on SIGTERM"):
        await service.stop()
    assert not psutil.pid_exists(service.process.pid)


async def test_a_command_gives_its_output_or_why_it_failed(run: Run) -> None:
    assert "usage" in await run_command(run, "recoup-local", ["--help"], {})
    with pytest.raises(LocalError, match=r"`recoup-local astray` ended with 2:"):
        await run_command(run, "recoup-local", ["astray"], {})


def test_a_console_script_that_is_missing_is_told() -> None:
    with pytest.raises(LocalError, match="`make setup` installs it"):
        console_script("no-such-service")
