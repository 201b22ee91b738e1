"""Where this machine's brokers, databases and logs keep their files: `.local/`, one directory a run."""

import os
from pathlib import Path


class LocalError(Exception):
    """Something on this machine is missing or refuses to start; the message says what, and what helps."""


def state_directory() -> Path:
    """The directory of all runs: RECOUP_STATE, or `.local` in the repository. Created if missing."""
    told = os.environ.get("RECOUP_STATE")
    home = Path(told) if told else Path(__file__).resolve().parents[4] / ".local"
    home.mkdir(parents=True, exist_ok=True)
    return home
