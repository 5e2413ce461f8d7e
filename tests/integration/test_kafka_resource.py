"""Topics and offsets on the real broker."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from orchestration.errors import ConfigurationError, TransientError
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.topics import OffsetRange, TopicReport, TopicSpec

RETENTION_MS = 3_600_000


def spec(name: str, partitions: int = 2, replication_factor: int = 1, retention_ms: int = RETENTION_MS) -> TopicSpec:
    return TopicSpec(name, partitions, replication_factor, retention_ms)


def publish(kafka: KafkaResource, topic: str, partition: int, count: int) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    for number in range(count):
        producer.produce(topic, value=str(number), partition=partition)
    assert producer.flush(10) == 0


def commit(kafka: KafkaResource, group: str, topic: str, offsets: dict[int, int]) -> None:
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap_servers, "group.id": group})
    try:
        consumer.commit(offsets=[TopicPartition(topic, p, o) for p, o in offsets.items()], asynchronous=False)
    finally:
        consumer.close()


def test_a_topic_is_created_once_as_wanted(kafka: KafkaResource, topic_name: str) -> None:
    first, second = kafka.ensure_topic(spec(topic_name)), kafka.ensure_topic(spec(topic_name))
    assert first == TopicReport(True, 2, 1, RETENTION_MS, "delete", ())
    assert second == TopicReport(False, 2, 1, RETENTION_MS, "delete", ())


def test_drift_is_reported_and_not_altered(kafka: KafkaResource, topic_name: str) -> None:
    kafka.ensure_topic(spec(topic_name, partitions=3))
    for _ in range(2):
        report = kafka.ensure_topic(spec(topic_name, partitions=2, retention_ms=5))
        assert (report.partitions, report.retention_ms) == (3, RETENTION_MS)
        assert report.drift == ("partitions is 3, wanted 2", f"retention.ms is {RETENTION_MS}, wanted 5")


def test_too_few_partitions_say_what_to_do(kafka: KafkaResource, topic_name: str) -> None:
    kafka.ensure_topic(spec(topic_name, partitions=1))
    with pytest.raises(ConfigurationError) as caught:
        kafka.ensure_topic(spec(topic_name, partitions=4))
    assert "has 1 partitions and 4 are wanted: set PI3_KAFKA_PARTITIONS=1" in str(caught.value)
    assert f"--alter --topic {topic_name} --partitions 4" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "replication_factor"), [("{}", 9), ("{}/", 1)])
def test_what_kafka_refuses_is_no_retry(
    kafka: KafkaResource, topic_name: str, name: str, replication_factor: int
) -> None:
    with pytest.raises(ConfigurationError, match=topic_name):
        kafka.ensure_topic(spec(name.format(topic_name), replication_factor=replication_factor))


def test_offsets_follow_what_is_produced(kafka: KafkaResource, topic_name: str) -> None:
    kafka.ensure_topic(spec(topic_name))
    assert kafka.offsets(topic_name) == {0: OffsetRange(0, 0), 1: OffsetRange(0, 0)}
    publish(kafka, topic_name, partition=1, count=5)
    assert kafka.offsets(topic_name) == {0: OffsetRange(0, 0), 1: OffsetRange(0, 5)}


def test_offsets_of_a_missing_topic_name_the_asset_and_create_nothing(kafka: KafkaResource, topic_name: str) -> None:
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"does not exist.*events_topic"):
            kafka.offsets(topic_name)


def test_committed_offsets_are_those_of_the_topic(kafka: KafkaResource, topic_name: str) -> None:
    other = f"{topic_name}-other"
    for name in (topic_name, other):
        kafka.ensure_topic(spec(name))
        publish(kafka, name, partition=0, count=5)
    group = f"group-{topic_name}"
    assert kafka.committed(group, topic_name) == {}
    commit(kafka, group, topic_name, {0: 3})
    commit(kafka, group, other, {0: 4, 1: 0})
    assert kafka.committed(group, topic_name) == {0: 3}
    assert kafka.committed(group, other) == {0: 4, 1: 0}


def test_a_broker_out_of_reach_is_transient_and_named(topic_name: str) -> None:
    gone = KafkaResource(bootstrap_servers="127.0.0.1:1", timeout_s=0.5)
    calls = (
        lambda: gone.ensure_topic(spec(topic_name)),
        lambda: gone.offsets(topic_name),
        lambda: gone.committed("group", topic_name),
    )
    for call in calls:
        with pytest.raises(TransientError, match=r"127\.0\.0\.1:1 .*PI3_KAFKA_BOOTSTRAP_SERVERS"):
            call()
