"""What the workers say they fired: a file each, a line a fire, `<number> <microsecond since the epoch>`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Fire:
    """A timer's handler ran, `at` seconds since the epoch."""

    number: int
    at: float


class Watched:
    """A worker's file, read as it grows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self._read = 0
        self.fires: list[Fire] = []

    def look(self) -> list[Fire]:
        """Give all fires so far; a line that is being written is left for the next look."""
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        if whole:
            self._read += len(whole) + 1
            for line in whole.splitlines():
                number, microsecond = line.split()
                self.fires.append(Fire(int(number), int(microsecond) / 1e6))
        return self.fires

    def of(self, first: int, last: int) -> list[Fire]:
        """Give the fires of these numbers, both included."""
        return [fire for fire in self.look() if first <= fire.number <= last]


@dataclass(frozen=True)
class Tally:
    """What became of timers: the first fire of each, and how many fired twice, early, or never and won't."""

    lateness: list[float]
    """Milliseconds from due to the handler, of each timer that fired, sorted."""
    doubled: int
    early: int
    not_yet: int
    lost: int


def tally(fires: list[Fire], due: dict[int, float], still_open: set[int]) -> Tally:
    """Judge fires.

    Args:
        due: seconds since the epoch by number.
        still_open: what the scheduler's tables hold still, so that it is late but not lost.
    """
    first: dict[int, float] = {}
    for fire in fires:
        first[fire.number] = min(fire.at, first.get(fire.number, fire.at))
    lateness = sorted((at - due[number]) * 1000 for number, at in first.items())
    silent = due.keys() - first.keys()
    return Tally(
        lateness,
        doubled=len(fires) - len(first),
        early=sum(late < 0 for late in lateness),
        not_yet=len(silent & still_open),
        lost=len(silent - still_open),
    )
