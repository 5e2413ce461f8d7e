"""Raw records on the real broker: ranges, single offsets, holes, the moving begin of the log, and its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from orchestration.errors import ConfigurationError, TransientError
from orchestration.ledger.offsets import OffsetRange, OffsetSet
from orchestration.ledger.reader import RawRecord, RecordReader
from orchestration.resources.brokers import Brokers
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.topics import TopicSpec
from tests.fixtures.ledger import await_leaders


@pytest.fixture
def topic(kafka: KafkaResource, topic_name: str) -> str:
    kafka.ensure_topic(TopicSpec(topic_name, 2, 1, 3_600_000))
    await_leaders(kafka, topic_name)
    return topic_name


@pytest.fixture
def reader(kafka: KafkaResource, topic: str) -> Iterator[RecordReader]:
    with RecordReader(kafka.brokers, topic, timeout_s=10) as opened:
        yield opened


def publish(kafka: KafkaResource, topic: str, values: list[bytes | None], **settings: object) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "compression.type": "lz4", **settings})
    for value in values:
        producer.produce(topic, value, partition=1)
    assert producer.flush(10) == 0


def delete_below(kafka: KafkaResource, topic: str, offset: int) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    partition = TopicPartition(topic, 1, offset)
    admin.delete_records([partition])[partition].result(10)


def test_a_record_comes_as_it_is(kafka: KafkaResource, topic: str, reader: RecordReader) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers})
    headers: list[tuple[str, str | bytes | None]] = [
        ("trace", b"\x00\xff"),
        ("empty", b""),
        ("none", None),
        ("trace", b"again"),
        ("né", b"1"),
    ]
    producer.produce(topic, b"\xff\x00", b"key", 1, timestamp=1_767_225_600_123, headers=headers)
    producer.produce(topic, None, None, 1, timestamp=1)
    assert producer.flush(10) == 0
    first, second = reader.read_range(1, 0, 2)
    assert first[:4] == (1, 0, b"key", b"\xff\x00")
    assert list(first.headers) == headers
    assert first.timestamp_ms == 1_767_225_600_123
    assert second == RawRecord(1, 1, None, None, (), 1)


def test_offsets_far_apart_and_close_together(kafka: KafkaResource, topic: str, reader: RecordReader) -> None:
    publish(kafka, topic, [str(number).encode() for number in range(5_000)])
    assert reader.bounds(1) == OffsetRange(0, 5_000)
    wanted = [0, 1, 7, 2_500, 2_501, 4_999]
    assert [(record.offset, record.value) for record in reader.read_offsets(1, wanted)] == [
        (offset, str(offset).encode()) for offset in wanted
    ]
    assert [record.offset for record in reader.read_range(1, 100, 4_000)] == list(range(100, 4_000))
    assert list(reader.read_range(1, 3, 3)) == []
    assert list(reader.read(1, OffsetSet())) == []


def test_batches_say_how_far_the_reader_has_come(kafka: KafkaResource, topic: str, reader: RecordReader) -> None:
    publish(kafka, topic, [b"x"] * 3_000)
    wanted = OffsetSet.of_offsets([10, 2_900])
    batches = list(reader.read(1, wanted))
    positions = [batch.position for batch in batches]
    assert positions == sorted(positions)
    assert positions[-1] == 2_901
    for batch in batches:
        assert all(record.offset < batch.position for record in batch.records)


def test_what_lies_below_the_begin_of_the_log_does_not_come(
    kafka: KafkaResource, topic: str, reader: RecordReader
) -> None:
    publish(kafka, topic, [b"x"] * 100)
    delete_below(kafka, topic, 40)
    assert reader.bounds(1) == OffsetRange(40, 100)
    assert [record.offset for record in reader.read_range(1, 10, 50)] == list(range(40, 50))
    assert list(reader.read_range(1, 0, 30)) == []
    assert [record.offset for record in reader.read_offsets(1, [5, 39, 40, 99])] == [40, 99]


def test_marks_of_transactions_are_holes_and_uncommitted_records_are_read(
    kafka: KafkaResource, topic: str, reader: RecordReader
) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, "transactional.id": topic})
    producer.init_transactions(10)
    for commit in (True, False):
        producer.begin_transaction()
        producer.produce(topic, b"x", partition=1)
        producer.flush(10)
        producer.commit_transaction(10) if commit else producer.abort_transaction(10)
    deadline = time.monotonic() + 10
    while reader.bounds(1) != OffsetRange(0, 4) and time.monotonic() < deadline:
        time.sleep(0.05)  # the broker writes the marks after it has answered
    assert [record.offset for record in reader.read_range(1, 0, 4)] == [0, 2]
    assert list(reader.read_range(1, 3, 4)) == []


def test_a_log_without_records_gives_none(kafka: KafkaResource, topic: str, reader: RecordReader) -> None:
    publish(kafka, topic, [b"x"] * 10)
    delete_below(kafka, topic, 10)
    assert reader.bounds(1) == OffsetRange(10, 10)
    assert list(reader.read_range(1, 0, 10)) == []


def test_large_records_come_whole(kafka: KafkaResource, topic: str, reader: RecordReader) -> None:
    values = [bytes([number]) * 900_000 for number in range(30)]
    publish(kafka, topic, list(values), **{"compression.type": "none"})
    assert [record.value for record in reader.read_range(1, 0, 30)] == values


def test_the_log_may_lose_its_head_while_it_is_read(kafka: KafkaResource, topic: str, reader: RecordReader) -> None:
    publish(kafka, topic, [b"x" * 5_000] * 20_000)
    reading = reader.read_range(1, 0, 20_000)
    seen = [next(reading).offset]
    threading.Thread(target=delete_below, args=(kafka, topic, 19_990)).start()
    seen += [record.offset for record in reading]
    assert seen == sorted(set(seen))
    assert seen[-10:] == list(range(19_990, 20_000))


def test_offsets_beyond_the_end_are_transient_and_named(kafka: KafkaResource, topic: str) -> None:
    publish(kafka, topic, [b"x"] * 3)
    with RecordReader(kafka.brokers, topic, timeout_s=1) as reader:
        with pytest.raises(TransientError, match=f"topic {topic} at .*partition 1 gives no record from offset 3 on"):
            list(reader.read_range(1, 1, 9))
        with pytest.raises(TransientError, match="partition 1 gives no record from offset"):
            list(reader.read_range(1, 8, 9))


def test_a_broker_out_of_reach_is_transient_and_named(topic_name: str) -> None:
    with RecordReader(Brokers("127.0.0.1:1"), topic_name, timeout_s=0.5) as reader:
        with pytest.raises(TransientError, match=r"127\.0\.0\.1:1.*PI3_KAFKA_BOOTSTRAP_SERVERS"):
            reader.bounds(0)
        with pytest.raises(TransientError, match="partition 0 gives no record from offset 0 on"):
            list(reader.read_range(0, 0, 1))


def test_a_missing_topic_names_the_asset(kafka: KafkaResource, topic_name: str) -> None:
    with (
        RecordReader(kafka.brokers, topic_name, timeout_s=3) as reader,
        pytest.raises(ConfigurationError, match=f"topic {topic_name} .*events_topic"),
    ):
        reader.bounds(0)
