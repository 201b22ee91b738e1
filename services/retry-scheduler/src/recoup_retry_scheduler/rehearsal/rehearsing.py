"""`retry-scheduler rehearse`: a file in, a summary and a table out, or JSON lines."""

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from pydantic import ValidationError

from recoup_retry_scheduler.rehearsal import models, rows, shown, stream, wire
from recoup_retry_scheduler.rehearsal.rehearse import History, Rehearsed, rehearse
from recoup_retry_scheduler.rehearsal.rows import Bad
from recoup_retry_scheduler.rehearsal.summary import Summary
from recoup_retry_scheduler.smart.learning import Weights

BAD_SHOWN = 20
"""Bad lines that are told one by one."""

_EVERY = 0.5
"""Seconds between two words of progress."""


def run(args: argparse.Namespace) -> None:
    """Rehearse as asked.

    Raises:
        SystemExit: with 2 for a policy that cannot be, with a sentence for a file that has no failure.
        OSError: a file cannot be read.
        NoVersion: no model of a directory is in use.
        OtherModel: the file is no model of ours.
    """
    asked = _policy(args)
    model = models.file_of(args.model)
    weights = Weights.prior() if model is None else stream.load(model)
    summary, history = Summary(), History()
    kept: list[Rehearsed] = []
    skipped = Skipped(sys.stderr)
    with opened(args.file) as file:
        skipped.all(history.take(rows.read(file, args.columns)))
    if not history.failures:
        skipped.end()
        raise SystemExit(f"{args.file}: no failure could be read")
    try:
        for one in told(rehearse(history, asked, weights), len(history.failures), "failures rehearsed"):
            if isinstance(one, Bad):
                skipped.add(one)
                continue
            summary.add(one)
            if args.json:
                _say(shown.as_json(one))
            elif len(kept) < args.rows:
                kept.append(one)
        summary.bad = skipped.many
        if args.json:
            _say(summary.as_json())
        elif summary.failures:
            _show(summary, kept, odds=args.odds)
        sys.stdout.flush()
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads; else the interpreter would complain of it at its end
        return
    skipped.end()


def _policy(args: argparse.Namespace) -> wire.Policy:
    names = ("mode", "max_tries", "window_days", "min_gap_hours", "steps_days")
    told = {name: getattr(args, name) for name in names}
    if args.mode != "custom" and args.steps_days is not None:
        args.refuse("--steps-days is of --mode custom")
    try:
        return wire.Policy(type="policy", merchant="any", **told)
    except ValidationError as wrong:
        args.refuse(wrong.errors()[0]["msg"].removeprefix("Value error, "))
        raise


@contextmanager
def opened(name: str) -> Iterator[BinaryIO]:
    """Give a file, or standard input.

    Raises:
        OSError: it cannot be opened.
        SystemExit: it is no table; with a sentence that says why.
    """
    try:
        if name == "-":
            yield sys.stdin.buffer
        else:
            with Path(name).open("rb") as file:
                yield file
    except rows.NoTable as why:
        raise SystemExit(f"{name}: {why}") from None


class Skipped:
    """Tells of bad lines, the first of them one by one, and counts all."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self.many = 0

    def add(self, bad: Bad) -> None:
        """Tell of one."""
        self.many += 1
        if self.many <= BAD_SHOWN:
            self._out.write(f"line {bad.line}: {bad.why}\n")

    def all(self, those: Iterable[Bad]) -> None:
        """Tell of several."""
        for bad in those:
            self.add(bad)

    def end(self) -> None:
        """Tell how many there were, if any."""
        if self.many:
            self._out.write(f"{self.many:,} lines were skipped\n")


def told(those: Iterable[Rehearsed | Bad], of: int, what: str) -> Iterator[Rehearsed | Bad]:
    """Pass things on and say on a terminal how many have passed, and how long the rest takes."""
    if not sys.stderr.isatty():
        yield from those
        return
    began = said = time.monotonic()
    for number, one in enumerate(those, 1):
        yield one
        now = time.monotonic()
        if now - said > _EVERY:
            said = now
            left = (now - began) / number * (of - number)
            sys.stderr.write(f"\r{number:,} of {of:,} {what}, about {left:.0f} s left \x1b[K")
            sys.stderr.flush()
    sys.stderr.write("\r\x1b[K")


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(line)}\n")


def _show(summary: Summary, kept: list[Rehearsed], *, odds: bool) -> None:
    for line in shown.summed_up(summary):
        sys.stdout.write(f"{line}\n")
    for one in kept:
        sys.stdout.write("\n")
        for line in shown.written(one, odds=odds):
            sys.stdout.write(f"{line}\n")
    if left := summary.failures - len(kept):
        sys.stdout.write(f"\n{left:,} more failures: --rows shows more, --json all.\n")
