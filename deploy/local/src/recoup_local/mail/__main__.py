"""Entry: `python -m recoup_local.mail --smtp-port 0 --http-port 0` says in one JSON line where it listens."""

import argparse
import asyncio
import json
import signal

import uvloop
from aiohttp import web

from recoup_local.mail.box import KEPT, Box
from recoup_local.mail.sink import listen
from recoup_local.mail.web import application
from recoup_local.ports import LOOPBACK


async def serve(smtp_port: int, http_port: int, kept: int) -> None:
    """Run until SIGTERM or SIGINT."""
    box = Box(kept)
    smtp = await listen(box, LOOPBACK, smtp_port)
    runner = web.AppRunner(application(box), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, http_port).start()
    ends = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ends.set)
    places = {"smtp_port": smtp.sockets[0].getsockname()[1], "http_port": runner.addresses[0][1]}
    print(json.dumps(places), flush=True)
    await ends.wait()
    smtp.close()
    await runner.cleanup()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m recoup_local.mail", description="Take mail, deliver none."
    )
    parser.add_argument("--smtp-port", type=int, default=0, help="0 (default): any free one")
    parser.add_argument("--http-port", type=int, default=0, help="0 (default): any free one")
    parser.add_argument("--keep", type=int, default=KEPT, help=f"mails, the oldest go first (default {KEPT})")
    told = parser.parse_args()
    uvloop.run(serve(told.smtp_port, told.http_port, told.keep))


if __name__ == "__main__":
    main()
