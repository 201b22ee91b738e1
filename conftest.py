"""What holds for every test of the house: markers follow from fixtures, and a missing browser is told.

Promise: a test that needs a broker or a database is marked so, whether or not its author thought of it.
"""

import os
import shutil
from collections.abc import Iterator

import pytest

MARKER_OF_FIXTURE = {
    "kafka_server": "kafka",
    "postgres_server": "postgres",
    "chromium": "browser",
    "practice": "slow",  # a gateway that is served
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_left_out = pytest.StashKey[list[str]]()


def find_browser() -> str | None:
    """Give the path of Chromium: $CHROMIUM, or else what the machine has."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser; a test that asks for it is left out, by name, where there is none."""
    found = find_browser()
    assert found is not None, "tests that need a browser are left out before they start"
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by the fixtures it uses, its fixtures' fixtures included; leave out what can't run."""
    for item in items:
        for name in getattr(item, "fixturenames", ()):
            if marker := MARKER_OF_FIXTURE.get(name):
                item.add_marker(marker)
    if find_browser() is None:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(
                    pytest.mark.skip(reason="no Chromium here (set CHROMIUM or install chromium)")
                )
                config.stash.setdefault(_left_out, []).append(item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Iterator[None]:
    """Say which tests were left out for want of a browser."""
    yield
    if left_out := config.stash.get(_left_out, None):
        terminalreporter.section("left out: no Chromium here (set CHROMIUM or install chromium)")
        for nodeid in left_out:
            terminalreporter.write_line(nodeid)
