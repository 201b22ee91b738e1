"""Make topics on a broker, as the table of their owner says; see whether a topic was read to its end.

The number of partitions is the same for every topic and permanent: a topic that exists with another one is an
error, for the order of a customer's events would be lost.
"""

from collections.abc import Iterable, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code

from recoup_local.state import LocalError

PARTITIONS = 12  # on one machine; 96 in production
REPLICAS = 3
EXISTS = 36  # Kafka's error code TOPIC_ALREADY_EXISTS


async def create_topics(
    bootstrap_servers: str,
    topics: Mapping[str, Mapping[str, str]],
    *,
    partitions: int = PARTITIONS,
) -> None:
    """Create what is missing, with three replicas or as many as there are brokers; safe to run again.

    Args:
        bootstrap_servers: of the cluster.
        topics: name -> Kafka's topic configuration (`cleanup.policy`, `retention.ms`, …).
        partitions: of each topic.

    Raises:
        LocalError: the broker refuses one, or one exists with another number of partitions.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=30_000)
    await admin.start()
    try:
        replicas = min(REPLICAS, len((await admin.describe_cluster())["brokers"]))
        wanted = [
            NewTopic(name, partitions, replicas, topic_configs=dict(configuration))
            for name, configuration in topics.items()
        ]
        answer = (await admin.create_topics(wanted)).to_object()
        for topic in answer["topic_errors"]:
            if topic["error_code"] not in (0, EXISTS):
                reason = topic.get("error_message") or for_code(topic["error_code"]).__name__
                raise LocalError(f"Kafka refuses topic {topic['topic']}: {reason}")
        for topic in await admin.describe_topics(list(topics)):
            found = len(topic["partitions"])
            if found not in (0, partitions):
                raise LocalError(
                    f"topic {topic['topic']} has {found} partitions, not {partitions}: that is permanent"
                )
    finally:
        await admin.close()


async def behind(
    bootstrap_servers: str, topic: str, groups: Iterable[str], *, partitions: int = PARTITIONS
) -> list[str]:
    """Give those of these groups that have not committed all that the topic held a moment ago."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=30_000)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap_servers, enable_auto_commit=False)
    await admin.start()
    await consumer.start()
    try:
        where = [TopicPartition(topic, number) for number in range(partitions)]
        ends = {one: end for one, end in (await consumer.end_offsets(where)).items() if end}
        found = []
        for group in groups:
            done = await admin.list_consumer_group_offsets(group)
            if any(one not in done or done[one].offset < end for one, end in ends.items()):
                found.append(group)
        return found
    finally:
        await consumer.stop()
        await admin.close()
