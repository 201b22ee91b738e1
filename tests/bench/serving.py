"""What takes webhooks in the row `ingest`, each as a process of its own: ours, and what it is set beside.

`python -m tests.bench.serving WHAT PORT`: `recoup` is the ingest port of gateway-adapter, `bare` checks the
signature and answers, `insert` checks it and commits one INSERT a request. All on the same server and loop.
"""

import hashlib
import hmac
import os
import sys
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import asyncpg
import uvloop

from recoup_chassis.http import HttpServer, answer
from recoup_chassis.postgres import Database
from recoup_chassis.process import run
from recoup_gateway_adapter.accounts.doors import Doors
from recoup_gateway_adapter.accounts.sealing import Vault
from recoup_gateway_adapter.ingest.batches import Batches
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


async def recoup(port: int) -> None:
    """The ingest port, as gateway-adapter's app composes it."""
    async with await Database.connect(os.environ["BENCH_DSN"], source="/recoup/gateway-adapter") as database:
        batches = Batches(database)
        doors = Doors(database, Vault.parse(os.environ["SEALING_KEYS"]))
        await run([IngestPort(HttpServer(Ingest(doors, batches), HOST, port, "ingest"), batches)])


def bare(pool: "asyncpg.Pool[Any] | None") -> Any:
    """An application that checks the signature, stores where there is a pool, and answers."""

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
        if pool is not None:
            await pool.execute(INSERT, uuid4(), scope["path"], body)
        await answer(send, 200, b"stored\n")

    return app


async def other(port: int, *, insert: bool) -> None:
    """The references."""
    pool = None
    if insert:
        pool = await asyncpg.create_pool(os.environ["BENCH_DSN"], min_size=CONNECTIONS, max_size=CONNECTIONS)
    await run([HttpServer(bare(pool), HOST, port, "bare")])


def main() -> None:
    """Serve as the arguments say until SIGTERM."""
    what, port = sys.argv[1], int(sys.argv[2])
    served = recoup(port) if what == "recoup" else other(port, insert=what == "insert")

    uvloop.run(served)


if __name__ == "__main__":
    main()
