"""How long an answer takes: in the process, and through the pipe of `retry-scheduler decide`.

Promise: the pipe is given the very lines of the play, all ahead; the program's start is not counted, and every answer
that the play got must come.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from tests.worlds.simulation.figures import Task
from tests.worlds.simulation.play import play
from tests.worlds.simulation.stream import make_stream
from tests.worlds.simulation.wire import InProcess, WireError, answered_case
from tests.worlds.simulation.world import draw

from .games import listening

PIPED = 3
"""Runs through the pipe."""


@dataclass(frozen=True)
class Speed:
    """What was measured, of the answers to failures and failed tries.

    Args:
        rates: answers a second of each run through the pipe.
    """

    answers: int
    p50_ms: float
    p99_ms: float
    rates: list[float]


def measure_speed(world: str, seed: int, task: Task) -> Speed:
    """Play a stream in the process, then send its lines through the pipe.

    Raises:
        WireError: the program answered less than was answered in the process.
    """
    stream = make_stream(draw(world, seed), task.training + task.failures)
    heard: list[str] = []
    decider = InProcess(listening(heard))
    play(stream, decider, task.policy)
    p50, p99 = (1000 * float(one) for one in np.quantile(decider.seconds, [0.5, 0.99]))
    rates = [_answers_a_second(heard) for _ in range(PIPED)]
    return Speed(len(decider.seconds), p50, p99, rates)


def _answers_a_second(lines: Sequence[str]) -> float:
    program = Path(sys.executable).with_name("retry-scheduler")
    awaited = {(number, case) for number, line in enumerate(lines, 2) if (case := _case(line))}
    said: list[bytes] = []
    with subprocess.Popen([program, "decide"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        stdin, stdout = process.stdin, process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(b'{"type":"sync"}\n')
        stdin.flush()
        stdout.readline()
        writing = threading.Thread(target=_write, args=(stdin, lines), daemon=True)
        began = ended = time.perf_counter()
        writing.start()
        for line in stdout:
            said.append(line)
            ended = time.perf_counter()
        writing.join()
    answered = {(told.get("line"), told.get("case")) for told in map(json.loads, said) if "action" in told}
    if missing := len(awaited - answered):
        raise WireError(f"{missing} of {len(awaited)} answers did not come through the pipe")
    return len(awaited) / (ended - began)


def _case(line: str) -> str | None:
    return answered_case(json.loads(line))


def _write(pipe: IO[bytes], lines: Sequence[str]) -> None:
    with pipe:
        pipe.write(b"".join(f"{line}\n".encode() for line in lines))
