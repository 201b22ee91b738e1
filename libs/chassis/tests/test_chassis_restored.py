"""After a restore: what is told counts above all that was told before, and the topics are read again."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from recoup_local.pytest_plugin import eventually

from .conftest import Bench, failure, live_merchant, running

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def _told(bench: Bench) -> list[tuple[str, int | None]]:
    """What waits in the outbox: each fact's id, and its version where it has one. Then nothing waits."""
    found = []
    async with bench.database.transaction(()) as tx:
        for row in await tx.fetch("DELETE FROM outbox RETURNING headers, value"):
            headers = dict(zip(row["headers"][::2], row["headers"][1::2], strict=True))
            found.append((headers["ce_id"], json.loads(row["value"]).get("version")))
    return found


async def _tell(bench: Bench) -> list[tuple[str, int | None]]:
    async with bench.database.transaction(()) as tx:
        await tx.emit([failure("m1", "c1")])
        await tx.emit([live_merchant("m1")])
    return await _told(bench)


async def test_after_a_restore_revisions_are_counted_above_those_told_before(bench: Bench) -> None:
    before = await _tell(bench)
    assert await _tell(bench) == before, "the same facts"
    await bench.command("restored", "--since", "2026-01-01T00:00:00Z")
    fact, counted = await _tell(bench)
    assert fact == before[0], "a fact of the world has no revision"
    (was, version), (new, above) = before[1], counted
    assert (version, new != was) == (1, True)
    assert above is not None
    assert above > 1_700_000_000_000
    await bench.command("restored", "--since", "2026-01-01T00:00:00Z")
    assert (await _tell(bench))[1][1] > above  # type: ignore[operator]  # an event that counts


async def test_what_a_restored_database_forgot_is_read_again_but_never_while_the_service_runs(
    bench: Bench,
) -> None:
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    async with running(bench.member()):
        await bench.send(live_merchant("m1"), *[failure("m1", f"c{n}") for n in range(30)])
        await eventually(lambda: _counted(bench, 30))
        with pytest.raises(AssertionError):
            await bench.command("restored", "--since", since)
    await bench.as_owner("WITH gone AS (DELETE FROM tally) DELETE FROM inbox")
    assert (await bench.command("restored", "--since", since, "--dry-run"))["payment.failed"] == 30
    await eventually(lambda: _restored(bench, since), within=60)  # a static member's session ends by itself
    assert (await bench.command("restored", "--since", since))["payment.failed"] == 0
    async with running(bench.member()):
        await eventually(lambda: _counted(bench, 30))


async def _restored(bench: Bench, since: str) -> bool:
    assert (await bench.command("restored", "--since", since))["payment.failed"] == 30
    return True


async def _counted(bench: Bench, n: int) -> bool:
    return await bench.tally() == n
