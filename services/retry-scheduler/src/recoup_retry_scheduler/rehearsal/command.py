"""The commands of rehearsal. What they need is loaded when one is run: `serve` has no use for the 18 MiB of numpy."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

_REHEARSE = """\
Shows what a policy would have planned for past failures, beside 1/3/7 and even tries (docs/rehearse.md).

  retry-scheduler rehearse failures.csv --mode custom --steps-days 2,5,9 --columns at=created,code=decline_code

What would have become of those tries nobody knows, and nothing is said of it."""

_LEARN = """\
Fits the model to a log of attempts and keeps it as a version, active if it foretells the newest of them no worse than
the one in use (docs/learn.md).

  retry-scheduler learn attempts.jsonl --models models
  retry-scheduler decide --model models --frozen < events.jsonl"""


def add(commands: Any) -> None:
    """Add `decide`, `rehearse`, `learn` and `models` to the service's command line."""
    _add_decide(commands)
    _add_rehearse(commands)
    _add_learn(commands)
    _add_models(commands)


def _add_decide(commands: Any) -> None:
    parser = commands.add_parser(
        "decide", help="decide as a filter: JSON lines in, JSON lines out (docs/decide.md)"
    )
    parser.add_argument(
        "--model", type=Path, help="start from the weights in this file, and keep them there at the end"
    )
    parser.add_argument("--frozen", action="store_true", help="decide without learning")
    parser.add_argument("--seed", type=_seed, default=0, help="fixes what exploration draws; from 0 on")
    parser.set_defaults(run=_decide, refuse=parser.error)


def _add_rehearse(commands: Any) -> None:
    parser = commands.add_parser(
        "rehearse",
        help="show what a policy would have planned for past failures (docs/rehearse.md)",
        description=_REHEARSE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_file(parser, "past failures")
    parser.add_argument("--mode", choices=("smart", "custom", "even", "fixed"), default="smart")
    parser.add_argument("--max-tries", type=int, default=3, help="after the first failure, 0 to 15")
    parser.add_argument("--window-days", type=float, default=14, help="from the first failure, 1 to 60")
    parser.add_argument("--min-gap-hours", type=float, default=10, help="between a decline and the next try")
    parser.add_argument(
        "--steps-days", type=_days, metavar="1,3,7", help="of mode custom, days after the first failure"
    )
    parser.add_argument("--model", type=Path, help="what a file has learnt; else what is believed before")
    parser.add_argument("--rows", type=int, default=20, help="failures that are shown one by one (20)")
    parser.add_argument("--odds", action="store_true", help="show the model's odds of each try, its opinion")
    parser.add_argument("--json", action="store_true", help="everything, as JSON lines")
    parser.set_defaults(run=_rehearse, refuse=parser.error)


def _add_learn(commands: Any) -> None:
    parser = commands.add_parser(
        "learn",
        help="fit the model to a log of attempts, and keep it as a version (docs/learn.md)",
        description=_LEARN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_file(parser, "a log of attempts, in the order of time")
    parser.add_argument("--models", type=Path, required=True, metavar="DIR", help="the directory of versions")
    parser.set_defaults(run=_learn)


def _add_models(commands: Any) -> None:
    parser = commands.add_parser("models", help="list the versions of the model, or go back to one")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the directory of versions")
    parser.add_argument("--use", type=int, metavar="VERSION", help="make it the active one")
    parser.set_defaults(run=_models)


def _add_file(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument("file", metavar="FILE", help=f"{what}: CSV or JSON lines; - is standard input")
    parser.add_argument(
        "--columns", type=_names, default={}, metavar="FIELD=NAME,…", help="columns of other names"
    )


def _days(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _names(text: str) -> dict[str, str]:
    parts = [part.partition("=") for part in text.split(",")]
    if not all(field and name for field, _, name in parts):
        raise argparse.ArgumentTypeError("FIELD=NAME is wanted, for instance at=created,code=decline_code")
    return {field.strip(): name for field, _, name in parts}


def _seed(given: str) -> int:
    seed = int(given)
    if seed < 0:
        raise ValueError
    return seed


async def _decide(args: argparse.Namespace) -> None:
    from recoup_retry_scheduler.rehearsal import models, stream  # noqa: PLC0415  see above

    if args.model is not None and args.model.is_dir() and not args.frozen:
        args.refuse("a directory of models is only read: --frozen is wanted beside it")

    def decide() -> None:
        stream.filtered(models.file_of(args.model), frozen=args.frozen, seed=args.seed)

    _or_say(args.model, decide)


async def _rehearse(args: argparse.Namespace) -> None:
    from recoup_retry_scheduler.rehearsal import rehearsing  # noqa: PLC0415  see above

    _or_say(args.model, lambda: rehearsing.run(args))


async def _learn(args: argparse.Namespace) -> None:
    from recoup_retry_scheduler.rehearsal import fitting  # noqa: PLC0415  see above

    _or_say(args.models, lambda: fitting.learn(args))


async def _models(args: argparse.Namespace) -> None:
    from recoup_retry_scheduler.rehearsal import fitting  # noqa: PLC0415  see above

    _or_say(args.folder, lambda: fitting.list_or_use(args))


def _or_say(model: Path | None, do: Callable[[], None]) -> None:
    """Do something that reads a model, or end with a word about it, or about a file that cannot be had."""
    from recoup_retry_scheduler.rehearsal import models, stream  # noqa: PLC0415  see above

    try:
        do()
    except stream.OtherModel:
        raise SystemExit(f"{model}: {stream.OtherModel.__doc__}") from None
    except models.NoVersion as why:
        raise SystemExit(str(why)) from None
    except OSError as why:
        raise SystemExit(f"{why.filename or model}: {why.strerror}") from None
