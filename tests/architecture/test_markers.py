"""Markers follow from fixtures, and a missing browser is told by name: what the root's conftest.py promises."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .house import ROOT

pytestmark = pytest.mark.slow

PLANTED = """
import pytest

@pytest.fixture
def table(database):
    return "unused"

def test_pure(): assert True
def test_on_postgres(table): assert table
def test_on_kafka(topics): assert topics
def test_in_a_browser(chromium): assert chromium

@pytest.fixture
def practice(): return "served"

def test_at_the_practice_gateway(practice): assert practice
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A house of one test file under the real conftest.py."""
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "test_planted.py").write_text(PLANTED)
    return tmp_path


def run(house: Path, *options: str, **environment: str) -> str:
    """Run pytest there and give what it prints."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *options]
    done = subprocess.run(
        command, cwd=house, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def selected(house: Path, markers: str) -> set[str]:
    """Give the names of the tests that these markers leave."""
    listed = run(house, "--collect-only", "-q", "-m", markers, CHROMIUM=sys.executable).splitlines()
    return {line.rpartition("::")[2] for line in listed if "::" in line}


def test_what_needs_a_server_is_left_out_of_make_check(house: Path) -> None:
    assert selected(house, "not kafka and not postgres and not browser and not slow") == {"test_pure"}


def test_a_marker_says_which_server(house: Path) -> None:
    assert selected(house, "postgres") == {"test_on_postgres"}
    assert selected(house, "kafka") == {"test_on_kafka"}
    assert selected(house, "browser") == {"test_in_a_browser"}
    assert selected(house, "slow") == {"test_at_the_practice_gateway"}


def test_what_needs_a_browser_is_left_out_by_name_where_there_is_none(house: Path) -> None:
    printed = run(house, "-k", "browser", PATH="", CHROMIUM="")
    assert "left out: no Chromium here" in printed
    assert "test_planted.py::test_in_a_browser" in printed.splitlines()
    assert "1 skipped" in printed.splitlines()[-1]


def test_what_needs_a_browser_runs_where_there_is_one(house: Path) -> None:
    assert "1 passed" in run(house, "-k", "browser", CHROMIUM=sys.executable)
