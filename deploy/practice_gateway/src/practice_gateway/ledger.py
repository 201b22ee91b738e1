"""The oracle: every capture and refund made here, fsynced before anybody hears of it, never rewritten.

It trusts nothing above it: it knows no invoice's state, only the movements of money and who asked for them.
"""

import asyncio
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from practice_gateway.clock import rfc3339
from practice_gateway.journal import Journal, read_lines

Kind = Literal["capture", "refund"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """Money that moved; amount in minor units, always positive, `kind` gives the direction."""

    kind: Kind
    account: str
    charge: str
    invoice: str | None
    payment_intent: str | None
    customer: str | None
    amount: int
    currency: str
    idempotency_key: str | None
    initiator: str  # merchant (an API key asked), gateway (its own schedule), customer (a page)


class Ledger:
    """Appends movements. `seq` starts at 1 and has no gap, over restarts too."""

    def __init__(self, path: Path) -> None:
        self._lines = read_lines(path)
        if path.exists():
            _drop_torn_tail(path)
        self._journal = Journal(path)
        self._seq = self._lines[-1]["seq"] if self._lines else 0

    async def record(self, movement: Movement, at_merchant: float) -> None:
        """Write a movement; it is on the disk when this returns.

        Raises:
            OSError: it is not known to be on the disk, so the money must not be said to have moved.
        """
        self._seq += 1
        line = {
            "seq": self._seq,
            "at_real": rfc3339(time.time()),
            "at_merchant": rfc3339(at_merchant),
            **asdict(movement),
        }
        written = self._journal.submit(line)
        await asyncio.shield(written)
        self._lines.append(line)

    def lines(self, account: str | None = None, after_seq: int = 0) -> list[dict[str, Any]]:
        """Return the movements after a sequence number, of one account or of all."""
        return [
            line
            for line in self._lines
            if line["seq"] > after_seq and (account is None or line["account"] == account)
        ]

    async def close(self) -> None:
        """Finish writing."""
        await self._journal.close()


def summarise(lines: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what was captured and refunded by invoice; a charge without one stands under its own id."""
    found: dict[str, dict[str, Any]] = defaultdict(
        lambda: {"captured": 0, "refunded": 0, "captures": 0, "refunds": 0, "charges": []}
    )
    for line in lines:
        entry = found[line["invoice"] or line["charge"]]
        entry["account"], entry["currency"] = line["account"], line["currency"]
        if line["kind"] == "capture":
            entry["captured"] += line["amount"]
            entry["captures"] += 1
            entry["charges"].append(line["charge"])
        else:
            entry["refunded"] += line["amount"]
            entry["refunds"] += 1
    return dict(found)


def _drop_torn_tail(path: Path) -> None:
    """Cut a last line without its end: it was never fsynced whole, so nobody was told of it."""
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        with path.open("r+b") as file:
            file.truncate(whole)
