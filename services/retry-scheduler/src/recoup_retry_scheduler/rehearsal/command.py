"""The commands of rehearsal. What they need is loaded when one is run: `serve` has no use for the 18 MiB of numpy."""

import argparse
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add `decide` to the service's command line."""
    parser = commands.add_parser(
        "decide", help="decide as a filter: JSON lines in, JSON lines out (docs/decide.md)"
    )
    parser.add_argument(
        "--model", type=Path, help="start from the weights in this file, and keep them there at the end"
    )
    parser.add_argument("--frozen", action="store_true", help="decide without learning")
    parser.add_argument("--seed", type=_seed, default=0, help="fixes what exploration draws; from 0 on")
    parser.set_defaults(run=_decide)


def _seed(given: str) -> int:
    seed = int(given)
    if seed < 0:
        raise ValueError
    return seed


async def _decide(args: argparse.Namespace) -> None:
    from recoup_retry_scheduler.rehearsal import stream  # noqa: PLC0415  see above

    try:
        stream.filtered(args.model, frozen=args.frozen, seed=args.seed)
    except stream.OtherModel:
        raise SystemExit(f"{args.model}: {stream.OtherModel.__doc__}") from None
