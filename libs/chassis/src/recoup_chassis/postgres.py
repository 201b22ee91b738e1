"""Postgres: a pool, and the one transaction in which a batch is decided, saved and announced.

Promise: a transaction sees the rows of its merchants only, knows their clocks, and announces nothing
that it does not also commit.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Self

import asyncpg
from opentelemetry.propagate import inject

from recoup_chassis.errors import Retryable, Unprocessable
from recoup_chassis.queries import load
from recoup_events.envelope import Record, write
from recoup_events.models import Event
from recoup_events.topics import EVENT_BYTES

Customer = tuple[str, str]
"""Merchant id and customer id."""

KEEPALIVES = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "11000",
}
"""Seconds, seconds, times, milliseconds: so soon the server ends the sessions of a machine that is gone without a word,
and with them their locks; by its own defaults they would hold up everybody else for two hours."""

ANSWERS_WITHIN = 20.0
"""Seconds for any statement. A connection that the network has forgotten costs whoever asks on it this twice: for the
statement, and for its cancellation. With a minute, a black hole of three seconds stopped charging for two minutes."""

_sql = load(__package__, "postgres.sql")


class Tx:
    """One open transaction. Not for use after its `transaction` block."""

    def __init__(self, connection: "asyncpg.pool.PoolConnectionProxy[Any]", database: "Database") -> None:
        self._connection = connection
        self._database = database
        self._merchants: frozenset[str] = frozenset()
        self._now: dict[str, datetime] = {}
        self._locked: set[Customer] = set()
        self.real_now: datetime
        self.announced = self._above = 0
        self.fetch = connection.fetch
        self.fetchrow = connection.fetchrow
        self.fetchval = connection.fetchval
        self.execute = connection.execute
        self.executemany = connection.executemany
        self.savepoint = connection.transaction

    async def concerning(self, merchants: Iterable[str]) -> None:
        """Let the transaction see these merchants' rows too, and read their clocks."""
        wanted = self._merchants.union(merchants)
        listed = sorted(wanted)
        for row in await self._connection.fetch(_sql.see_merchants, listed):
            if row["merchant_id"]:
                self._now.setdefault(row["merchant_id"], row["at"])
            else:
                self.real_now, self._above = row["at"], row["above"]
        self._merchants = wanted

    def now(self, merchant_id: str) -> datetime:
        """Give the merchant's instant, UTC, the same throughout the transaction.

        Raises:
            Retryable: the merchant's settings have not arrived yet.
        """
        try:
            return self._now[merchant_id]
        except KeyError:
            raise Retryable(f"the settings of merchant {merchant_id} have not arrived") from None

    def knows(self, merchant_id: str) -> bool:
        """Tell whether the merchant's settings have arrived, and with them its clock."""
        return merchant_id in self._now

    async def emit(self, events: Iterable[Event]) -> None:
        """Write events to the outbox; after a restore, counted above all that were told before it.

        Raises:
            Unprocessable: one of them is larger than 256 kB, or has a NUL in a header.
        """
        records = [
            write(
                event.above(self._above), source=self._database.source, partitions=self._database.partitions
            )
            for event in events
        ]
        if not records:
            return
        for record in records:
            if record.value is not None and len(record.value) > EVENT_BYTES:
                raise Unprocessable("event_too_large", f"{record.topic}: {len(record.value)} bytes")
        trace: dict[str, str] = {}
        inject(trace)
        traced = [part for pair in trace.items() for part in pair]
        await self._connection.execute(
            _sql.write_outbox,
            [record.topic for record in records],
            [record.partition for record in records],
            [record.key for record in records],
            [_array_of([*_flat(record), *traced]) for record in records],
            [record.value for record in records],
        )
        self.announced += len(records)

    async def lock_customers(self, customers: Iterable[Customer]) -> None:
        """Hold these customers until the transaction ends, always in the same order, so that nobody deadlocks."""
        wanted = sorted(set(customers) - self._locked)
        if not wanted:
            return
        columns = [merchant for merchant, _ in wanted], [customer for _, customer in wanted]
        await self._connection.execute(_sql.add_customers, *columns)
        await self._connection.fetchval(_sql.lock_customers, *columns)
        self._locked.update(wanted)

    async def try_lock_customers(self, customers: Iterable[Customer]) -> set[Customer]:
        """Hold those of these customers that nobody else holds; give them."""
        wanted = sorted(set(customers))
        rows = await self._connection.fetch(
            _sql.try_lock_customers,
            [merchant for merchant, _ in wanted],
            [customer for _, customer in wanted],
        )
        taken = {(row["merchant_id"], row["customer_id"]) for row in rows}
        self._locked |= taken
        return taken

    def holding(self, customers: Iterable[Customer]) -> None:
        """Note the customers that a statement of the caller's has locked."""
        self._locked.update(customers)

    def holds(self, customer: Customer) -> bool:
        """Tell whether this transaction holds the customer."""
        return customer in self._locked

    async def held(self, customers: Iterable[Customer]) -> set[Customer]:
        """Give those customers that have something in quarantine: no charge and no mail for them."""
        wanted = sorted(set(customers))
        rows = await self._connection.fetch(
            _sql.held_customers, [merchant for merchant, _ in wanted], [customer for _, customer in wanted]
        )
        return {(row["merchant_id"], row["customer_id"]) for row in rows}


