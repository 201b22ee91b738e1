"""The warden of a run: outlives its launcher by a moment and ends what the launcher started.

It reads JSON lines from its launcher: processes to end and directories to remove. When the pipe closes,
because the launcher has finished or was killed, it does both. A line {"release": true} sends it home without.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from recoup_local.processes import Identity, end

LOOK = 1.0  # seconds between looks at the parent, whose pipe a forked child may hold open


def main() -> None:
    """Entry: `python -m recoup_local.warden RUN`."""
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    processes: list[Identity] = []
    directories: list[Path] = []
    for line in _lines(os.getppid()):
        match json.loads(line):
            case {"release": True}:
                return
            case {"pid": int(pid), "started": float(started), "stop_signal": int(number)}:
                processes.append(Identity(pid, started, number))
            case {"remove": str(path)}:
                directories.append(Path(path))
            case other:
                raise ValueError(f"the launcher says {other!r}")
    end(sys.argv[1], processes)
    for directory in directories:
        shutil.rmtree(directory, ignore_errors=True)


def _lines(launcher: int) -> Iterator[bytes]:
    """Lines until the pipe closes or the launcher is gone."""
    rest = b""
    while True:
        readable, _, _ = select.select([0], [], [], LOOK)
        if readable:
            if not (chunk := os.read(0, 65536)):
                return
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
        elif os.getppid() != launcher:
            return


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
