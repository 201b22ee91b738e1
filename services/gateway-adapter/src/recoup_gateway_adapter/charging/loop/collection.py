"""Platform Management: switch the gateway's own collection off on each failed invoice, and see that it is."""

from datetime import timedelta

from recoup_chassis.postgres import Database, Tx
from recoup_chassis.telemetry import log
from recoup_events.values import Precedence
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.charging import store
from recoup_gateway_adapter.charging.domain import NoAnswer, Unprocessed
from recoup_gateway_adapter.charging.loop.ask import health_of
from recoup_gateway_adapter.facts.handlers import observe
from recoup_gateway_adapter.gateways.stripe import charges
from recoup_gateway_adapter.gateways.stripe.charges import Missing, Read
from recoup_gateway_adapter.gateways.stripe.client import Http, StripeClient
from recoup_gateway_adapter.gateways.stripe.translate import observations_of
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.store import Work

AGAIN_AFTER = timedelta(minutes=1)


class TakingOver:
    """Takes invoices over from the gateway's own retries.

    Args:
        vault: opens the accounts' keys.
        session: outgoing HTTP, shared by all accounts.
    """

    def __init__(self, database: Database, vault: Vault, session: Http) -> None:
        self._database, self._vault, self._session = database, vault, session

    async def run(self, work: Work) -> None:
        """Take one invoice over, if it is ours to collect."""
        async with self._database.transaction([work.merchant_id]) as tx:
            account = await store.account_of(tx, self._vault, work.merchant_id, work.account_id)
            precedence = (await accounts.precedence(tx, [work.merchant_id]))[work.merchant_id]
            if account is None or precedence is not Precedence.PLATFORM_MANAGEMENT:
                await _done(work, tx)
                return
            # who may not charge takes nobody else's retries away
            if await store.stopped_by(tx, account) is not None:
                await queue.again(tx, work, tx.real_now + AGAIN_AFTER)
                return
            at = tx.now(work.merchant_id).replace(microsecond=0)
        read = await charges.turn_collection_off(StripeClient(self._session, account), work.subject)
        async with self._database.transaction([work.merchant_id]) as tx:
            await tx.lock_customers([(work.merchant_id, work.customer_id)])
            match read:
                case Read(invoice, objects):
                    seen = [one for thing in objects for one in observations_of(thing, at=at)]
                    if invoice.collected_by_gateway:
                        log.error("collection.still_on", invoice=work.subject, account=work.account_id)
                        await queue.again(tx, work, tx.real_now + AGAIN_AFTER)
                    else:
                        await _done(work, tx)
                    await observe(tx, account, seen)
                case Missing():
                    await _done(work, tx)
                case Unprocessed(_, pause):
                    await queue.again(tx, work, tx.real_now + pause)
                    await queue.report(tx, work.merchant_id, work.account_id, health_of(read))
                case NoAnswer():
                    await queue.again(tx, work, tx.real_now + AGAIN_AFTER)
                    await queue.report(tx, work.merchant_id, work.account_id, health_of(read))


async def _done(work: Work, tx: Tx) -> None:
    await queue.done(tx, work.kind, work.merchant_id, work.account_id, work.subject)
