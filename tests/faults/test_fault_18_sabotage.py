"""Each guard is taken out of a copy of the house; tests that stay green then would be worth nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .mutants import MUTANTS, Mutant
from .tally import ROOT, Tally

MEMBERS = sorted(path.parent.relative_to(ROOT) for path in ROOT.glob("*/*/src"))
pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(900)]


def copied(folder: Path) -> Path:
    """Copy the house as git knows it, changes included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    return folder


def red(tree: Path, tests: tuple[str, ...]) -> str | None:
    """Run tests in a copy, its packages before the installed ones; give the first that fails, None when all hold."""
    path = os.pathsep.join(str(tree / member / "src") for member in MEMBERS)
    kept = str(tree / "faults.jsonl")
    apart = {
        "FAULTS_SCALE": "",
        "FAULTS_KEPT": kept,
    }  # its rows are tried at their size in a test, and counted nowhere
    environment = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **apart}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--timeout=120", *tests]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, f"pytest could not judge: {done.stdout[-3000:]}{done.stderr[-1000:]}"
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return failed[0] if failed else done.stdout[-2000:]


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which all the tests concerned hold: otherwise red would mean nothing."""
    tree = copied(tmp_path_factory.mktemp("untouched"))
    said = red(tree, tuple(sorted({test for mutant in MUTANTS for test in mutant.tests})))
    assert said is None, f"red without any sabotage: {said}"
    return tree


@pytest.mark.part("mutants")
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.guard)
def test_a_guard_that_is_taken_out_is_missed(
    mutant: Mutant, tally: Tally, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("untouched")
    tree = copied(tmp_path)
    mutant.plant(tree)
    said = red(tree, mutant.tests)
    assert said is not None, f"nobody misses the guard: {mutant.guard}"
    sys.stdout.write(f"caught: {mutant.guard}: {said[:160]}\n")
    tally.did("mutants")


def test_every_guard_still_stands_where_the_table_says(tmp_path: Path) -> None:
    gone = []
    for mutant in MUTANTS:
        target = tmp_path / mutant.file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / mutant.file).read_bytes())
        try:
            mutant.plant(tmp_path)
        except LookupError as error:
            gone.append(str(error))
    assert gone == []
