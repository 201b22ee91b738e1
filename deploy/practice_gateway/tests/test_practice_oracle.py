"""The ledger is on the disk before anybody hears of a capture, and whole after a kill."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import stripe

from practice_gateway.journal import Journal, read_lines
from practice_gateway.ledger import Ledger, Movement, summarise

if TYPE_CHECKING:
    import aiohttp
    from deploy.practice_gateway.tests.conftest import Shop

TOKEN = "process-token"


def movement(**change: Any) -> Movement:
    fields: dict[str, Any] = {
        "kind": "capture",
        "account": "acct_1",
        "charge": "ch_1",
        "invoice": "in_1",
        "payment_intent": "pi_1",
        "customer": "cus_1",
        "amount": 500,
        "currency": "eur",
        "idempotency_key": None,
        "initiator": "merchant",
    }
    return Movement(**(fields | change))


async def test_a_movement_is_synced_before_record_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bytes] = []
    fsync = os.fsync

    def watch(handle: int) -> None:
        fsync(handle)
        synced.append((tmp_path / "ledger.jsonl").read_bytes())

    monkeypatch.setattr(os, "fsync", watch)
    ledger = Ledger(tmp_path / "ledger.jsonl")

    await ledger.record(movement(charge="ch_seen"), 0.0)

    assert b"ch_seen" in synced[-1]
    await ledger.close()


async def test_movements_that_arrive_together_share_a_sync_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(os, "fsync", syncs.append)
    ledger = Ledger(tmp_path / "ledger.jsonl")

    await asyncio.gather(*(ledger.record(movement(charge=f"ch_{n}"), 0.0) for n in range(100)))

    assert len(syncs) < 10
    lines = read_lines(tmp_path / "ledger.jsonl")
    assert [line["seq"] for line in lines] == list(range(1, 101))
    assert [line["charge"] for line in lines] == [f"ch_{n}" for n in range(100)]
    await ledger.close()


async def test_a_line_cut_short_by_a_crash_is_dropped_and_the_sequence_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    first = Ledger(path)
    await first.record(movement(), 0.0)
    await first.close()
    with path.open("ab") as file:
        file.write(b'{"seq":2,"at_re')

    second = Ledger(path)
    await second.record(movement(charge="ch_2"), 0.0)
    await second.close()

    assert [line["seq"] for line in read_lines(path)] == [1, 2]


async def test_two_gateways_can_not_share_a_ledger(tmp_path: Path) -> None:
    first = Journal(tmp_path / "ledger.jsonl")

    with pytest.raises(RuntimeError, match="in use"):
        Journal(tmp_path / "ledger.jsonl")
    await first.close()


async def test_after_the_disk_refused_nothing_is_recorded_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            await ledger.record(movement(), 0.0)
        monkeypatch.undo()
    assert ledger.lines() == []
    await ledger.close()


async def test_without_the_ledger_no_money_is_taken(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    invoice = await shop.open_invoice(await shop.customer())

    async def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Ledger, "record", refuse)
    with pytest.raises(stripe.APIError):
        await shop.client().v1.invoices.pay_async(invoice)
    monkeypatch.undo()

    assert (await shop.client().v1.invoices.retrieve_async(invoice)).status == "open"
    assert (await shop.client().v1.invoices.pay_async(invoice)).status == "paid"


def test_the_summary_shows_what_was_captured_twice() -> None:
    lines = [
        {"kind": kind, "invoice": "in_1", "charge": charge, "account": "a", "currency": "eur", "amount": 500}
        for kind, charge in (("capture", "ch_1"), ("capture", "ch_2"), ("refund", "ch_2"))
    ]

    assert summarise(lines) == {
        "in_1": {
            "account": "a",
            "currency": "eur",
            "captured": 1000,
            "captures": 2,
            "refunded": 500,
            "refunds": 1,
            "charges": ["ch_1", "ch_2"],
        }
    }


class Process:
    """A gateway of its own, started by its command line."""

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.process = process
        self.address = address
        self.headers = {"Authorization": f"Bearer {TOKEN}"}

    async def post(self, http: aiohttp.ClientSession, path: str, body: Any) -> Any:
        async with http.post(self.address + path, json=body, headers=self.headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()


async def _start(state: Path, *arguments: str) -> Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "practice_gateway", "--state", str(state), *arguments),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PRACTICE_CONTROL_TOKEN": TOKEN},
    )
    assert process.stdout is not None
    return Process(process, json.loads(await process.stdout.readline())["address"])


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    running: list[Process] = []

    async def begin(*arguments: str) -> Process:
        running.append(await _start(tmp_path, *arguments))
        return running[-1]

    yield begin
    for found in running:
        if found.process.returncode is None:
            found.process.kill()
            await found.process.wait()


async def test_sigterm_ends_it_cleanly(start: Callable[..., Any]) -> None:
    found = await start()

    found.process.send_signal(signal.SIGTERM)

    assert await found.process.wait() == 0


async def test_what_a_client_was_told_is_in_the_ledger_after_kill_9(
    start: Callable[..., Any], http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    found = await start()
    account = await found.post(http, "/practice/accounts", {})
    body = {"account": account["id"], "count": 200, "mix": {"generic_decline_then_ok": 1}}
    renewals = (await found.post(http, "/practice/renewals", body))["renewals"]
    told: set[str] = set()

    async def pay(invoice: str) -> None:
        headers = {"Authorization": f"Bearer {account['api_key']}"}
        url = f"{found.address}/v1/invoices/{invoice}/pay"
        for _ in range(3):
            async with http.post(url, headers=headers) as response:
                answer = await response.json()
            if response.status == 200:
                told.add(answer["charge"])
                if len(told) == 50:
                    found.process.kill()
                return

    await asyncio.gather(*(pay(item["invoice"]) for item in renewals), return_exceptions=True)
    await found.process.wait()

    lines = read_lines(tmp_path / "ledger.jsonl")
    assert len(told) >= 50
    assert told <= {line["charge"] for line in lines}
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))


async def test_without_a_control_token_it_says_so_and_stops(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PRACTICE_CONTROL_TOKEN"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "practice_gateway", "--state", str(tmp_path)),
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    _, told = await process.communicate()

    assert process.returncode == 2
    assert b"PRACTICE_CONTROL_TOKEN is missing" in told
