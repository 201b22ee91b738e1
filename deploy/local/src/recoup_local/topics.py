"""Make topics on a broker, as the table of their owner says.

The number of partitions is the same for every topic and permanent: a topic that exists with another one is an
error, for the order of a customer's events would be lost.
"""

from collections.abc import Mapping

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
