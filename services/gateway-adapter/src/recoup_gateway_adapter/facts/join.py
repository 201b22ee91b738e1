"""Join: when a twin has not come, ask the gateway for what is missing, then tell with what is known.

Promise: many waits share a transaction and their questions go out side by side; no transaction stays open while a
gateway is asked; silence is borne for long, for a fact told too early would be told wrong; "there is none" settles
at once; a wait that breaks something holds up no other; after a crash somebody else goes on within a lease.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from recoup_chassis.errors import Unprocessable, is_retryable
from recoup_chassis.postgres import Database, Tx, columns
from recoup_chassis.telemetry import log
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import Account, AccountRef
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.facts import metrics
from recoup_gateway_adapter.facts.domain.facts import Join, JoinKind
from recoup_gateway_adapter.facts.domain.needs import Need
from recoup_gateway_adapter.facts.handlers import Around, Look, reconsider_all
from recoup_gateway_adapter.facts.store import sql
from recoup_gateway_adapter.gateways.contract import Observation
from recoup_gateway_adapter.gateways.stripe.client import Http, StripeClient
from recoup_gateway_adapter.gateways.stripe.fetch import Fetched, Found, Gone, Unanswered, fetch

AT_ONCE = 200
SIDE_BY_SIDE, OF_ONE_ACCOUNT = 32, 8
"""Questions asked at the same time, in all and of one account."""

ROUNDS = 4
"""Intent, charge, invoice: each answer may name the next question."""

LEASE = timedelta(seconds=15)
RENEW_SECONDS = 4.0
"""A lease is renewed while its join is under way, and expires soon after a crash."""

CARD_IS_HELD = timedelta(seconds=60)
HELD_CARD_AGAIN = timedelta(seconds=2)
AGAIN_FROM, AGAIN_TO = 2.0, 300.0
"""Seconds between questions that got no answer, doubling."""

BROKEN_OFF_AGAIN = timedelta(seconds=1)


@dataclass(slots=True)
class _Wait:
    """A join that is due. `waited`: for how long it has waited; `gone`: the gateway knows no such thing."""

    merchant_id: str
    account_id: str
    join: Join
    tries: int
    waited: timedelta
    missing: list[Need] = field(default_factory=list)
    asked: set[Need] = field(default_factory=set)
    silent: bool = False
    gone: bool = False

    @property
    def named(self) -> tuple[str, Join]:
        """Which join, over all accounts."""
        return self.account_id, self.join

    @property
    def answered(self) -> bool:
        """Whether the gateway said what there is, as far as it was asked."""
        return not self.silent and not self.gone

    @property
    def new(self) -> list[Need]:
        """What is to be asked and was not yet."""
        return [] if self.silent else [need for need in self.missing if need not in self.asked]


@dataclass(slots=True)
class _Batch:
    """Waits under way. `at`: merchants' times; `seen`: answers not yet observed, by account.

    `quiet`: accounts that gave no answer; they are left alone for a while.
    """

    waits: list[_Wait]
    accounts: Mapping[str, Account] = field(default_factory=dict)
    at: Mapping[str, datetime] = field(default_factory=dict)
    seen: dict[str, list[Observation]] = field(default_factory=dict)
    quiet: set[str] = field(default_factory=set)


class Joining:
    """Ends waits.

    Args:
        patience: how long a gateway's silence is borne before a fact is told with what is known (real time).
    """

    def __init__(self, database: Database, vault: Vault, session: Http, patience: timedelta) -> None:
        self._database, self._vault, self._session, self._patience = database, vault, session, patience

    async def once(self) -> bool:
        """End the waits that are due; True when more may be."""
        async with self._database.transaction(()) as tx:
            claimed = await tx.fetch(sql.claim_joins, AT_ONCE, LEASE)
        if not claimed:
            return False
        renewing = asyncio.create_task(self._renew([_wait(row) for row in claimed]))
        try:
            await self._end_all(claimed)
        finally:
            renewing.cancel()
        return len(claimed) == AT_ONCE

    async def _end_all(self, claimed: Sequence[Mapping[str, Any]]) -> None:
        try:
            await self._end([_wait(row) for row in claimed])
        except Exception as error:
            if is_retryable(error):
                await self._later((_wait(row), BROKEN_OFF_AGAIN) for row in claimed)
                raise
            log.warning("joining.one_by_one", error=repr(error)[:300])
            for row in claimed:
                await self._alone(_wait(row))

    async def _alone(self, wait: _Wait) -> None:
        """End one wait of a batch that failed, so that only the culprit waits on."""
        try:
            await self._end([wait])
        except Exception as error:
            if is_retryable(error):
                raise
            log.error("join.failed", join=str(wait.join), account=wait.account_id, exc_info=error)
            await self._later([(wait, _pause(wait))])

    async def _end(self, waits: list[_Wait]) -> None:
        batch = _Batch(waits)
        for _ in range(ROUNDS):
            await self._reconsider(batch)
            if not any(wait.new for wait in batch.waits):
                break
            await self._ask(batch)
        if batch.waits:
            await self._finish(batch)

    async def _reconsider(self, batch: _Batch) -> None:
        """Observe the answers, and keep the waits that are not over."""
        merchants = {wait.merchant_id for wait in batch.waits}
        async with self._database.transaction(merchants) as tx:
            batch.accounts = await accounts.opened(tx, self._vault, {wait.account_id for wait in batch.waits})
            batch.at = {one: tx.now(one).replace(microsecond=0) for one in merchants if tx.knows(one)}
            waiting = await reconsider_all(tx, _looks(batch, batch.waits))
        batch.seen = {}
        batch.waits = [wait for wait in batch.waits if wait.named in waiting]
        for wait in batch.waits:
            wait.missing = waiting[wait.named]
            # we know no clock of the merchant's yet, or may not ask any more
            mute = wait.merchant_id not in batch.at or not batch.accounts[wait.account_id].enabled
            wait.silent = wait.silent or (mute and bool(wait.new))

    async def _ask(self, batch: _Batch) -> None:
        """Ask for what is missing, each thing once."""
        wanted: dict[tuple[str, Need], list[_Wait]] = defaultdict(list)
        for wait in batch.waits:
            for need in wait.new:
                wanted[wait.account_id, need].append(wait)
        in_all = asyncio.Semaphore(SIDE_BY_SIDE)
        of_one = {account_id: asyncio.Semaphore(OF_ONE_ACCOUNT) for account_id, _ in wanted}

        async def one(account_id: str, need: Need, waits: list[_Wait]) -> None:
            async with of_one[account_id], in_all:
                answer = await self._answer(batch, batch.accounts[account_id], need, waits)
            if isinstance(answer, Found):
                batch.seen.setdefault(account_id, []).extend(answer.observations)
            for wait in waits:
                wait.asked.add(need)
                wait.silent |= isinstance(answer, Unanswered)
                wait.gone |= isinstance(answer, Gone)

        asking = (one(account_id, need, waits) for (account_id, need), waits in wanted.items())
        for failure in await asyncio.gather(*asking, return_exceptions=True):
            if isinstance(failure, BaseException):
                raise failure

    async def _answer(self, batch: _Batch, account: Account, need: Need, waits: list[_Wait]) -> Fetched:
        if account.account_id in batch.quiet and all(wait.waited < self._patience for wait in waits):
            return Unanswered("quiet")
        try:
            answer = await fetch(StripeClient(self._session, account), need, batch.at[account.merchant_id])
        except Unprocessable as broken:
            log.warning("join.unreadable", need=type(need).__name__, reason=broken.reason)
            answer = Gone()
        if isinstance(answer, Unanswered):
            batch.quiet.add(account.account_id)
        metrics.ASKED.labels(type(answer).__name__.lower()).inc()
        return answer

    async def _finish(self, batch: _Batch) -> None:
        """Tell with what is known, or wait on."""
        later = [(wait, again) for wait in batch.waits if (again := self._again(wait)) is not None]
        borne = {wait.named for wait, _ in later}
        settled = [wait for wait in batch.waits if wait.named not in borne]
        for wait in settled:
            metrics.SETTLED.labels(wait.join.kind.value, str(wait.answered).lower()).inc()
        unanswered = _joins(wait for wait in settled if not wait.answered)
        looks = {
            account: replace(
                look, around=Around(settle=look.joins, unanswered=unanswered[account.account_id])
            )
            for account, look in _looks(batch, settled).items()
        }
        async with self._database.transaction({wait.merchant_id for wait in batch.waits}) as tx:
            await reconsider_all(tx, looks)
            await _ask_again(tx, later)

    def _again(self, wait: _Wait) -> timedelta | None:
        """Say how long to wait on; None where it has waited long enough, or was answered."""
        if wait.silent and wait.waited < self._patience:
            return _pause(wait)
        held = wait.join.kind is JoinKind.INSTRUMENT and wait.waited < CARD_IS_HELD
        return HELD_CARD_AGAIN if held and not wait.asked and not wait.silent else None

    async def _renew(self, under_way: Sequence[_Wait]) -> None:
        names = columns([(wait.account_id, wait.join.kind.value, wait.join.subject) for wait in under_way], 3)
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                async with self._database.transaction(()) as tx:
                    await tx.execute(sql.renew_joins, *names, LEASE)
            except Exception as error:
                if not is_retryable(error):
                    raise
                log.warning("joins.not_renewed", error=repr(error)[:200])

    async def _later(self, waits: Iterable[tuple[_Wait, timedelta]]) -> None:
        async with self._database.transaction(()) as tx:
            await _ask_again(tx, waits)


async def _ask_again(tx: Tx, waits: Iterable[tuple[_Wait, timedelta]]) -> None:
    rows = [(wait.account_id, wait.join.kind.value, wait.join.subject, again) for wait, again in waits]
    if rows:
        await tx.execute(sql.ask_again, *columns(rows, 4))


def _wait(row: Mapping[str, Any]) -> _Wait:
    join = Join(JoinKind(row["kind"]), row["subject"])
    return _Wait(row["merchant_id"], row["account_id"], join, row["tries"], row["waited"])


def _pause(wait: _Wait) -> timedelta:
    return timedelta(seconds=min(AGAIN_FROM * 2 ** min(wait.tries, 10), AGAIN_TO))


def _joins(waits: Iterable[_Wait]) -> dict[str, frozenset[Join]]:
    """Give the joins of each account."""
    found: dict[str, frozenset[Join]] = defaultdict(frozenset)
    for wait in waits:
        found[wait.account_id] |= {wait.join}
    return found


def _looks(batch: _Batch, waits: Iterable[_Wait]) -> dict[AccountRef, Look]:
    joins = _joins(waits)
    return {
        account: Look(batch.seen.get(account_id, ()), joins[account_id])
        for account_id, account in batch.accounts.items()
    }
