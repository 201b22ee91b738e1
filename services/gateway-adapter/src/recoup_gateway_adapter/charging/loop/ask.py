"""What it takes to ask a gateway about one attempt, and how its answers are told to the rest of us."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from recoup_chassis.errors import unprocessable
from recoup_chassis.postgres import Database, Tx
from recoup_chassis.telemetry import log
from recoup_gateway_adapter.charging.domain import Answer, Attempt, NoAnswer, Unprocessed
from recoup_gateway_adapter.facts.handlers import observe
from recoup_gateway_adapter.gateways.stripe.client import Json, StripeClient
from recoup_gateway_adapter.gateways.stripe.translate import observations_of
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.domain import Busy, Failing, Health, Healthy, RefusesUs
from recoup_gateway_adapter.work.store import Work

Seen = tuple[Json, str | None]
"""A gateway's object, and the key of our request that made its newest charge, where that is known."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One attempt in the executor's hands. `at`: the merchant's time before the requests, whole seconds."""

    database: Database
    client: StripeClient
    work: Work
    attempt: Attempt
    at: datetime

    def of(self, attempt: Attempt) -> "Ask":
        """Go on with the attempt as it became."""
        return replace(self, attempt=attempt)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Open a transaction that holds the customer."""
        async with self.database.transaction([self.attempt.merchant_id]) as tx:
            await tx.lock_customers([(self.attempt.merchant_id, self.attempt.customer_id)])
            yield tx

    async def tell(self, tx: Tx, seen: Iterable[Seen]) -> None:
        """Let the facts be drawn from what the gateway showed; a webhook tells the same, should this be refused."""
        try:
            async with tx.savepoint():
                found = [
                    observation
                    for thing, key in seen
                    for observation in observations_of(thing, at=self.at, request_key=key)
                ]
                await observe(tx, self.client.account, found)
        except Exception as error:
            refusal = unprocessable(error)
            if refusal is None:
                raise
            log.error("answer.not_told", attempt=str(self.attempt.attempt_id), reason=refusal.reason)

    async def report(self, tx: Tx, answer: Answer) -> None:
        """Remember what an answer says of the account's health."""
        flow = await queue.report(tx, self.attempt.merchant_id, self.attempt.account_id, health_of(answer))
        if flow is not None and flow.closed_because:
            log.warning(
                "account.closed",
                account=self.attempt.account_id,
                reason=flow.closed_because,
                until=str(flow.closed_until),
            )


def health_of(answer: Answer) -> Health:
    """Say what an answer tells of the account it came from."""
    match answer:
        case Unprocessed("throttled", pause):
            return Busy(pause)
        case Unprocessed("account_refused"):
            return RefusesUs()
        case Unprocessed("not_reached"):
            return Failing("not_reached")
        case NoAnswer("key_reused" | "paid_nothing"):
            return Healthy()
        case NoAnswer(why):
            return Failing(why)
        case _:
            return Healthy()
