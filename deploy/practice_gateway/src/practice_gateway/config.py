"""The gateway's environment, read once."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from practice_gateway.errors import StripeError
from practice_gateway.versions import LEGACY, parse_version

DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the process was started with. Durations are real seconds."""

    host: str
    port: int
    state: Path
    api_version: str
    control_token: str
    public_url: str | None
    clock_url: str | None
    clock_token: str | None
    clock_every: float
    idempotency_lifetime: float
    backoff_first: float
    backoff_most: float
    access_log: bool


def read_config(arguments: list[str] | None = None) -> Config:
    """Read the command line over the environment.

    Raises:
        SystemExit: with one sentence, on a bad argument or a missing control token.
    """
    parser = argparse.ArgumentParser(
        prog="python -m practice_gateway",
        description="A payment gateway to practise on. Prints one JSON line when it is ready.",
        epilog="The control API's bearer token comes from PRACTICE_CONTROL_TOKEN, "
        "the clock's from PRACTICE_CLOCK_TOKEN.",
    )
    env = os.environ
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port; 0 takes a free one (%(default)s)")
    parser.add_argument("--state", type=Path, required=True, help="directory of the ledger and receipts")
    parser.add_argument(
        "--api-version",
        default=env.get("PRACTICE_API_VERSION", LEGACY),
        help="Stripe API version of new accounts (PRACTICE_API_VERSION, %(default)s)",
    )
    parser.add_argument(
        "--public-url",
        default=env.get("PRACTICE_PUBLIC_URL"),
        help="where customers' browsers find the hosted pages (PRACTICE_PUBLIC_URL, the address listened on)",
    )
    parser.add_argument(
        "--clock-url",
        default=env.get("PRACTICE_CLOCK_URL"),
        help="address of the merchant's clock; {account} in it stands for the account (PRACTICE_CLOCK_URL)",
    )
    _durations(parser)
    parser.add_argument("--access-log", action="store_true", help="log each request")
    chosen = parser.parse_args(arguments)
    token = env.get("PRACTICE_CONTROL_TOKEN", "")
    if not token:
        parser.error("PRACTICE_CONTROL_TOKEN is missing: the bearer token of the control API.")
    try:
        parse_version(chosen.api_version)
    except StripeError as error:
        parser.error(f"--api-version (PRACTICE_API_VERSION): {error}")
    return Config(
        host=chosen.host,
        port=chosen.port,
        state=chosen.state,
        api_version=chosen.api_version,
        control_token=token,
        public_url=chosen.public_url,
        clock_url=chosen.clock_url,
        clock_token=env.get("PRACTICE_CLOCK_TOKEN"),
        clock_every=chosen.clock_every,
        idempotency_lifetime=chosen.idempotency_lifetime,
        backoff_first=chosen.backoff_first,
        backoff_most=chosen.backoff_most,
        access_log=chosen.access_log,
    )


def _durations(parser: argparse.ArgumentParser) -> None:
    for name, default, meaning in (
        ("--clock-every", 1.0, "how often the clock is read"),
        ("--idempotency-lifetime", DAY, "how long an idempotency key is kept"),
        ("--backoff-first", 0.2, "pause after a webhook's first failure, doubled after each"),
        ("--backoff-most", 30.0, "longest pause between tries of a webhook"),
    ):
        parser.add_argument(name, type=_positive, default=default, help=f"{meaning}, seconds (%(default)s)")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value <= 30 * DAY:
        message = f"{text} is not between 0 and {30 * DAY:g} seconds"
        raise argparse.ArgumentTypeError(message)
    return value
