"""What takes webhooks in the row `ingest`, each as a process of its own: ours, and what it is set beside.

`python -m tests.bench.serving WHAT PORT`: `recoup` is the ingest port of gateway-adapter, `bare` checks the
signature and answers, `insert` checks it and commits one INSERT a request, `groups` checks it, reads the JSON and
commits one INSERT for all that wait: the least that could be done. All on the same server and loop.
"""

import asyncio
import hashlib
import hmac
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop

from recoup_chassis.http import HttpServer, answer
from recoup_chassis.postgres import Database
from recoup_chassis.process import collect_rarely, run
from recoup_gateway_adapter.accounts.doors import Doors
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.ingest.batches import WRITERS, Batches
from recoup_gateway_adapter.ingest.loop import IngestPort
from recoup_gateway_adapter.ingest.routes import Ingest

from .webhooks import SECRET

HOST = "127.0.0.1"
CONNECTIONS = 10
"""To the database, of ours and of the one INSERT a request alike."""

INSERT = """
INSERT INTO webhooks_one_by_one (id, account_id, event_at, body) VALUES ($1, $2, now(), $3)
ON CONFLICT DO NOTHING
"""
GROUP = """
INSERT INTO webhooks_one_by_one (id, account_id, event_at, body)
SELECT id, account_id, now(), body FROM unnest($1::uuid[], $2::text[], $3::bytea[]) AS r (id, account_id, body)
ON CONFLICT DO NOTHING
"""


async def recoup(port: int) -> None:
    """The ingest port, as gateway-adapter's app composes it."""
    async with await Database.connect(os.environ["BENCH_DSN"], source="/recoup/gateway-adapter") as database:
        batches = Batches(database)
        doors = Doors(database, Vault.parse(os.environ["SEALING_KEYS"]))
        await run([IngestPort(HttpServer(Ingest(doors, batches), HOST, port, "ingest"), batches)])


Keep = Callable[[str, bytes], Awaitable[None]]
"""Commits a path and a body."""


def bare(keep: Keep | None) -> Any:
    """An application that checks the signature, keeps where it can, and answers."""

    async def app(scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        message = await receive()
        body = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        given = next(value for name, value in scope["headers"] if name == b"stripe-signature").decode()
        at, _, signed = given.partition(",")
        text = at.removeprefix("t=").encode() + b"." + body
        right = hmac.new(SECRET.encode(), text, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signed.removeprefix("v1="), right):
            await answer(send, 400, b"signature\n")
            return
        if keep is not None:
            await keep(scope["path"], body)
        await answer(send, 200, b"")

    return app


class Groups:
    """A part: commits all that wait in one INSERT, on as many connections as ours."""

    name = "groups"

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self._pool = pool
        self._waiting: asyncio.Queue[tuple[str, bytes, asyncio.Future[None]]] = asyncio.Queue()

    async def keep(self, path: str, body: bytes) -> None:
        """Return when the body is committed."""
        json.loads(body)
        committed = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((path, body, committed))
        await committed

    async def serve(self, stopping: asyncio.Event) -> None:
        """Commit groups until stopped."""
        commits = [asyncio.create_task(self._commit()) for _ in range(WRITERS)]
        await stopping.wait()
        for commit in commits:
            commit.cancel()

    async def _commit(self) -> None:
        while True:
            group = [await self._waiting.get()]
            while not self._waiting.empty():
                group.append(self._waiting.get_nowait())
            ids = [uuid4() for _ in group]
            await self._pool.execute(
                GROUP, ids, [path for path, _, _ in group], [body for _, body, _ in group]
            )
            for _, _, committed in group:
                committed.set_result(None)


async def other(what: str, port: int) -> None:
    """The references."""
    if what == "bare":
        await run([HttpServer(bare(None), HOST, port, what)])
        return
    pool = await asyncpg.create_pool(os.environ["BENCH_DSN"], min_size=CONNECTIONS, max_size=CONNECTIONS)

    async def insert(path: str, body: bytes) -> None:
        await pool.execute(INSERT, uuid4(), path, body)

    groups = Groups(pool)
    server = HttpServer(bare(insert if what == "insert" else groups.keep), HOST, port, what)
    await run([server, groups])


def main() -> None:
    """Serve as the arguments say until SIGTERM."""
    what, port = sys.argv[1], int(sys.argv[2])
    served = recoup(port) if what == "recoup" else other(what, port)
    collect_rarely()  # as every service does; all sides have it
    uvloop.run(served)


if __name__ == "__main__":
    main()
