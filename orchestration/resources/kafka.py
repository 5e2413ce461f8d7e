"""Kafka as Dagster sees it: the topic is provisioned and its offsets are read; records never pass through here."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING, Literal

# Dagster's own mark for a resource that is a plain object, as its Pipes clients are.
from dagster._core.definitions.resource_annotation import TreatAsResourceParam
from pydantic import SecretStr

from orchestration.errors import ConfigurationError, TransientError
from orchestration.resources.brokers import Brokers
from orchestration.resources.topics import OffsetRange, TopicReport, TopicSpec, topic_drift

if TYPE_CHECKING:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

__all__ = ["KafkaResource", "OffsetRange", "TopicReport", "TopicSpec"]

# Errors that asking again cannot cure; all others (no transport, no leader yet, timed out...) are worth a retry.
_PERMANENT = (
    "UNKNOWN_TOPIC_OR_PART",
    "TOPIC_EXCEPTION",
    "INVALID_PARTITIONS",
    "INVALID_REPLICATION_FACTOR",
    "INVALID_CONFIG",
    "POLICY_VIOLATION",
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "INVALID_GROUP_ID",
    "SASL_AUTHENTICATION_FAILED",
    "_AUTHENTICATION",
    "_SSL",
    "_INVALID_ARG",
)
_POLL_S = 0.1


@dataclass(frozen=True)
class KafkaResource(TreatAsResourceParam):
    """A Kafka cluster; every call raises TransientError if no broker answers within `timeout_s`.

    No ConfigurableResource, since Dagster shows the fields of those: `options` may hold secrets.
    """

    bootstrap_servers: str
    timeout_s: float = 5.0
    options: Mapping[str, SecretStr] = field(default_factory=dict)

    @property
    def brokers(self) -> Brokers:
        """For clients of one's own."""
        return Brokers(self.bootstrap_servers, self.options)

    def ensure_topic(self, spec: TopicSpec) -> TopicReport:
        """Create the topic if absent, and compare what is there with the spec.

        Raises:
            ConfigurationError: the topic has fewer partitions than wanted, or Kafka refuses to create it.
            TransientError: Kafka is out of reach.
        """
        with self.translated_errors(spec.name):
            admin = self.admin()
            found = self._describe(admin, spec.name)
            created = found is None and self._create(admin, spec)
            replicas = found or self._await_topic(admin, spec.name)
            config = self._topic_config(admin, spec.name)
        if len(replicas) < spec.partitions:
            raise ConfigurationError(self._too_few(spec, len(replicas)))
        return TopicReport(
            created=created,
            partitions=len(replicas),
            replication_factor=min(replicas.values()),
            retention_ms=int(config["retention.ms"]),
            cleanup_policy=config["cleanup.policy"],
            drift=topic_drift(spec, replicas, config),
        )

    def offsets(self, topic: str) -> dict[int, OffsetRange]:
        """Begin and end offset of each partition.

        Raises:
            ConfigurationError: the topic does not exist.
            TransientError: Kafka is out of reach.
        """
        from confluent_kafka import TopicPartition

        with self.translated_errors(topic):
            admin = self.admin()
            replicas = self._describe(admin, topic)
            if replicas is None:
                raise ConfigurationError(f"{self._at(topic)} does not exist: materialise the asset events_topic")
            partitions = [TopicPartition(topic, partition) for partition in replicas]
            # Begin first: a partition that is written meanwhile still gives begin <= end.
            begins = self._list_offsets(admin, partitions, "earliest")
            ends = self._list_offsets(admin, partitions, "latest")
        return {partition: OffsetRange(begins[partition], ends[partition]) for partition in sorted(ends)}

    def offsets_at(self, topic: str, moment: datetime) -> dict[int, int]:
        """The first offset of each partition whose record is stamped at the moment or later; its end if there is none.

        Raises:
            ConfigurationError: the topic does not exist.
            TransientError: Kafka is out of reach.
        """
        from confluent_kafka import TopicPartition

        ends = {partition: span.end for partition, span in self.offsets(topic).items()}
        moment_ms = max(0, int(moment.timestamp() * 1000))
        with self.translated_errors(topic):
            places = [TopicPartition(topic, partition) for partition in ends]
            found = self._list_offsets(self.admin(), places, moment_ms)
        return {partition: offset if offset >= 0 else ends[partition] for partition, offset in sorted(found.items())}

    def topics(self) -> list[str]:
        """Names of all topics, Kafka's own ones too.

        Raises:
            TransientError: Kafka is out of reach.
        """
        with self.translated_errors("list"):
            return sorted(self.admin().list_topics(timeout=self.timeout_s).topics)

    def replicas(self, topic: str) -> dict[int, int]:
        """Number of replicas of each partition; empty if there is no such topic.

        Raises:
            TransientError: Kafka is out of reach.
        """
        with self.translated_errors(topic):
            return self._describe(self.admin(), topic) or {}

    def config(self, topic: str) -> dict[str, str]:
        """The topic's configuration, as it is in force.

        Raises:
            ConfigurationError: the topic does not exist.
            TransientError: Kafka is out of reach.
        """
        with self.translated_errors(topic):
            return self._topic_config(self.admin(), topic)

    def retention_ms(self, topic: str) -> int:
        """How long the topic keeps a record at least; -1 for ever.

        Raises:
            ConfigurationError: the topic does not exist.
            TransientError: Kafka is out of reach.
        """
        return int(self.config(topic)["retention.ms"])

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Offsets that the consumer group committed; a partition without a commit is absent.

        A consumer asks that never joins the group: the admin client's own request crashes the process when the group's
        coordinator is just moving (https://github.com/confluentinc/librdkafka/issues/5040; seen on a fresh broker).

        Raises:
            ConfigurationError: the topic does not exist.
            TransientError: Kafka is out of reach.
        """
        from confluent_kafka import Consumer, TopicPartition

        with self.translated_errors(topic):
            consumer = Consumer(self.brokers.config({"group.id": group, "enable.auto.commit": False}))
            try:
                description = consumer.list_topics(topic, timeout=self.timeout_s).topics[topic]
                partitions = [TopicPartition(topic, number) for number in description.partitions]
                positions = consumer.committed(partitions, timeout=self.timeout_s) if partitions else []
            finally:
                consumer.close()
        if not partitions:
            raise ConfigurationError(f"{self._at(topic)} does not exist: materialise the asset events_topic")
        return {p.partition: p.offset for p in positions if p.offset >= 0}

    def admin(self) -> AdminClient:
        """A client of its own; its calls belong into `translated_errors`."""
        from confluent_kafka.admin import AdminClient

        return AdminClient(self.brokers.config({}))

    def _describe(self, admin: AdminClient, topic: str) -> dict[int, int] | None:
        """Number of replicas of each partition; None if there is no such topic."""
        from confluent_kafka import KafkaError, KafkaException, TopicCollection

        try:
            answers = admin.describe_topics(TopicCollection([topic]), request_timeout=self.timeout_s)
            return {partition.id: len(partition.replicas) for partition in answers[topic].result().partitions}
        except KafkaException as error:
            if error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise

    def _list_offsets(
        self, admin: AdminClient, partitions: list[TopicPartition], position: Literal["earliest", "latest"] | int
    ) -> dict[int, int]:
        """`position`: a number is a timestamp in ms, and the offset is -1 where every record is older."""
        kinds = _admin_api().OffsetSpec
        spec = kinds.for_timestamp(position) if isinstance(position, int) else getattr(kinds, position)()
        wanted = dict.fromkeys(partitions, spec)
        answers = admin.list_offsets(wanted, request_timeout=self.timeout_s)
        return {partition.partition: future.result().offset for partition, future in answers.items()}

    def _create(self, admin: AdminClient, spec: TopicSpec) -> bool:
        from confluent_kafka import KafkaError, KafkaException

        topic = _admin_api().NewTopic(
            spec.name,
            num_partitions=spec.partitions,
            replication_factor=spec.replication_factor,
            config={"retention.ms": str(spec.retention_ms), "cleanup.policy": "delete"},
        )
        try:
            admin.create_topics([topic], request_timeout=self.timeout_s)[spec.name].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            return False
        return True

    def _await_topic(self, admin: AdminClient, topic: str) -> dict[int, int]:
        """A new topic reaches each broker's metadata a moment after its creation is confirmed."""
        deadline = time.monotonic() + self.timeout_s
        while (replicas := self._describe(admin, topic)) is None:
            if time.monotonic() > deadline:
                raise TransientError(f"{self._at(topic)} was created but is not visible after {self.timeout_s} s")
            time.sleep(_POLL_S)
        return replicas

    def _topic_config(self, admin: AdminClient, topic: str) -> dict[str, str]:
        resource = _admin_api().ConfigResource("topic", topic)
        entries = admin.describe_configs([resource], request_timeout=self.timeout_s)[resource].result()
        return {name: entry.value for name, entry in entries.items()}

    @contextmanager
    def translated_errors(self, topic: str) -> Iterator[None]:
        """Turn the client's errors into ours, of a call about `topic`."""
        from confluent_kafka import KafkaError, KafkaException

        try:
            yield
        except KafkaException as error:
            cause = error.args[0]
            if cause.code() in {getattr(KafkaError, name) for name in _PERMANENT}:
                raise ConfigurationError(f"{self._at(topic)}: {cause.str()}") from error
            raise TransientError(
                f"Kafka at {self.bootstrap_servers} gave no answer within {self.timeout_s:g} s ({cause.str()}): "
                "try again; if it stays so, check that the broker runs and that PI3_KAFKA_BOOTSTRAP_SERVERS is right; "
                "`pi3 preflight` says whether it refuses the login"
            ) from error

    def _at(self, topic: str) -> str:
        return f"topic {topic} at {self.bootstrap_servers}"

    def _too_few(self, spec: TopicSpec, partitions: int) -> str:
        return (
            f"{self._at(spec.name)} has {partitions} partitions and {spec.partitions} are wanted: set "
            f"PI3_KAFKA_PARTITIONS={partitions}, or add partitions with kafka-topics.sh --bootstrap-server "
            f"{self.bootstrap_servers} --alter --topic {spec.name} --partitions {spec.partitions}"
        )


def _admin_api() -> ModuleType:
    """`confluent_kafka.admin`, imported when first used (definitions load without it); it re-exports without types."""
    import confluent_kafka.admin

    return confluent_kafka.admin
