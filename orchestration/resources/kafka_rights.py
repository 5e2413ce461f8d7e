"""What Kafka lets a principal do, asked by calls that change nothing."""

from __future__ import annotations

import time
from typing import Any, Final

from orchestration.client_options import without_values
from orchestration.resources.brokers import Brokers

TIMEOUT_S: Final = 6.0
_FINDING: Final = ("COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR", "COORDINATOR_LOAD_IN_PROGRESS")
_POLL_S: Final = 0.2


def unusable(brokers: Brokers) -> str | None:
    """Why librdkafka does not take the options at all, such as names of another client; None: it does."""
    from confluent_kafka import KafkaException

    try:
        _admin(brokers, [])
    except KafkaException as error:
        return without_values(brokers.plain(), str(error.args[0].str()))
    return None


def refusal(brokers: Brokers) -> str | None:
    """Why the principal is not let in, as the client tells it; None: it is."""
    from confluent_kafka import KafkaError, KafkaException

    heard: list[KafkaError] = []
    admin = _admin(brokers, heard)
    try:
        admin.list_topics(timeout=TIMEOUT_S)
    except KafkaException as error:
        if heard_of := _reason(admin, heard):
            return heard_of
        return str(error.args[0].str())
    return None


def _reason(admin: Any, heard: list[Any]) -> str | None:  # noqa: ANN401 - the client has no types
    """The call itself says no more than that nobody answered in time."""
    from confluent_kafka import KafkaError

    admin.poll(0.2)
    telling = [error for error in heard if error.code() in (KafkaError._AUTHENTICATION, KafkaError._SSL)]
    return str((telling or heard)[-1].str()) if heard else None


def topic_rights(brokers: Brokers, topic: str) -> frozenset[str] | None:
    """Names of the operations on the topic, such as READ; None if the principal may not know of it, or it is absent.

    Raises: KafkaException when no broker answers.
    """
    from confluent_kafka import TopicCollection

    admin = _admin(brokers, [])  # kept: with the client its answers would go
    asked = admin.describe_topics(
        TopicCollection([topic]), include_authorized_operations=True, request_timeout=TIMEOUT_S
    )
    return _operations(asked[topic])


def group_rights(brokers: Brokers, group: str) -> frozenset[str] | None:
    """Names of the operations on the consumer group; None if the principal may not know of it.

    Raises: KafkaException when no broker answers.
    """
    from confluent_kafka import KafkaError, KafkaException

    admin = _admin(brokers, [])
    finding = {getattr(KafkaError, name) for name in _FINDING}
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        asked = admin.describe_consumer_groups([group], include_authorized_operations=True, request_timeout=TIMEOUT_S)
        try:
            return _operations(asked[group])
        except KafkaException as error:  # the first question on a new cluster makes it find out who keeps its groups
            if error.args[0].code() not in finding or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)


def may_create(brokers: Brokers, topic: str) -> bool:
    """Whether the principal may create the topic; Kafka is told to judge, and to do nothing."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

    admin = _admin(brokers, [])
    wanted = NewTopic(topic, num_partitions=1, replication_factor=1)
    try:
        admin.create_topics([wanted], validate_only=True, request_timeout=TIMEOUT_S)[topic].result()
    except KafkaException:
        return False
    return True


def _admin(brokers: Brokers, heard: list[Any]) -> Any:  # noqa: ANN401 - the client has no types
    from confluent_kafka.admin import AdminClient

    return AdminClient(brokers.config({"error_cb": heard.append}))


def _operations(asked: Any) -> frozenset[str] | None:  # noqa: ANN401 - the client has no types
    from confluent_kafka import KafkaError, KafkaException

    try:
        return frozenset(operation.name for operation in asked.result().authorized_operations or ())
    except KafkaException as error:
        unknown = (
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError.TOPIC_AUTHORIZATION_FAILED,
            KafkaError.GROUP_AUTHORIZATION_FAILED,
        )
        if error.args[0].code() in unknown:
            return None
        raise
