"""`retry-scheduler learn`: a log of attempts in, a version of the model out; and `models`, which lists and rolls back.

Promise: a version is judged by attempts that it has not seen, and is made active only if it foretells them no worse
than the one in use.
"""

import argparse
import gc
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from recoup_retry_scheduler.rehearsal import models, rows, stream
from recoup_retry_scheduler.rehearsal.logbook import Logbook
from recoup_retry_scheduler.rehearsal.models import About
from recoup_retry_scheduler.rehearsal.rehearsing import Skipped, opened
from recoup_retry_scheduler.rehearsal.rows import Bad, Row
from recoup_retry_scheduler.smart.attempts import Log
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.refit import losses, refit

HELD_OUT = 10
"""One attempt of so many, the newest, is not learnt from."""

_EVERY = 100_000
"""Lines between two words of progress."""


def learn(args: argparse.Namespace) -> None:
    """Fit the weights to a log, keep them, and make them active if they are no worse.

    Raises:
        SystemExit: with a sentence, for a log that cannot be read or has too few attempts.
        NoVersion: the model in use is not there.
        OtherModel: it is no model of ours.
        OSError: the log cannot be read, or nothing can be kept in the directory.
    """
    args.models.mkdir(parents=True, exist_ok=True)  # what cannot be kept is not worth a long fit
    in_use = models.active(args.models)
    before = Weights.prior() if in_use is None else stream.load(models.active_file(args.models))
    log = _read(args)
    attempts = len(log.attempts)
    taught = attempts - attempts // HELD_OUT
    if attempts < HELD_OUT:
        raise SystemExit(
            f"{args.file}: at least {HELD_OUT} attempts are wanted, and {attempts} could be read"
        )
    _progress(f"learning from {taught:,} attempts")
    after = refit(log, Weights.prior(), taught)
    about = About(
        version=models.reserve(args.models),
        made_at=datetime.now(UTC).replace(microsecond=0),
        source="standard input" if args.file == "-" else Path(args.file).name,
        attempts=taught,
        held_out=attempts - taught,
        before=_loss(log, before, taught),
        after=_loss(log, after, taught),
    )
    models.keep(args.models, after, about)
    _progress("")
    better = about.after <= about.before
    if better:
        models.use(args.models, about.version)
    _report(about, in_use, active=better)


def _loss(log: Log, weights: Weights, taught: int) -> float:
    return float(losses(log, weights)[taught:].mean())


def _read(args: argparse.Namespace) -> Log:
    book, skipped = Logbook(), Skipped(sys.stderr)
    gc.disable()  # nothing that is read is dropped before the end; looking through it again and again takes as long
    try:
        with opened(args.file) as file:
            skipped.all(book.take(_counted(rows.read(file, args.columns))))
    finally:
        gc.enable()
    _progress("")
    skipped.end()
    return book.log()


def _counted(those: Iterator[Row | Bad]) -> Iterator[Row | Bad]:
    for number, row in enumerate(those, 1):
        yield row
        if number % _EVERY == 0:
            _progress(f"{number:,} lines read")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()


def _report(about: About, in_use: int | None, *, active: bool) -> None:
    other = "what is believed before any data" if in_use is None else f"version {in_use}"
    sys.stdout.write(
        f"Learnt from {about.attempts:,} attempts, judged by the {about.held_out:,} after them: "
        f"log loss {about.after:.5f}, {about.before:.5f} with {other}.\n"
    )
    said = "It is active." if active else "It foretells worse and is not made active; --use does so."
    sys.stdout.write(f"Kept as version {about.version}. {said}\n")


def list_or_use(args: argparse.Namespace) -> None:
    """List the versions of a directory, or make one of them the active one.

    Raises:
        SystemExit: there is no such directory.
        NoVersion: there is no such version, or the pointer names none.
        OtherModel: its file is no model of ours.
    """
    if not args.folder.is_dir():
        raise SystemExit(f"{args.folder}: there is no such directory")
    if args.use is not None:
        models.use(args.folder, args.use)
    in_use = models.active(args.folder)
    line = "{:1} {:>7}  {:20}  {:>9}  {:>8}  {:>8}  {:>8}  {}\n"
    header = ("", "version", "made at (UTC)", "attempts", "held out", "before", "after", "source")
    sys.stdout.write(line.format(*header))
    for about in models.listed(args.folder):
        cells = (
            "*" if about.version == in_use else "",
            about.version,
            f"{about.made_at:%Y-%m-%d %H:%M:%S}",
            f"{about.attempts:,}",
            f"{about.held_out:,}",
            f"{about.before:.5f}",
            f"{about.after:.5f}",
            about.source,
        )
        sys.stdout.write(line.format(*cells))
