"""Events and merchants to measure with: ordinary renewals that fail, of many customers, all of fixed ids."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice

import asyncpg
from aiokafka import AIOKafkaProducer

from recoup_events import models as m
from recoup_events.envelope import Record, write
from recoup_events.parts import DeclineFacts, Instrument, Invoice, Money
from recoup_events.topics import PARTITIONS_ON_ONE_MACHINE
from recoup_events.values import Attribution, Collection, FailureNature, fact_id

MERCHANT, ACCOUNT = "m_bench", "acct_bench"
WHEN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
"""Within the last hour, as failures are heard of: of older ones a step of the ladder is due at once."""

AT_ONCE = 5_000
"""Events made, put on a topic and acknowledged before the next."""

CODES = ("insufficient_funds", "generic_decline", "do_not_honor", "expired_card")


def failure(number: int, *, merchant: str = MERCHANT, series: str = "") -> m.PaymentFailed:
    """The failed renewal of the customer of this number; another `series` has other customers."""
    name = f"{series}{number}"
    return m.PaymentFailed(
        id=fact_id(ACCOUNT, "payment.failed", f"{merchant}_ch_{name}"),
        time=WHEN + timedelta(seconds=number % 3600),
        merchant_id=merchant,
        customer_id=f"cus_{name}",
        account_id=ACCOUNT,
        gateway="stripe",
        nature=FailureNature.RENEWAL,
        invoice=Invoice(
            invoice_id=f"in_{name}",
            number=f"N-{name}",
            subscription_id=f"sub_{name}",
            owed=Money(minor=1999, currency="EUR"),
            collection=Collection.AUTOMATIC,
        ),
        charge_id=f"ch_{name}",
        payment_intent_id=f"pi_{name}",
        amount=Money(minor=1999, currency="EUR"),
        instrument=Instrument(
            instrument_id=f"pm_{name}",
            brand="visa",
            funding="credit",
            country="IT",
            fingerprint=f"fp_{name}",
            exp_month=3,
            exp_year=2030,
        ),
        decline=DeclineFacts(code=CODES[number % len(CODES)]),
        attributed_to=Attribution.GATEWAY,
    )


def failures(count: int, *, series: str = "") -> Iterator[m.PaymentFailed]:
    """So many of them, each another customer's."""
    return (failure(number, series=series) for number in range(count))


async def put(kafka: str, prefix: str, events: Iterable[m.Event]) -> None:
    """Put events on their topics, some thousand in memory at a time."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka, linger_ms=5, max_batch_size=256 * 1024)
    await producer.start()
    try:
        waiting = iter(events)
        while some := list(islice(waiting, AT_ONCE)):
            records = [write(event, source="/bench", partitions=PARTITIONS_ON_ONE_MACHINE) for event in some]
            await send(producer, prefix, records)
    finally:
        await producer.stop()


async def send(producer: AIOKafkaProducer, prefix: str, records: Iterable[Record]) -> None:
    """Send records and wait until the broker has acknowledged all."""
    sent = [
        await producer.send(
            prefix + record.topic,
            value=record.value,
            key=record.key,
            partition=record.partition,
            headers=record.headers,
        )
        for record in records
    ]
    await asyncio.gather(*sent)


async def know(owner_dsn: str, merchants: Iterable[str] = (MERCHANT,), clock: int = 0) -> None:
    """Put merchants on a clock, as their settings would; clock 0 is real time."""
    connection = await asyncpg.connect(owner_dsn)
    await connection.execute(
        "INSERT INTO merchant_clocks (merchant_id, clock_id) SELECT unnest($1::text[]), $2",
        list(merchants),
        clock,
    )
    await connection.close()
