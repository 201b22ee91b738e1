"""How long a fit of the model to a log takes, and how much memory: `retry-scheduler learn`, as a process of its own.

Promise: the log is of one world's failures, played by even tries, told so many times under other names, one beside the
other in the order of time; the program's start and the judging of the new model are counted.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

from tests.worlds.simulation.baselines import Scheduled, even
from tests.worlds.simulation.play import Policy, play
from tests.worlds.simulation.stream import make_stream
from tests.worlds.simulation.wire import Answer, InProcess
from tests.worlds.simulation.world import draw

ATTEMPTS = 1_000_000
_FAILURES = 4000
_NAMES = ("case", "customer", "instrument")
_COPY = "\0"
"""Stands where a copy's number is filled in; no name has it."""


@dataclass(frozen=True)
class Refit:
    """What was measured.

    Args:
        attempts: of the log, those that the model was only judged by included.
        before, after: log loss of these, with the prior and with what was learnt.
    """

    attempts: int
    lines: int
    seconds: float
    processor_seconds: float
    peak_mib: float
    before: float
    after: float


def measure_refit(world: str, seed: int, attempts: int) -> Refit:
    """Write a log of so many attempts or a few more, and let the program learn from it.

    Raises:
        CalledProcessError: it failed.
    """
    with TemporaryDirectory() as folder:
        log, models = Path(folder) / "log.jsonl", Path(folder) / "models"
        with log.open("w") as file:
            lines = _write(file, world, seed, attempts)
        program: list[str | Path] = [
            Path(sys.executable).with_name("retry-scheduler"),
            "learn",
            log,
            "--models",
            models,
        ]
        began = time.perf_counter()
        process = subprocess.Popen(program, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, program)
        about = json.loads((models / "000001.json").read_text())
    return Refit(
        attempts=about["attempts"] + about["held_out"],
        lines=lines,
        seconds=seconds,
        processor_seconds=used.ru_utime + used.ru_stime,
        peak_mib=used.ru_maxrss / 1024,
        before=about["before"],
        after=about["after"],
    )


class _Heard(InProcess):
    """A decider whose lines are kept."""

    def __init__(self, decider: InProcess) -> None:
        super().__init__(lambda _: [])
        self._decider = decider
        self.lines: list[dict[str, Any]] = []

    def tell(self, event: Mapping[str, Any]) -> list[Answer]:
        self.lines.append(dict(event))
        return self._decider.tell(event)


def _write(file: TextIO, world: str, seed: int, attempts: int) -> int:
    """Write the log; give the number of its lines."""
    policy = Policy()
    heard = _Heard(InProcess(Scheduled(even(policy), policy)))
    play(make_stream(draw(world, seed), min(_FAILURES, attempts)), heard, policy)
    told = sum(line["type"] == "outcome" for line in heard.lines)
    copies: int = -(-attempts // told)
    for line in _named_anew(heard.lines):
        file.writelines(line.replace(_COPY, str(number)) for number in range(copies))
    return copies * len(heard.lines)


def _named_anew(lines: list[dict[str, Any]]) -> Iterator[str]:
    for line in lines:
        names = {name: f"{_COPY}-{line[name]}" for name in _NAMES if name in line}
        yield json.dumps(line | names, separators=(",", ":")).replace("\\u0000", _COPY) + "\n"