def _flat(record: Record) -> list[str]:
    return [part for name, value in record.headers for part in (name, value.decode())]


def _array_of(texts: Sequence[str]) -> str:
    """Write texts as Postgres' literal of an array, which costs it a third of reading JSON (measured).

    Raises:
        Unprocessable: one of them has a NUL, which no text in Postgres can have.
    """
    joined = "\0".join(texts)
    if joined.count("\0") != len(texts) - 1:
        raise Unprocessable("nul", f"a NUL character in a header: {joined[:300]!r}")
    escaped = joined.replace("\\", "\\\\").replace('"', '\\"')
    return '{"' + escaped.replace("\0", '","') + '"}'


class Database:
    """A service's own database.

    Args:
        source: who announces, the CloudEvents source, for instance `/recoup/notifier`.
        partitions: the cluster's permanent number.
    """

    def __init__(self, pool: asyncpg.Pool, source: str, partitions: int) -> None:
        self.pool, self.source, self.partitions = pool, source, partitions
        self._on_announced: list[Callable[[], None]] = []

    @classmethod
    async def connect(cls, dsn: str, *, source: str, partitions: int = 12, connections: int = 10) -> Self:
        """Open the pool.

        Raises:
            Retryable: the database can't be reached.
        """
        try:
            pool = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=connections,
                init=_codecs,
                reset=_as_it_is,
                command_timeout=ANSWERS_WITHIN,
                timeout=10,
                server_settings=KEEPALIVES,
            )
        except (OSError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError) as down:
            raise Retryable(f"the database can't be reached: {down}") from down
        return cls(pool, source, partitions)

    async def __aenter__(self) -> Self:
        """Open already."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the pool; what is still running gets 10 s."""
        await self.close()

    async def close(self) -> None:
        """Close every connection."""
        self.pool.terminate()

    def on_announced(self, wake: Callable[[], None]) -> None:
        """Call `wake` after each commit that announced something."""
        self._on_announced.append(wake)

    @asynccontextmanager
    async def transaction(self, merchants: Iterable[str]) -> AsyncIterator[Tx]:
        """Open a transaction that sees these merchants' rows; commit at the end, roll back on an exception."""
        async with self.pool.acquire(timeout=10) as connection:
            async with connection.transaction():
                tx = Tx(connection, self)
                await tx.concerning(merchants)
                yield tx
            if tx.announced:
                for wake in self._on_announced:
                    wake()

    async def problem(self) -> str | None:
        """Say in a sentence why the database can't be used, or None."""
        try:
            await self.pool.fetchval("SELECT 1", timeout=3)
        except Exception as down:  # noqa: BLE001  # whatever it is, it is the answer
            return f"database: {type(down).__name__}"
        return None


async def _codecs(connection: asyncpg.Connection) -> None:
    for name in ("json", "jsonb"):
        await connection.set_type_codec(name, encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


async def _as_it_is(_: asyncpg.Connection) -> None:
    """Give a connection back without a round trip: what we set is the transaction's, and ends with it."""


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Turn rows into columns, for `unnest($1, $2, …)`; `width` columns even where there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
