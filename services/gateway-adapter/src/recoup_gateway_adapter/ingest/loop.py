"""The ingest port and its upkeep."""

import asyncio

from recoup_chassis.http import HttpServer
from recoup_chassis.postgres import Database
from recoup_gateway_adapter.ingest import store
from recoup_gateway_adapter.ingest.batches import Batches


class IngestPort:
    """A part: the server, and the batches that it waits for; these end last, so that no request waits in vain."""

    name = "ingest"

    def __init__(self, server: HttpServer, batches: Batches) -> None:
        self._server, self._batches = server, batches

    async def serve(self, stopping: asyncio.Event) -> None:
        """Serve until stopped; then answer the requests in hand."""
        drained = asyncio.Event()
        committing = asyncio.create_task(self._batches.serve(drained))
        try:
            await self._server.serve(stopping)
        finally:
            drained.set()
            await committing


async def prune(database: Database) -> bool:
    """Drop webhooks that are old enough; True when more may be."""
    async with database.transaction(()) as tx:
        return await store.prune(tx) > 0
