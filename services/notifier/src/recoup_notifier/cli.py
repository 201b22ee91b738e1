"""The command line: serve, migrate, republish, quarantine."""

import argparse
import sys

from recoup_chassis import commands
from recoup_chassis.config import read
from recoup_notifier import app
from recoup_notifier.config import Config


async def _republish(_: argparse.Namespace) -> dict[str, object]:
    return {"republished": 0, "reason": "the notifier owns no snapshot"}


def main() -> int:
    """Do what the command line says; give the exit code."""
    whole, subcommands = commands.parser(
        app.SERVICE, "Decides what to say, to whom, and when to keep silent."
    )
    commands.add_serve(subcommands, app.serve)
    commands.add_common(subcommands, app.SERVICE, "recoup_notifier", lambda: read(Config))
    republish = subcommands.add_parser("republish", help="emit every snapshot again; the notifier owns none")
    republish.set_defaults(run=_republish)
    return commands.run(whole)


if __name__ == "__main__":
    sys.exit(main())
