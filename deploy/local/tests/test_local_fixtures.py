"""The fixtures that every member's tests use."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from recoup_events.topics import TOPICS
from recoup_local.pytest_plugin import ServiceDatabases, Topics, eventually


async def tables(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row["tablename"] for row in rows}
    finally:
        await connection.close()


@pytest.mark.postgres
async def test_a_service_has_one_migrated_database_a_run(database: ServiceDatabases) -> None:
    one = await database("chassis")
    assert await database("chassis") is one
    assert {"inbox", "outbox", "timers"} <= await tables(one.app_dsn)


@pytest.mark.postgres
async def test_a_fresh_copy_is_nobody_elses(database: ServiceDatabases) -> None:
    shared, copy = await database("chassis"), await database.fresh("chassis")
    assert await tables(copy.app_dsn) == await tables(shared.app_dsn)
    owner = await asyncpg.connect(copy.owner_dsn)
    await owner.execute("CREATE TABLE only_here (number int)")
    await owner.close()
    assert "only_here" not in await tables(shared.owner_dsn)
    await database.drop(copy)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(copy.owner_dsn)


@pytest.mark.postgres
async def test_an_empty_database_has_no_table(database: ServiceDatabases) -> None:
    assert await tables((await database.empty("chassis")).owner_dsn) == set()


@pytest.mark.kafka
async def test_topics_are_made_under_a_prefix_as_their_table_says(topics: Topics) -> None:
    await topics.create("fixtures.")
    assert await topics.create("fixtures.") == "fixtures."
    assert await partitions(topics.bootstrap_servers) == {f"fixtures.{name}": 12 for name in TOPICS}
    assert await policies(topics.bootstrap_servers, "fixtures.settings.changed", "fixtures.retry.due") == [
        "compact",
        "delete",
    ]


@asynccontextmanager
async def admin_of(bootstrap_servers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def partitions(bootstrap_servers: str) -> dict[str, int]:
    async with admin_of(bootstrap_servers) as admin:
        names = [name for name in await admin.list_topics() if name.startswith("fixtures.")]
        return {topic["topic"]: len(topic["partitions"]) for topic in await admin.describe_topics(names)}


async def policies(bootstrap_servers: str, *names: str) -> list[str]:
    async with admin_of(bootstrap_servers) as admin:
        asked = [ConfigResource(ConfigResourceType.TOPIC, name, {"cleanup.policy": None}) for name in names]
        answers = await admin.describe_configs(asked)
        told = {resource[3]: resource[4][0][1] for answer in answers for resource in answer.resources}
        return [told[name] for name in names]


async def test_eventually_gives_what_it_waited_for() -> None:
    looks = iter([None, 0, "", "there"])
    assert await eventually(lambda: next(looks)) == "there"


async def test_eventually_takes_an_assertion_for_not_yet_and_tells_the_last_one() -> None:
    async def never() -> bool:
        await asyncio.sleep(0)
        raise AssertionError("two mails, not one")

    with pytest.raises(AssertionError, match=r"not within 0\.1 s: two mails, not one"):
        await eventually(never, within=0.1)


async def test_eventually_lets_other_errors_pass_at_once() -> None:
    places: dict[str, str] = {}
    with pytest.raises(KeyError):
        await eventually(lambda: places["absent"])
