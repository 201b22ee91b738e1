"""Command line: `recoup-local up | down | status | in SERVICE COMMAND…`."""

import argparse
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
