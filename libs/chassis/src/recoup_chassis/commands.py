"""The command line that all services share: serve, migrate, republish, quarantine, restored."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaProducer
from asyncpg import Record

from recoup_chassis import migrate, quarantine
from recoup_chassis.config import ServiceConfig
from recoup_chassis.postgres import Database
from recoup_chassis.process import main as run_service
from recoup_chassis.restored import StillRunning, restored
from recoup_chassis.service import connect

Command = Callable[[argparse.Namespace], Awaitable[Any]]
"""What a subcommand does; set as `run` on its parser. What it returns is printed as JSON, unless None."""


def parser(service: str, about: str) -> tuple[argparse.ArgumentParser, Any]:
    """Give a service's parser and its subcommands, to which the service may add its own."""
    whole = argparse.ArgumentParser(prog=service, description=about)
    return whole, whole.add_subparsers(dest="command", required=True, metavar="COMMAND")


def add_common(commands: Any, service: str, package: str, config: Callable[[], ServiceConfig]) -> None:
    """Add `migrate`, `quarantine` and `restored`, which are the same for every service."""
    migrating = commands.add_parser("migrate", help="bring the database up to date, as its owner")
    migrating.set_defaults(run=lambda _: _migrate(package))
    held = commands.add_parser("quarantine", help="list, replay or release what could not be processed")
    held.add_argument("action", choices=("list", "replay", "release"))
    held.add_argument("--topic", help="only what came by this topic")
    held.add_argument("--reason", help="only what was refused for this reason")
    held.add_argument("--merchant", help="only this merchant's")
    held.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    held.set_defaults(run=lambda args: _quarantine(service, config(), args))
    back = commands.add_parser("restored", help="make ready to start on a database that was restored")
    back.add_argument("--since", type=_instant, required=True, help="real time, 2026-01-31T09:00:00Z")
    back.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    back.set_defaults(run=lambda args: _restored(service, config(), args))


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no offset; write 2026-01-31T09:00:00Z")
    return at


async def _restored(service: str, config: ServiceConfig, args: argparse.Namespace) -> dict[str, int]:
    async with await connect(service, config) as database:
        try:
            return await restored(service, config, database, args.since, dry_run=args.dry_run)
        except StillRunning as why:
            sys.stderr.write(f"{StillRunning.__doc__}\n")
            raise SystemExit(1) from why


def add_serve(commands: Any, serve: Callable[[], Awaitable[None]]) -> None:
    """Add `serve`."""
    serving = commands.add_parser("serve", help="run until SIGTERM")
    serving.set_defaults(serve=serve)


def run(whole: argparse.ArgumentParser) -> int:
    """Parse the command line and do what it says; give the exit code."""
    args = whole.parse_args()
    if hasattr(args, "serve"):
        return run_service(args.serve())
    result = asyncio.run(args.run(args))
    if result is not None:
        sys.stdout.write(json.dumps(result, default=str) + "\n")
    return 0


async def _migrate(package: str) -> dict[str, list[str]]:
    told = {name: os.environ.get(name) for name in ("MIGRATION_DATABASE_URL", "APP_ROLE", "HTTP_ROLE")}
    missing = [f"{name} is missing.\n" for name, value in told.items() if not value and name != "HTTP_ROLE"]
    if missing:
        sys.stderr.write("".join(missing))
        raise SystemExit(2)
    roles = {"app": told["APP_ROLE"] or "", **({"http": told["HTTP_ROLE"]} if told["HTTP_ROLE"] else {})}
    return {"applied": await migrate.migrate(told["MIGRATION_DATABASE_URL"] or "", package, roles)}


async def _quarantine(service: str, config: ServiceConfig, args: argparse.Namespace) -> list[dict[str, Any]]:
    wanted = quarantine.Filter(args.topic, args.reason, args.merchant)
    async with await connect(service, config) as database:
        async with database.transaction(()) as tx:
            records = await quarantine.held(tx, wanted)
        if args.action == "replay" and not args.dry_run:
            await _replay(config, database, records)
        if args.action != "list" and not args.dry_run:
            async with database.transaction(()) as tx:
                await quarantine.release(tx, [record["quarantine_id"] for record in records])
    shown = (
        "quarantine_id",
        "topic",
        "partition",
        "record_offset",
        "reason",
        "detail",
        "merchant_id",
        "customer_id",
    )
    return [{name: record[name] for name in shown} for record in records]


async def _replay(config: ServiceConfig, database: Database, records: list[Record]) -> None:
    """Put records on their topics again, in the order of their offsets; a repeat finds its id in the inbox."""
    producer = AIOKafkaProducer(
        bootstrap_servers=config.kafka_bootstrap_servers, acks="all", enable_idempotence=True
    )
    await producer.start()
    try:
        for record in records:
            if record["topic"].startswith(quarantine.TIMER):
                async with database.transaction(()) as tx:
                    await quarantine.rearm(tx, record)
                continue
            headers = list(zip(record["header_names"], record["header_values"], strict=True))
            await producer.send_and_wait(
                config.kafka_topic_prefix + record["topic"],
                value=record["value"],
                key=record["key"],
                partition=record["partition"],
                headers=headers,
            )
    finally:
        await producer.stop()
