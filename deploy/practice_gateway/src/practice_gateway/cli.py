"""The command line: one process, one JSON line when it is ready, a clean end on SIGTERM."""

import asyncio
import gc
import json
import logging
import signal

import uvloop
from aiohttp import web

from practice_gateway.app import GATEWAY, build
from practice_gateway.config import Config, read_config

SHUTDOWN_SECONDS = 5.0  # for requests in flight
YOUNG_OBJECTS = 50_000
"""New containers between two looks for unreachable cycles: each goes through all that an account holds."""


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    config = read_config(arguments)
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        uvloop.run(_serve(config))
    except RuntimeError as error:
        raise SystemExit(str(error)) from error


async def _serve(config: Config) -> None:
    app = build(config)
    access = logging.getLogger("aiohttp.access") if config.access_log else None
    runner = web.AppRunner(app, access_log=access, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, config.host, config.port, backlog=1024)
    await site.start()
    port = runner.addresses[0][1]
    address = f"http://{config.host}:{port}"
    app[GATEWAY].origin = app[GATEWAY].origin or address
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print(json.dumps({"address": address, "state": str(config.state)}), flush=True)
    await stop.wait()
    await runner.cleanup()
