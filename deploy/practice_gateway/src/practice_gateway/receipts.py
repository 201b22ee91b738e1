"""What the merchant's endpoints acknowledged: one line for every 2xx, the other half of the oracle."""

import time
from pathlib import Path

from practice_gateway.clock import rfc3339
from practice_gateway.journal import Journal, read_lines


class Receipts:
    """Appends a line for each webhook answered 2xx; synced in groups, nobody waits for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._journal = Journal(path)
        self.count = len(read_lines(path))

    def record(self, account: str, event: str, url: str, status: int) -> None:
        """Note that an endpoint took an event."""
        self.count += 1
        self._journal.submit(
            {"at": rfc3339(time.time()), "account": account, "event": event, "url": url, "status": status}
        )

    async def close(self) -> None:
        """Finish writing."""
        await self._journal.close()
