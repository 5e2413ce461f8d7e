"""Consumer groups: which there are, and where one reads on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestration.errors import ConfigurationError
from orchestration.resources.kafka import KafkaResource

# What a broker answers to a commit from outside while a group has members.
_HAS_MEMBERS: Final = ("UNKNOWN_MEMBER_ID", "ILLEGAL_GENERATION", "REBALANCE_IN_PROGRESS", "FENCED_MEMBER_EPOCH")
_POLL_S: Final = 0.1


@dataclass(frozen=True)
class Group:
    """A consumer group; one whose readers choose their partitions themselves, as Flink does, is EMPTY or absent."""

    name: str
    state: str


def list_groups(kafka: KafkaResource) -> list[Group]:
    """Every group that the broker knows.

    Raises:
        TransientError: Kafka is out of reach.
    """
    deadline = time.monotonic() + kafka.timeout_s
    with kafka.translated_errors("list"):
        admin = kafka.admin()
        # A broker that still loads its groups, as after its start, lists those that it has, and says so.
        while (listed := admin.list_consumer_groups(request_timeout=kafka.timeout_s).result()).errors:
            if time.monotonic() > deadline:
                raise listed.errors[0]
            time.sleep(_POLL_S)
    return sorted((Group(group.group_id, group.state.name) for group in listed.valid), key=lambda group: group.name)


def commit(kafka: KafkaResource, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    """Let the group read on at these offsets, by partition.

    A consumer commits that never joins the group, for the reason that `KafkaResource.committed` gives.

    Raises:
        ConfigurationError: the group has members, which would go on from their own offsets.
        TransientError: Kafka is out of reach.
    """
    from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

    places = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
    consumer = Consumer(kafka.brokers.config({"group.id": group}))
    with kafka.translated_errors(topic):
        try:
            consumer.list_topics(topic, timeout=kafka.timeout_s)  # a commit would wait for a broker without a limit
            consumer.commit(offsets=places, asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() in {getattr(KafkaError, name) for name in _HAS_MEMBERS}:
                raise ConfigurationError(f"group {group} has members that read: stop them, then reset it") from error
            raise
        finally:
            consumer.close()
