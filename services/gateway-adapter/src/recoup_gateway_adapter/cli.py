"""The command line: serve, migrate, republish, quarantine, restored, reseal, stop, resume, reconcile, decide."""

import argparse
from dataclasses import asdict
from typing import Any
from uuid import UUID

from recoup_chassis import commands
from recoup_chassis.config import read
from recoup_chassis.service import connect
from recoup_events.values import AttemptState
from recoup_gateway_adapter import app
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.charging import store as attempts
from recoup_gateway_adapter.charging.handlers import decide
from recoup_gateway_adapter.config import Config
from recoup_gateway_adapter.facts.reconcile import reconcile
from recoup_gateway_adapter.facts.republish import republish
from recoup_gateway_adapter.gateways.stripe.client import outgoing

PACKAGE = "recoup_gateway_adapter"


def main() -> int:
    """Do what the command line says."""
    whole, choices = commands.parser(
        app.NAME, "Decides what a gateway said, and asks it for charges exactly once."
    )
    commands.add_serve(choices, lambda: app.serve(read(Config)))
    commands.add_common(choices, app.NAME, PACKAGE, lambda: read(Config))
    again = choices.add_parser("republish", help="emit every snapshot again, for bootstrap and repair")
    again.set_defaults(run=lambda _: _republish(read(Config)))
    sealing = choices.add_parser("reseal", help="seal every secret with the newest of SEALING_KEYS")
    sealing.set_defaults(run=lambda _: _reseal(read(Config)))
    _add_charging(choices)
    return commands.run(whole)


def _add_charging(choices: Any) -> None:
    stopping = choices.add_parser("stop", help="charge nothing and end nothing, for anybody, until `resume`")
    stopping.set_defaults(run=lambda _: _stop(read(Config), stopped=True))
    resuming = choices.add_parser("resume", help="charge again")
    resuming.set_defaults(run=lambda _: _stop(read(Config), stopped=False))
    again = choices.add_parser("reconcile", help="after a restore: read event lists and open invoices again")
    again.set_defaults(run=lambda _: _reconcile(read(Config)))
    deciding = choices.add_parser("decide", help="say what became of an attempt that no look-up could tell")
    deciding.add_argument("merchant")
    deciding.add_argument("attempt", type=UUID)
    deciding.add_argument("outcome", choices=("succeeded", "declined", "not_sent"))
    deciding.set_defaults(run=lambda args: _decide(read(Config), args))


async def _republish(config: Config) -> dict[str, int]:
    async with await connect(app.NAME, config) as database:
        return {"snapshots": await republish(database)}


async def _reseal(config: Config) -> dict[str, int]:
    vault = Vault.parse(config.sealing_keys)
    async with await connect(app.NAME, config) as database:
        async with database.transaction(()) as tx:
            all_accounts = await accounts.owned(tx)
        for account in all_accounts:
            async with database.transaction([account.merchant_id]) as tx:
                await accounts.reseal(tx, vault, account.account_id)
    return {"accounts": len(all_accounts)}


async def _stop(config: Config, *, stopped: bool) -> dict[str, bool]:
    async with await connect(app.NAME, config) as database, database.transaction(()) as tx:
        await attempts.stop_everything(tx, stopped=stopped)
    return {"stopped": stopped}


async def _reconcile(config: Config) -> dict[str, Any]:
    async with await connect(app.NAME, config) as database, outgoing() as session:
        return asdict(await reconcile(database, Vault.parse(config.sealing_keys), session))


async def _decide(config: Config, args: argparse.Namespace) -> dict[str, bool]:
    async with await connect(app.NAME, config) as database, database.transaction([args.merchant]) as tx:
        return {"decided": await decide(tx, args.merchant, args.attempt, AttemptState(args.outcome))}
