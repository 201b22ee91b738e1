"""`retry-scheduler`: serve, migrate, republish, quarantine, decide, rehearse, learn, models."""

import argparse
import sys

from recoup_chassis import commands
from recoup_chassis.config import read
from recoup_retry_scheduler.app import PACKAGE, SERVICE, serve
from recoup_retry_scheduler.config import Config
from recoup_retry_scheduler.rehearsal import command


def main() -> int:
    """Run the command line; give the exit code."""
    whole, choices = commands.parser(SERVICE, "Decides when to try again, and when to stop.")
    commands.add_serve(choices, lambda: serve(read(Config)))
    commands.add_common(choices, SERVICE, PACKAGE, lambda: read(Config))
    republishing = choices.add_parser("republish", help="emit every snapshot again (this service has none)")
    republishing.set_defaults(run=_republish)
    command.add(choices)
    return commands.run(whole)


async def _republish(_: argparse.Namespace) -> dict[str, int]:
    """Emit nothing: all that this service says is what happened, and its topics keep that for 90 days."""
    return {"republished": 0}


if __name__ == "__main__":
    sys.exit(main())
