"""`make test` runs what `make check` runs: linters and types fail here like any other test."""

import os
import subprocess

import pytest

from .house import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("target", ["ruff", "contracts", "deptry", "squawk", "typos", "mypy"])
def test_linter_finds_nothing(target: str) -> None:
    make = ["make", "--no-print-directory", target]
    plain = os.environ | {"NO_COLOR": "1"}
    run = subprocess.run(make, cwd=ROOT, env=plain, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"make {target}\n{run.stdout}"
