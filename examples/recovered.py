"""Sum what was recovered, by day and currency: an analyst's consumer, with recoup_events and any Kafka client."""

import asyncio
import os
from collections import Counter

from aiokafka import AIOKafkaConsumer

from recoup_events.envelope import read
from recoup_events.models import RecoveryChanged
from recoup_events.values import CaseState


async def main() -> None:
    topic = RecoveryChanged.TOPIC.name
    servers = os.environ["KAFKA_BOOTSTRAP_SERVERS"]
    recovered: Counter[tuple[str, str]] = Counter()
    async with AIOKafkaConsumer(topic, bootstrap_servers=servers, auto_offset_reset="earliest") as consumer:
        while records := await consumer.getmany(timeout_ms=3000):
            for record in (record for group in records.values() for record in group):
                event = read(topic, record.key, record.headers, record.value)
                if (
                    isinstance(event, RecoveryChanged)
                    and event.state is CaseState.RECOVERED
                    and event.recovered_amount
                ):
                    money = event.recovered_amount
                    recovered[str(event.time.date()), money.currency] += money.minor
    for (day, currency), minor in sorted(recovered.items()):
        print(day, currency, minor)


asyncio.run(main())
