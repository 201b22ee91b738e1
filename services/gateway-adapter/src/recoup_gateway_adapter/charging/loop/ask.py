"""What it takes to ask a gateway about one attempt, and how its answers are told to the rest of us."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from recoup_chassis.errors import unprocessable
from recoup_chassis.postgres import Database, Tx
from recoup_chassis.telemetry import log
from recoup_gateway_adapter.accounts.domain import AccountRef
from recoup_gateway_adapter.charging.domain import Answer, Attempt, InvoiceSeen, NoAnswer, Unprocessed
from recoup_gateway_adapter.facts.handlers import observe_all
from recoup_gateway_adapter.gateways.contract import Observation
from recoup_gateway_adapter.gateways.stripe.client import Json, StripeClient
from recoup_gateway_adapter.gateways.stripe.translate import observations_of
from recoup_gateway_adapter.work import store as queue
from recoup_gateway_adapter.work.domain import Busy, Failing, Health, Healthy, RefusesUs
from recoup_gateway_adapter.work.store import Work
from recoup_gateway_adapter.work.together import Together

Seen = tuple[Json, str | None]
"""A gateway's object, and the key of our request that made its newest charge, where that is known."""


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One attempt in the executor's hands. `at`: the merchant's time before the requests, whole seconds."""

    desk: "Desk"
    client: StripeClient
    work: Work
    attempt: Attempt
    at: datetime

    @property
    def name(self) -> tuple[str, UUID]:
        """Merchant and attempt."""
        return self.attempt.merchant_id, self.attempt.attempt_id

    def of(self, attempt: Attempt) -> "Ask":
        """Go on with the attempt as it became."""
        return replace(self, attempt=attempt)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Open a transaction that holds the customer."""
        async with transaction(self.desk.database, [self]) as tx:
            yield tx


@dataclass(frozen=True)
class Reply:
    """What came of a request, and what it showed."""

    ask: Ask
    answer: Answer
    seen: Sequence[Seen]


@dataclass(frozen=True)
class Desk:
    """What the asks of one moment do together, one transaction for many.

    `marked`: gives the attempt whose request may go out now, committed; None where it may not.
    `saved`: saves what came of a request.
    """

    database: Database
    marked: Together[tuple[Ask, InvoiceSeen], Attempt | None]
    saved: Together[Reply, None]


@asynccontextmanager
async def transaction(database: Database, asks: Sequence[Ask]) -> AsyncIterator[Tx]:
    """Open a transaction that holds the customers of all asks."""
    async with database.transaction({ask.attempt.merchant_id for ask in asks}) as tx:
        await tx.lock_customers((ask.attempt.merchant_id, ask.attempt.customer_id) for ask in asks)
        yield tx


async def tell(tx: Tx, told: Sequence[tuple[Ask, Iterable[Seen]]]) -> None:
    """Let the facts be drawn from what the gateway showed; a webhook tells the same, should one be refused."""
    try:
        async with tx.savepoint():
            seen: dict[AccountRef, list[Observation]] = {}
            for ask, things in told:
                seen.setdefault(ask.client.account.ref, []).extend(
                    observation
                    for thing, key in things
                    for observation in observations_of(thing, at=ask.at, request_key=key)
                )
            await observe_all(tx, seen)
    except Exception as error:
        refusal = unprocessable(error)
        if refusal is None:
            raise
        if len(told) > 1:
            for one in told:
                await tell(tx, [one])
        else:
            log.error("answer.not_told", attempt=str(told[0][0].attempt.attempt_id), reason=refusal.reason)


async def report(tx: Tx, answers: Iterable[tuple[Ask, Answer]]) -> None:
    """Remember what answers say of their accounts' health."""
    well: set[tuple[str, str]] = set()
    for ask, answer in answers:
        account, health = (ask.attempt.merchant_id, ask.attempt.account_id), health_of(answer)
        if isinstance(health, Healthy) and account in well:
            continue
        flow = await queue.report(tx, *account, health)
        (well.add if isinstance(health, Healthy) else well.discard)(account)
        if flow is not None and flow.closed_because:
            log.warning(
                "account.closed",
                account=ask.attempt.account_id,
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
