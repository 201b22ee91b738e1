"""The command line: serve, migrate, republish, create-merchant, create-key."""

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recoup_chassis.config import read
from recoup_chassis.migrate import migrate
from recoup_chassis.postgres import Database
from recoup_chassis.process import main as run
from recoup_events.settings import MerchantSetting
from recoup_portal_api import app
from recoup_portal_api.access import domain, store as access
from recoup_portal_api.config import Config
from recoup_portal_api.policy import handlers

ACTOR = "cli"


class Migration(BaseModel):
    """The environment of `migrate`."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    migration_database_url: str = Field(
        pattern=r"^postgres(ql)?://", description="the database, as its owner"
    )
    app_role: str = Field(min_length=1, description="the role that the service runs as")
    http_role: str = Field(min_length=1, description="the role that answers HTTP requests")


class Store(BaseModel):
    """The environment of the commands that need the database alone."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    database_url: str = Field(
        pattern=r"^postgres(ql)?://", description="the service's own database, as its app role"
    )
    kafka_partitions: int = Field(default=12, ge=1, le=1024, description="permanent for a cluster")


async def create_merchant(db: Database, merchant_id: str, merchant: MerchantSetting) -> dict[str, str]:
    """Begin a merchant with its first API key, which is shown this once."""
    async with db.transaction(()) as tx:
        await handlers.create_merchant(tx, ACTOR, merchant_id, merchant)
    return {"merchant_id": merchant_id, **await create_key(db, merchant_id, "first key")}


async def create_key(db: Database, merchant_id: str, name: str) -> dict[str, str]:
    """Make an API key of a merchant, which is shown this once."""
    key, key_id = domain.api_key(secrets.token_bytes(domain.SECRET_BYTES)), uuid4()
    async with db.transaction([merchant_id]) as tx:
        await access.add_api_key(tx, merchant_id, key_id, key, name)
        await access.audit(tx, merchant_id, ACTOR, ("key.created", str(key_id)), after={"name": name})
    return {"key_id": str(key_id), "api_key": key}


async def _with_database(act: Callable[[Database], Awaitable[Any]]) -> int:
    config = read(Store)
    async with await Database.connect(
        config.database_url, source=app.SOURCE, partitions=config.kafka_partitions
    ) as db:
        print(json.dumps(await act(db)))
    return 0


def _create_merchant(arguments: argparse.Namespace) -> int:
    try:
        merchant = MerchantSetting(
            name=arguments.name, sandbox=arguments.sandbox, timezone=arguments.timezone
        )
    except ValidationError as wrong:
        for error in wrong.errors(include_url=False, include_input=False):
            sys.stderr.write(f"--{error['loc'][0]}: {error['msg']}\n")
        return 2
    merchant_id = arguments.merchant_id or f"m_{secrets.token_hex(8)}"
    return asyncio.run(_with_database(lambda db: create_merchant(db, merchant_id, merchant)))


def _create_key(arguments: argparse.Namespace) -> int:
    return asyncio.run(_with_database(lambda db: create_key(db, arguments.merchant_id, arguments.name)))


def _republish(_: argparse.Namespace) -> int:
    async def act(db: Database) -> dict[str, int]:
        return {"settings": await handlers.republish(db)}

    return asyncio.run(_with_database(act))


def _migrate(_: argparse.Namespace) -> int:
    config = read(Migration)
    roles = {"app": config.app_role, "http": config.http_role}
    for name in asyncio.run(migrate(config.migration_database_url, "recoup_portal_api", roles)):
        print(name)
    return 0


def _serve(_: argparse.Namespace) -> int:
    return run(app.serve(read(Config)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; give the exit code."""
    parser = argparse.ArgumentParser(
        prog="portal-api", description="What a customer or a merchant may see and change."
    )
    commands = parser.add_subparsers(required=True)

    def command(name: str, about: str, act: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about)
        made.set_defaults(act=act)
        return made

    command("serve", "run the service until SIGTERM", _serve)
    command("migrate", "bring the database up to date, as its owner", _migrate)
    command("republish", "announce every setting again", _republish)
    merchant = command(
        "create-merchant", "begin a merchant; prints its id and first API key", _create_merchant
    )
    merchant.add_argument("--name", required=True)
    merchant.add_argument("--sandbox", action="store_true", help="with a clock of its own, never live money")
    merchant.add_argument("--timezone", default="UTC", help="an IANA time zone")
    merchant.add_argument("--merchant-id", help="chosen by you; otherwise made up")
    key = command("create-key", "make another API key of a merchant", _create_key)
    key.add_argument("--merchant-id", required=True)
    key.add_argument("--name", default="API key")
    chosen = parser.parse_args(arguments)
    act: Callable[[argparse.Namespace], int] = chosen.act
    return act(chosen)


if __name__ == "__main__":
    sys.exit(main())
