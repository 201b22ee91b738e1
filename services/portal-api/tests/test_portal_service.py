"""The service as a process, on real Kafka and Postgres."""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from tests.worlds.portal_events import Customer

from recoup_events.envelope import write
from recoup_local.eventually import eventually
from recoup_local.house import House, open_house
from recoup_local.run import Run

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


@pytest_asyncio.fixture
async def alone() -> AsyncIterator[House]:
    """A house with this service alone."""
    async with Run() as run:
        yield await open_house(run, services=["portal-api"])


async def test_a_case_that_is_told_on_kafka_is_shown_by_the_api_and_sigterm_is_obeyed(
    alone: House,
) -> None:
    house = alone
    made = json.loads(await house.command("portal-api", "create-merchant", "--name", "Pane", "--sandbox"))
    await house.start("portal-api")
    customer = Customer(made["merchant_id"])
    producer = AIOKafkaProducer(bootstrap_servers=house.kafka.bootstrap_servers, acks="all")
    await producer.start()
    try:
        for event in (customer.failed(), customer.case()):
            record = write(event, source="/recoup/test", partitions=12)
            await producer.send_and_wait(
                record.topic, record.value, record.key, partition=record.partition, headers=record.headers
            )
    finally:
        await producer.stop()
    headers = {"Authorization": f"Bearer {made['api_key']}"}
    async with aiohttp.ClientSession(house.portal_url, headers=headers) as http:

        async def timeline() -> list[str]:
            async with http.get(f"/v1/cases/{customer.case_id()}") as answer:
                told = await answer.json()
                return [line["what"] for line in told.get("timeline", ())]

        async def complete() -> bool:
            return sorted(await timeline()) == ["payment.failed", "recovery.changed"]

        await eventually(complete)
    again = json.loads(await house.command("portal-api", "republish"))
    assert again == {"republished": 2}
    await house.services["portal-api"].stop()
    assert house.services["portal-api"].process.returncode == 0
