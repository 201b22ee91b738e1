"""The event cursor: once an hour of the merchant's time, read the gateway's own event list from where we left off.

Promise: a webhook that never came is found here; the list is read to its end before the cursor moves, and what was
known already changes nothing, because list and webhooks are stored by the same key. Nearly all of a list is known, so
that is asked first; what is not known is hidden before anything else is done with it.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from recoup_chassis.errors import Unprocessable
from recoup_chassis.postgres import Database
from recoup_chassis.queries import load
from recoup_chassis.telemetry import log
from recoup_events.sensitive import hidden
from recoup_gateway_adapter.accounts import store as accounts
from recoup_gateway_adapter.accounts.domain import Account
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.facts import metrics
from recoup_gateway_adapter.gateways.stripe.client import Answered, Http, Json, StripeClient
from recoup_gateway_adapter.gateways.stripe.events import Envelope, envelope_of
from recoup_gateway_adapter.ingest import store as ingest
from recoup_gateway_adapter.ingest.domain import BODY_BYTES, Webhook

EVERY = timedelta(hours=1)
"""Merchant's time."""

REST = timedelta(seconds=1)
"""Real time: a fast sandbox clock makes us look no oftener."""

OVERLAP = timedelta(minutes=5)
"""Gateway's time: an event may appear in the list a little after its instant."""

OVERLAP_REAL_SECONDS = 0.2
"""The same for a fast sandbox clock, in real seconds, which its rate multiplies."""

ACCOUNTS_AT_ONCE = 20
LEASE = timedelta(seconds=15)
"""Real time, from each page on; soon after a crash somebody else reads the list. Where a page takes longer two may read
it, which changes nothing."""

PAGE = 100
MOST_PAGES = 10_000
AGAIN_FROM, AGAIN_TO = 5.0, 600.0
"""Seconds after a failure, doubling."""

sql = load(__package__, "cursor.sql")


class EventCursor:
    """Reads the event lists of all accounts."""

    def __init__(self, database: Database, vault: Vault, session: Http) -> None:
        self._database, self._vault, self._session = database, vault, session

    async def once(self) -> bool:
        """Read the lists that are due; True when more may be."""
        async with self._database.transaction(()) as tx:
            await tx.execute(sql.begin)
            due = await tx.fetch(sql.claim, ACCOUNTS_AT_ONCE, EVERY, LEASE)
            metrics.CURSOR_AGE.set(await tx.fetchval(sql.age))
        for cursor in due:
            await self._look(cursor)
        return len(due) == ACCOUNTS_AT_ONCE

    async def _look(self, cursor: Mapping[str, Any]) -> None:
        account_id = cursor["account_id"]
        async with self._database.transaction([cursor["merchant_id"]]) as tx:
            account = (await accounts.opened(tx, self._vault, [account_id]))[account_id]
        overlap = max(OVERLAP, timedelta(seconds=OVERLAP_REAL_SECONDS * cursor["rate"]))
        up_to = await self._read(account, cursor["read_up_to"] - overlap)
        async with self._database.transaction(()) as tx:
            if up_to is None:
                rest = timedelta(seconds=min(AGAIN_FROM * 2 ** min(cursor["failures"], 10), AGAIN_TO))
                await tx.execute(sql.fail, account_id, rest)
            else:
                await tx.execute(sql.advance, account_id, up_to, cursor["looked_at"], REST)

    async def _hold(self, account: Account) -> None:
        async with self._database.transaction(()) as tx:
            await tx.execute(sql.hold, account.account_id, LEASE)

    async def _read(self, account: Account, since: datetime) -> datetime | None:
        """Store every event since an instant; give the newest one's instant, or None where the list broke off."""
        client = StripeClient(self._session, account)
        form = [("created[gte]", str(int(since.timestamp()))), ("limit", str(PAGE))]
        up_to, after = since, None
        for _ in range(MOST_PAGES):
            await self._hold(account)
            page = await client.events([*form, ("starting_after", after)] if after else form)
            if not isinstance(page, Answered) or not page.ok:
                why = page.code if isinstance(page, Answered) else page.why
                log.warning("cursor.unanswered", account=account.account_id, why=why)
                return None
            listed = page.json.get("data")
            events = (
                [event for event in listed if isinstance(event, dict)] if isinstance(listed, list) else []
            )
            ours = [(found, event) for event in events if (found := _let_in(account, event)) is not None]
            if ours:
                await self._store_missed(account, ours)
                up_to = max(up_to, *(envelope.at for envelope, _ in ours))
            after = events[-1].get("id") if events else None
            if not page.json.get("has_more") or not isinstance(after, str):
                return up_to
        log.error("cursor.too_long", account=account.account_id, pages=MOST_PAGES)
        return None

    async def _store_missed(self, account: Account, listed: Sequence[tuple[Envelope, Json]]) -> None:
        known = await ingest.known(
            self._database, account.account_id, [(envelope.webhook_id, envelope.at) for envelope, _ in listed]
        )
        missed = [
            webhook
            for envelope, event in listed
            if (envelope.webhook_id, envelope.at) not in known
            and (webhook := _webhook(account, event)) is not None
        ]
        added = await ingest.store(self._database, missed) if missed else 0
        metrics.EVENTS_LISTED.labels("missed").inc(added)
        metrics.EVENTS_LISTED.labels("known").inc(len(listed) - added)


def _let_in(account: Account, event: Json) -> Envelope | None:
    """Give the envelope of an event as it came; None for what ingest would refuse as well."""
    try:
        envelope = envelope_of(event)
    except Unprocessable:
        return None
    foreign = envelope.account not in {None, account.account_id}
    return None if foreign or envelope.livemode not in {None, account.livemode} else envelope


def _webhook(account: Account, event: Json) -> Webhook | None:
    """Give an event as if it had come by webhook; None where it is larger than any that may."""
    body = hidden(json.dumps(event, separators=(",", ":")).encode())
    if len(body) > BODY_BYTES:
        return None
    envelope = envelope_of(json.loads(body))
    return Webhook(
        merchant_id=account.merchant_id,
        account_id=account.account_id,
        webhook_id=envelope.webhook_id,
        event_at=envelope.at,
        event_type=envelope.event_type,
        customer_id=envelope.customer_id,
        body=body,
    )
