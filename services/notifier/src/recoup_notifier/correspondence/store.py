"""What we wrote, in Postgres: the log of every message, and the queue of those that wait.

Promise: a message is queued in the transaction that decided it, once; it leaves the queue in the transaction that
says what became of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from recoup_chassis.postgres import Customer, Tx, columns
from recoup_chassis.queries import load
from recoup_events.values import MessageKind
from recoup_notifier.compose.mail import Mail
from recoup_notifier.correspondence.domain import Queued, Reason, ToldBefore
from recoup_notifier.sequences.domain import Key, Message

sql = load(__package__)

FIRST, USUAL = 0, 5
"""Priorities: a person waits for a sign-in mail."""


class Due(NamedTuple):
    """A message that may be taken, and whose it is."""

    message_id: UUID
    merchant_id: str
    customer_id: str

    @property
    def customer(self) -> Customer:
        """Merchant and customer."""
        return self.merchant_id, self.customer_id


@dataclass(frozen=True)
class SignInMail:
    """A mail that lets a customer in. `link` is secret; `expires_at` is real time."""

    merchant_id: str
    message_id: UUID
    customer_id: str
    account_id: str
    link: str
    expires_at: datetime


async def queue(tx: Tx, messages: Sequence[Message]) -> None:
    """Queue messages about cases. Safe to repeat: a change is told once."""
    if not messages:
        return
    rows = [
        (m.merchant_id, m.message_id, m.customer_id, m.account_id, m.case_id, m.revision, m.kind)
        for m in messages
    ]
    await tx.execute(sql.queue, *columns(rows, 7), tx.real_now, None, None, USUAL)


async def queue_sign_in(tx: Tx, mail: SignInMail) -> None:
    """Queue a sign-in mail, before all others."""
    row = (
        mail.merchant_id,
        mail.message_id,
        mail.customer_id,
        mail.account_id,
        None,
        None,
        MessageKind.SIGN_IN,
    )
    await tx.execute(sql.queue, *columns([row], 7), tx.real_now, mail.expires_at, mail.link, FIRST)


async def drop_superseded(tx: Tx, superseded: Mapping[Key, int]) -> None:
    """Drop what is unsent and about an earlier revision of these cases than the one given."""
    rows = [(merchant, case, revision) for (merchant, case), revision in superseded.items()]
    if rows:
        await tx.execute(sql.drop_superseded, *columns(rows, 3), tx.real_now)


async def erase(tx: Tx, customers: Sequence[Customer]) -> None:
    """Empty all that is personal in what we wrote to these customers, and write no more. Safe to repeat."""
    await tx.execute(sql.erase, *columns(customers, 2), tx.real_now)


async def take_due(tx: Tx, at_most: int, until: datetime, replica: str) -> list[Due]:
    """Lease messages that are due, urgent ones first; those of a customer whom another transaction holds are left.

    Args:
        until: when the lease ends, real time; from then on another may take them.
    """
    due = [Due(*row) for row in await tx.fetch(sql.due, tx.real_now, at_most)]
    if not due:
        return []
    free = await tx.try_lock_customers(one.customer for one in due)
    taken = [one for one in due if one.customer in free]
    await tx.execute(sql.take, [one.message_id for one in taken], until, replica)
    return taken


async def release_taken(tx: Tx, replica: str) -> None:
    """Free what this replica had taken before it was started anew."""
    await tx.execute(sql.release_taken, replica, tx.real_now)


async def look(tx: Tx, taken: Sequence[Due]) -> list[Queued]:
    """Give the messages taken, as far as they are still to be sent."""
    keys = columns([(one.merchant_id, one.message_id) for one in taken], 2)
    return [_queued(row) for row in await tx.fetch(sql.look, *keys)]


def _queued(row: asyncpg.Record) -> Queued:
    return Queued(
        merchant_id=row["merchant_id"],
        message_id=row["message_id"],
        customer_id=row["customer_id"],
        account_id=row["account_id"],
        kind=MessageKind(row["kind"]),
        queued_at=row["queued_at"],
        handed_over=row["handed_over"],
        case_id=row["case_id"],
        case_revision=row["case_revision"],
        expires_at=row["expires_at"],
        link=row["link"],
        newer=row["newer"],
        told_before=ToldBefore(row["told_before"]),
    )


async def begin(tx: Tx, written: Sequence[tuple[Queued, str, Mail]]) -> None:
    """Write down what is about to be sent, to whom."""
    rows = [
        (
            *(message.merchant_id, message.message_id, mail.language, mail.origin.value, recipient),
            *(mail.subject, mail.text, mail.html),
        )
        for message, recipient, mail in written
    ]
    if rows:
        await tx.execute(sql.begin, *columns(rows, 8))


async def postpone(tx: Tx, message: Queued, until: datetime) -> None:
    """Look at a message again at this real time."""
    await tx.execute(sql.postpone, message.message_id, until)


async def requeue(
    tx: Tx, message: Queued, until: datetime, answer: str, *, may_have_arrived: bool = False
) -> None:
    """Put a message back that the server did not take."""
    await tx.execute(sql.requeue, message.merchant_id, message.message_id, answer, may_have_arrived, 0)
    await postpone(tx, message, until)


async def give_back(tx: Tx, message: Queued, answer: str) -> None:
    """Put a message back that no server was there to take: this was no try of its."""
    await tx.execute(sql.requeue, message.merchant_id, message.message_id, answer, False, 1)  # a column
    await postpone(tx, message, tx.real_now)


async def drop(tx: Tx, message: Queued, reason: Reason) -> None:
    """Say that a message is never sent."""
    await _settle(tx, [message], "dropped", reason, None)


async def fail(
    tx: Tx, message: Queued, reason: Reason, answer: str, *, may_have_arrived: bool = False
) -> None:
    """Say that the server will not take a message."""
    await _settle(tx, [message], "failed", reason, answer, may_have_arrived=may_have_arrived)


async def sent(tx: Tx, messages: Sequence[Queued]) -> dict[UUID, str]:
    """Say that the server has these messages; give the languages of those of which that was not said before."""
    rows = await _settle(tx, messages, "sent", None, None)
    return {row["message_id"]: row["language"] for row in rows}


async def _settle(
    tx: Tx,
    messages: Sequence[Queued],
    state: str,
    reason: Reason | None,
    answer: str | None,
    *,
    may_have_arrived: bool = False,
) -> list[asyncpg.Record]:
    if not messages:
        return []
    merchants, names = columns([(message.merchant_id, message.message_id) for message in messages], 2)
    rows: list[asyncpg.Record] = await tx.fetch(
        sql.settle, merchants, names, state, reason, answer, tx.real_now, may_have_arrived
    )
    await tx.execute(sql.unqueue, names)
    return rows


async def queue_age(tx: Tx) -> tuple[int, float]:
    """Give how many messages wait, and for how many seconds the oldest has been due."""
    row = await tx.fetchrow(sql.queue_age, tx.real_now)
    assert row is not None
    return row["waiting"], row["overdue"]
