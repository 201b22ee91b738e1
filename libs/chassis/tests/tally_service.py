"""The miniature service as a process of its own, to be killed: each failure counted is announced as a success."""

import sys
from collections.abc import Sequence

from recoup_chassis import clocks, commands, service
from recoup_chassis.config import ServiceConfig, read
from recoup_chassis.postgres import Tx
from recoup_events.models import PaymentFailed, PaymentSucceeded, SettingsChanged
from recoup_events.values import fact_id


async def count_and_answer(batch: Sequence[PaymentFailed], tx: Tx) -> None:
    """Count each failure, and announce one success for it."""
    for event in batch:
        await tx.execute(
            "INSERT INTO tally VALUES ($1, $2, 1) ON CONFLICT (merchant_id, customer_id) DO UPDATE SET n = tally.n + 1",
            event.merchant_id,
            event.customer_id,
        )
    await tx.emit(
        PaymentSucceeded(
            id=fact_id(event.account_id, "payment.succeeded", event.charge_id or ""),
            time=event.time,
            merchant_id=event.merchant_id,
            customer_id=event.customer_id,
            account_id=event.account_id,
            gateway=event.gateway,
            charge_id=event.charge_id,
            amount=event.amount,
        )
        for event in batch
    )


async def serve() -> None:
    """Run until SIGTERM."""
    config = read(ServiceConfig)
    database = await service.connect("tally", config)
    await service.serve(
        "tally",
        config,
        database,
        subscriptions={PaymentFailed: count_and_answer, SettingsChanged: clocks.settings_changed},
    )


if __name__ == "__main__":
    whole, subcommands = commands.parser("tally", "Counts failures.")
    commands.add_serve(subcommands, serve)
    commands.add_common(subcommands, "tally", "recoup_chassis", lambda: read(ServiceConfig))
    sys.exit(commands.run(whole))
