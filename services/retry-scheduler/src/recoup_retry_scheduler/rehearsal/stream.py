"""`retry-scheduler decide`: lines in, lines out, flushed after each; what was learnt is kept in a file."""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar
from zipfile import BadZipFile

import numpy as np
from pydantic import TypeAdapter

from recoup_retry_scheduler.rehearsal import wire
from recoup_retry_scheduler.rehearsal.books import Answer
from recoup_retry_scheduler.rehearsal.customers import Arrays, Customers
from recoup_retry_scheduler.rehearsal.decide import Decider
from recoup_retry_scheduler.smart import odds
from recoup_retry_scheduler.smart.learning import Weights
from recoup_retry_scheduler.smart.mind import Mind

_ANSWER = TypeAdapter(Answer)


T = TypeVar("T")


class OtherModel(Exception):
    """The file holds weights of other features: it is of another release, or no model."""


def filtered(model: Path | None, *, frozen: bool, seed: int) -> None:
    """Answer standard input on standard output, from what a file has learnt, and keep there what is learnt more.

    Args:
        seed: fixes what is drawn.

    Raises:
        OtherModel: the file is no model of ours.
    """
    weights, customers = (Weights.prior(), Customers())
    if model is not None and model.exists():
        weights, customers = load(model), load_customers(model)
    decider = Decider(Mind(weights, seed, frozen), customers)
    gc.freeze()
    gc.set_threshold(10_000, 20, 10_000)  # what is forgotten leaves no cycles; a whole collection takes 0.1 s
    try:
        run(decider, sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        sys.stderr.close()  # nobody reads; else the interpreter would complain of it at its end
    if model is not None and not frozen:
        weights.learn()
        save(model, weights, decider.learnt())


def run(decider: Decider, lines: BinaryIO, answers: BinaryIO) -> None:
    """Answer each line before the next is read."""
    for number, raw in wire.lines(lines):
        told = [{"error": wire.TOO_LONG, "line": number}] if raw is None else list(decider.hear(raw, number))
        if told:
            answers.write(b"".join(_ANSWER.dump_json(answer) + b"\n" for answer in told))
            answers.flush()


def save(path: Path, weights: Weights, customers: Customers | None = None) -> None:
    """Keep weights and what is believed of customers, whole or not at all."""
    unfinished = path.with_name(path.name + ".new")
    with unfinished.open("wb") as file:
        arrays = {} if customers is None else customers.arrays()
        arrays |= {"names": np.array(odds.NAMES), "mean": weights.mean, "precision": weights.precision}
        np.savez(file, allow_pickle=False, seen=weights.seen, **arrays)
    unfinished.replace(path)


def load(path: Path) -> Weights:
    """Give kept weights.

    Raises:
        OtherModel: they are of other features, or the file is no model.
    """
    return _read(path, lambda kept: Weights(kept["mean"], kept["precision"], seen=int(kept["seen"])))


def load_customers(path: Path) -> Customers:
    """Give what is believed of customers.

    Raises:
        OtherModel: as for `load`.
    """
    return _read(path, Customers.of)


def _read(path: Path, what: Callable[[Arrays], T]) -> T:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            if tuple(kept["names"]) != odds.NAMES:
                raise OtherModel
            return what(kept)
    except (ValueError, KeyError, TypeError, EOFError, BadZipFile) as why:
        raise OtherModel from why
