"""A failure, its success and a new card, in every order and each five times: the same case on real Kafka."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from tests.conftest import OpenSandbox

from recoup_events.envelope import write
from recoup_events.models import CardUpdated, CustomerEvent, PaymentFailed, PaymentSucceeded
from recoup_events.parts import DeclineFacts, Instrument, Invoice, Money
from recoup_events.values import CardChange, Collection, FailureNature, fact_id
from recoup_local.house import House
from recoup_local.pytest_plugin import eventually
from recoup_local.sandbox import Sandbox

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]
OWED = Money(minor=1999, currency="EUR")
ORDERS = list(itertools.permutations(("failed", "succeeded", "card")))


async def told(sandbox: Sandbox, name: str) -> dict[str, CustomerEvent]:
    """The three facts of one customer."""
    account, customer, at = sandbox.account_id, f"cus_{name}", await sandbox.now()
    whose: dict[str, Any] = {
        "merchant_id": sandbox.merchant_id,
        "customer_id": customer,
        "account_id": account,
    }
    invoice = Invoice(invoice_id=f"in_{name}", number=f"N-{name}", owed=OWED, collection=Collection.AUTOMATIC)
    old, new = (
        Instrument(instrument_id=f"pm_{n}_{name}", fingerprint=f"fp_{n}_{name}") for n in ("old", "new")
    )
    return {
        "failed": PaymentFailed(
            id=fact_id(account, "payment.failed", f"ch_1_{name}"),
            time=at,
            **whose,
            gateway="stripe",
            nature=FailureNature.RENEWAL,
            invoice=invoice,
            charge_id=f"ch_1_{name}",
            amount=OWED,
            instrument=old,
            decline=DeclineFacts(code="insufficient_funds"),
        ),
        "succeeded": PaymentSucceeded(
            id=fact_id(account, "payment.succeeded", f"ch_2_{name}"),
            time=at + timedelta(hours=1),
            **whose,
            gateway="stripe",
            invoice=invoice,
            charge_id=f"ch_2_{name}",
            amount=OWED,
            instrument=new,
        ),
        "card": CardUpdated(
            id=fact_id(account, "card.updated", customer, f"pm_new_{name}"),
            time=at + timedelta(minutes=30),
            **whose,
            instrument=new,
            change=CardChange.ADDED,
        ),
    }


async def test_every_order_of_a_failure_its_success_and_a_new_card_ends_in_the_same_case(
    merchant: OpenSandbox, house: House
) -> None:
    sandbox = await merchant()
    stories = {order: await told(sandbox, "".join(word[0] for word in order)) for order in ORDERS}
    producer = AIOKafkaProducer(bootstrap_servers=house.kafka.bootstrap_servers, acks="all")
    await producer.start()
    try:
        for position in range(3):
            for order, facts in stories.items():
                for _ in range(5):
                    await _send(producer, facts[order[position]])
            await producer.flush()
            await eventually(lambda: _all_handled(house))
    finally:
        await producer.stop()
    cases = {
        case["invoice_id"]: (
            case["state"],
            case["recovered"]["minor"],
            case["tries_made"],
            case["next_try_at"],
        )
        for case in await eventually(lambda: _recovered(sandbox, len(ORDERS)))
    }
    clean = cases["in_fsc"]
    assert clean == ("recovered", OWED.minor, 0, None)
    assert cases == {f"in_{''.join(word[0] for word in order)}": clean for order in ORDERS}


async def _send(producer: AIOKafkaProducer, event: CustomerEvent) -> None:
    record = write(event, source="/test", partitions=12)
    await producer.send(
        record.topic, value=record.value, key=record.key, partition=record.partition, headers=record.headers
    )


async def _all_handled(house: House) -> bool:
    """Whether retry-scheduler has committed every record of the three topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=house.kafka.bootstrap_servers)
    await admin.start()
    try:
        waiting = [
            await _waiting(house, admin, topic)
            for topic in ("payment.failed", "payment.succeeded", "card.updated")
        ]
    finally:
        await admin.close()
    return not any(waiting)


async def _waiting(house: House, admin: AIOKafkaAdminClient, topic: str) -> int:
    offsets = await admin.list_consumer_group_offsets(f"retry-scheduler.{topic}")
    consumer = AIOKafkaConsumer(bootstrap_servers=house.kafka.bootstrap_servers)
    await consumer.start()
    try:
        ends = await consumer.end_offsets([TopicPartition(topic, n) for n in range(12)])
    finally:
        await consumer.stop()
    done = {where: found.offset for where, found in offsets.items()}
    return sum(end - max(0, done.get(where, 0)) for where, end in ends.items())


async def _recovered(sandbox: Sandbox, wanted: int) -> list[dict[str, Any]]:
    cases = await sandbox.api.cases("recovered")
    assert len(cases) == wanted
    return cases
