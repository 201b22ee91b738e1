"""Command line: `recoup-local up | down | status | renew | in SERVICE COMMAND…`."""

import argparse
import asyncio
import sys

from recoup_local import up as house_up
from recoup_local.state import LocalError, state_directory


def main() -> None:
    """Read the command line; exit 1 with one message when this machine lacks something."""
    parser = argparse.ArgumentParser(prog="recoup-local", description="Recoup on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start everything and leave it running")
    commands.add_parser("down", help="end it all")
    commands.add_parser("status", help="what is up, and where")
    renewing = commands.add_parser("renew", help="let renewals of the sandbox merchant fail")
    renewing.add_argument("--count", type=int, default=10, help="how many (%(default)s)")
    renewing.add_argument(
        "--seed", type=int, default=0, help="of the customers and their cards (%(default)s)"
    )
    inside = commands.add_parser("in", help="run a service's command in its environment")
    inside.add_argument("service")
    inside.add_argument("arguments", nargs=argparse.REMAINDER)
    told = parser.parse_args()
    command: str = told.command
    try:
        match command:
            case "up":
                show(house_up.run_up())
            case "down":
                ended = house_up.down()
                print(f"ended {', '.join(ended)}" if ended else "nothing was up")
            case "status":
                show(house_up.Up.read(state_directory()))
            case "renew":
                for reason, count in asyncio.run(house_up.renew(told.count, told.seed)).items():
                    print(f"  {count:>5} {reason.replace('_', ' ')}")
            case "in":
                house_up.become(told.service, told.arguments)
            case other:
                parser.error(f"unknown: {other}")
    except LocalError as error:
        sys.exit(f"recoup-local: {error}")


def show(there: house_up.Up | None) -> None:
    """Print what to open."""
    if there is None:
        print("nothing is up: `make up`")
        return
    for name, place in there.places.items():
        print(f"  {name:<26}{place}")
    if ended := there.ended():
        print(f"  {'ended':<26}{', '.join(ended)}")
