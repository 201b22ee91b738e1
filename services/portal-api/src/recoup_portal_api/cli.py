"""The command line: serve, migrate, republish, quarantine, create-merchant, create-key."""

import argparse
import secrets
import sys
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recoup_chassis import commands
from recoup_chassis.config import read
from recoup_chassis.postgres import Database
from recoup_events.settings import MerchantSetting
from recoup_portal_api import app
from recoup_portal_api.access import domain, store as access
from recoup_portal_api.config import Config
from recoup_portal_api.policy import handlers

ACTOR = "cli"


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


async def _database() -> Database:
    config = read(Store)
    return await Database.connect(config.database_url, source=app.SOURCE, partitions=config.kafka_partitions)


async def _create_merchant(arguments: argparse.Namespace) -> dict[str, str]:
    try:
        merchant = MerchantSetting(
            name=arguments.name, sandbox=arguments.sandbox, timezone=arguments.timezone
        )
    except ValidationError as wrong:
        for error in wrong.errors(include_url=False, include_input=False):
            sys.stderr.write(f"--{error['loc'][0]}: {error['msg']}\n")
        raise SystemExit(2) from None
    async with await _database() as db:
        return await create_merchant(db, f"m_{secrets.token_hex(8)}", merchant)


async def _create_key(arguments: argparse.Namespace) -> dict[str, str]:
    async with await _database() as db:
        return await create_key(db, arguments.merchant, arguments.name)


async def _republish(_: argparse.Namespace) -> dict[str, int]:
    async with await _database() as db:
        return {"republished": await handlers.republish(db)}


def main() -> int:
    """Do what the command line says; give the exit code."""
    whole, subcommands = commands.parser(
        app.SERVICE, "Decides what a customer or a merchant may see and change."
    )
    commands.add_serve(subcommands, app.serve)
    commands.add_common(subcommands, app.SERVICE, "recoup_portal_api", lambda: read(Config))
    republish = subcommands.add_parser("republish", help="announce every setting again")
    republish.set_defaults(run=_republish)
    merchant = subcommands.add_parser(
        "create-merchant", help="begin a merchant; prints its id and first API key"
    )
    merchant.add_argument("--name", required=True)
    merchant.add_argument("--sandbox", action="store_true", help="with a clock of its own, never live money")
    merchant.add_argument("--timezone", default="UTC", help="an IANA time zone")
    merchant.set_defaults(run=_create_merchant)
    key = subcommands.add_parser("create-key", help="make another API key of a merchant")
    key.add_argument("--merchant", required=True, help="the merchant's id")
    key.add_argument("--name", default="API key", help="what it is for")
    key.set_defaults(run=_create_key)
    return commands.run(whole)


if __name__ == "__main__":
    sys.exit(main())
