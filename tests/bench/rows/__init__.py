"""The rows, a module each: its `row(place)` opens what it needs, gives the row, and closes it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from importlib import import_module

from ..measure import Row
from ..place import Place

NAMES = ["relay", "timers", "consume", "ingest", "fairness", "latency", "month", "memory"]
"""In the order in which `make bench` measures them."""

OpenRow = Callable[[Place], AbstractAsyncContextManager[Row]]


def row_of(name: str) -> OpenRow:
    """Give what opens a row."""
    opened: OpenRow = import_module(f"{__name__}.{name}").row
    return opened
