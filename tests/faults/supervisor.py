"""Run a service as whoever operates it does: it is started again the moment it is killed or has stopped.

    python -m tests.faults.supervisor gateway-adapter

Everything is imported once and each start is a fork, so that a kill costs half a second and not three. SIGTERM
ends the service in order, and then this program with the service's exit code; a failure of the service does too.
With FAILPOINTS the service kills itself, as `failpoints` says: a directory with a file of the service's name,
FAILPOINTS_EACH how often at each point, FAILPOINTS_AMONG the points that count, when not all do: a line each, after
the service's name.
With NEW_NAMES each start is another replica, so that groups rebalance.
"""

import contextlib
import os
import signal
import sys
from importlib.metadata import entry_points
from pathlib import Path

from tests.faults import failpoints

CHILD = "supervisor: service runs as "
"""Stands in the log before the pid of each start."""


def main(name: str) -> int:
    """Keep the service running until it fails or this program gets SIGTERM; give its exit code."""
    (script,) = entry_points(group="console_scripts", name=name)
    serve = script.load()
    child, told, starts = 0, False, 0

    def pass_on(signum: int, _: object) -> None:
        nonlocal told
        told = True
        if child:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signum)

    signal.signal(signal.SIGTERM, pass_on)
    while True:
        starts += 1
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            if "NEW_NAMES" in os.environ:
                os.environ["REPLICA"] += f".{starts}"
            return _serve(name, serve)
        os.write(2, f"{CHILD}{child}\n".encode())
        if told:
            os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
        child = 0
        code = os.waitstatus_to_exitcode(status)
        if told or code not in (0, -signal.SIGKILL):
            return code if code >= 0 else 128 - code


def _serve(name: str, serve: object) -> int:
    if told := os.environ.get("FAILPOINTS"):
        points = os.environ["FAILPOINTS_AMONG"].splitlines()
        among = {point.removeprefix(f"{name}: ") for point in points}
        times = int(os.environ["FAILPOINTS_EACH"])
        failpoints.install(failpoints.kill_at_each(Path(told) / name, times, among))
    sys.argv = [name, "serve"]
    assert callable(serve)
    try:
        return int(serve() or 0)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
