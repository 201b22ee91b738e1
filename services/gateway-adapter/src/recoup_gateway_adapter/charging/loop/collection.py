"""Platform Management: switch the gateway's own collection off on each failed invoice, and see that it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from recoup_chassis.postgres import Database
from recoup_chassis.telemetry import log
from recoup_events.values import Precedence
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import Account, AccountRef
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.charging import store
from recoup_gateway_adapter.charging.domain import NoAnswer, Unprocessed
from recoup_gateway_adapter.charging.loop.ask import health_of
from recoup_gateway_adapter.facts.handlers import observe_all
from recoup_gateway_adapter.gateways.contract import Observation
from recoup_gateway_adapter.gateways.stripe import charges
from recoup_gateway_adapter.gateways.stripe.charges import Missing, Read
from recoup_gateway_adapter.gateways.stripe.client import Http, StripeClient
from recoup_gateway_adapter.gateways.stripe.translate import observations_of
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.store import Work
from recoup_gateway_adapter.work.together import Together

AGAIN_AFTER = timedelta(minutes=1)


@dataclass(frozen=True)
class _Asked:
    """An invoice that was asked for. `at`: the merchant's time before the request, whole seconds."""

    work: Work
    account: Account
    at: datetime
    read: Read | Missing | Unprocessed | NoAnswer

    @property
    def seen(self) -> list[Observation]:
        """What the answer shows."""
        objects = self.read.objects if isinstance(self.read, Read) else ()
        return [one for thing in objects for one in observations_of(thing, at=self.at)]


class TakingOver:
    """Takes invoices over from the gateway's own retries: one request each, judged and saved many at a time.

    Args:
        vault: opens the accounts' keys.
        session: outgoing HTTP, shared by all accounts.
    """

    def __init__(self, database: Database, vault: Vault, session: Http) -> None:
        self._database, self._vault, self._session = database, vault, session
        self._judged = Together(self._judge)
        self._saved = Together(self._save)

    async def run(self, work: Work) -> None:
        """Take one invoice over, if it is ours to collect."""
        ours = await self._judged(work)
        if ours is not None:
            account, at = ours
            read = await charges.turn_collection_off(StripeClient(self._session, account), work.subject)
            await self._saved(_Asked(work, account, at, read))

    async def _judge(self, works: Sequence[Work]) -> list[tuple[Account, datetime] | None]:
        """Give the accounts to ask, where the invoice is ours to take over."""
        merchants = {work.merchant_id for work in works}
        async with self._database.transaction(merchants) as tx:
            asked = {(work.merchant_id, work.account_id) for work in works}
            found = await store.accounts_of(tx, self._vault, asked)
            precedence = await accounts.precedence(tx, merchants)
            # who may not charge takes nobody else's retries away
            stopped = await store.stopped_among(tx, found.values())
            ours: list[tuple[Account, datetime] | None] = []
            foreign, later = [], []
            for work in works:
                account = found.get((work.merchant_id, work.account_id))
                if account is None or precedence[work.merchant_id] is not Precedence.PLATFORM_MANAGEMENT:
                    foreign.append(work)
                    ours.append(None)
                elif work.account_id in stopped:
                    later.append((work, tx.real_now + AGAIN_AFTER))
                    ours.append(None)
                else:
                    ours.append((account, tx.now(work.merchant_id).replace(microsecond=0)))
            await queue.done(tx, foreign)
            await queue.again(tx, later)
            return ours

    async def _save(self, answers: Sequence[_Asked]) -> list[None]:
        """Save what was answered, and tell what it shows."""
        over, later = [], []
        seen: dict[AccountRef, list[Observation]] = {}
        async with self._database.transaction({asked.work.merchant_id for asked in answers}) as tx:
            await tx.lock_customers((asked.work.merchant_id, asked.work.customer_id) for asked in answers)
            for asked in answers:
                work = asked.work
                seen.setdefault(asked.account.ref, []).extend(asked.seen)
                match asked.read:
                    case Read(invoice) if invoice.collected_by_gateway:
                        log.error("collection.still_on", invoice=work.subject, account=work.account_id)
                        later.append((work, tx.real_now + AGAIN_AFTER))
                    case Read() | Missing():
                        over.append(work)
                    case Unprocessed(_, pause) as unprocessed:
                        later.append((work, tx.real_now + pause))
                        await queue.report(tx, work.merchant_id, work.account_id, health_of(unprocessed))
                    case NoAnswer() as silent:
                        later.append((work, tx.real_now + AGAIN_AFTER))
                        await queue.report(tx, work.merchant_id, work.account_id, health_of(silent))
            await queue.done(tx, over)
            await queue.again(tx, later)
            await observe_all(tx, seen)
        return [None] * len(answers)
