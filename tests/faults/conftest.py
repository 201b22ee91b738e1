"""Fault rows: each test counts what it tries; the summary says what was tried, how long it took, how to replay."""

from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from recoup_local import sources
from recoup_local.postgres import Postgres
from recoup_local.pytest_plugin import ServiceDatabases

from .rows import SEED, Row
from .tally import Tally, keep, replay, row_of, version
from .world_gateway import practice_in_process
from .world_services import SERVICES, Services

_held = pytest.StashKey[bool]()
_rows = pytest.StashKey[dict[int, "_Done"]]()


class _Done:
    """What the tests of one row did."""

    def __init__(self, row: Row) -> None:
        self.row, self.seconds, self.failures = row, 0.0, 0
        self.parts: dict[str, int] = {}


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Tally]:
    """Count tries; a part that only `make faults` tries leaves its test out of `make test`."""
    row = row_of(request.path)
    assert row is not None, "the file's name says its row: test_fault_05_….py"
    mark = request.node.get_closest_marker("part")
    assert mark is not None, "pytest.mark.part names what the test tries"
    if all(part.size == 0 for part in row.parts if part.name in mark.args):
        pytest.skip("only make faults tries this")
    counted = Tally(row)
    yield counted
    short = {part.name for part in row.parts if part.name in mark.args} - {
        part for part, tries in counted.done.items() if tries >= counted.size(part)
    }
    done = _done(request.config, row)
    for part in {*mark.args, *counted.done}:
        done.parts[part] = done.parts.get(part, 0) + counted.done.get(part, 0)
    if hasattr(request.node, "callspec"):
        return  # its parameters are the tries
    assert not (short and request.node.stash.get(_held, False)), f"tried less often than asked: {short}"


@pytest_asyncio.fixture(loop_scope="session")
async def services(
    database: ServiceDatabases,
    postgres_server: Postgres | sources.ExternalPostgres,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Services]:
    """The four services for worlds (world.py): databases of their own, and a gateway, in this process."""
    made = {name: await database.fresh(name) for name in SERVICES}
    with practice_in_process(tmp_path / "practice", monkeypatch) as practice:
        opened = await Services.open(practice, made, postgres_server.admin_dsn)
        yield opened
        await opened.close()
        await practice.gateway.ledger.close()


def _done(config: pytest.Config, row: Row) -> _Done:
    return config.stash.setdefault(_rows, {}).setdefault(row.number, _Done(row))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Take each row's time and failures."""
    report = yield
    row = row_of(item.path)
    if row is not None:
        item.stash[_held] = report.passed
        if not report.skipped:
            done = _done(item.config, row)
            done.seconds += report.duration
            done.failures += report.failed
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was tried, row by row."""
    rows = config.stash.get(_rows, {})
    if not rows:
        return
    judged, commit = version()
    terminalreporter.section(f"faults, seed {SEED}, commit {commit}, libs+services {judged}")
    for number in sorted(rows):
        done = rows[number]
        tried = ", ".join(f"{tries:,} {part}" for part, tries in done.parts.items()) or "nothing"
        line = f"{number:>3}  {done.seconds:7.1f} s  {done.row.what}: {tried}"
        terminalreporter.write_line(line + (f"  FAILED: {replay(done.row)}" if done.failures else ""))
        keep(done.row, done.parts, done.failures, done.seconds)
