"""The publisher on a scripted client, and on librdkafka's own mock cluster inside this process."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

from contract.event import MAX_RECORD_BYTES
from producer.counts import Counts
from producer.errors import PublishError, StopRequested, UsageError
from producer.publisher import ClientErrors, Publisher, connect
from producer.record import Kind, Record
from producer.report import Report, State
from producer.run import Reporter, Run
from producer.stream import EventStream, Shares

TOPIC = "t"
PLAIN = Record(b"{}", b"k")


class Message:
    def __init__(self, partition: int, offset: int) -> None:
        self._place = (partition, offset)

    def partition(self) -> int:
        return self._place[0]

    def offset(self) -> int:
        return self._place[1]


class ScriptedClient:
    """Keeps at most ``capacity`` records; each poll acknowledges them all, or fails them with ``delivery_error``."""

    def __init__(self, capacity: int = 1_000, delivery_error: KafkaError | None = None) -> None:
        self._capacity = capacity
        self._error = delivery_error
        self._queue: list[Callable[[Any, Any], None]] = []
        self.refuse: list[BaseException] = []
        self.answers = True
        self.produced: list[tuple[Any, ...]] = []

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        *,
        on_delivery: Callable[[Any, Any], None],
        timestamp: int = 0,
    ) -> None:
        if self.refuse:
            raise self.refuse.pop(0)
        if len(self._queue) >= self._capacity:
            raise BufferError
        self._queue.append(on_delivery)
        self.produced.append((topic, value, key, timestamp))

    def poll(self, timeout: float) -> int:  # noqa: ARG002
        if self.answers:
            for offset, on_delivery in enumerate(self._queue, start=len(self.produced) - len(self._queue)):
                on_delivery(self._error, Message(0, offset))
            self._queue.clear()
        return 0

    def flush(self, timeout: float) -> int:
        self.poll(timeout)
        return len(self._queue)


def a_run(client_errors: ClientErrors | None = None) -> tuple[Run, Report]:
    report = Report("p", TOPIC, "generator", 1, 0.0, Counts())
    return Run(Reporter(report, None), client_errors or ClientErrors()), report


def a_publisher(client: ScriptedClient, errors: ClientErrors | None = None) -> tuple[Publisher, Counts]:
    counts = Counts()

    def breathe(wait_s: float) -> None:
        client.poll(wait_s)

    return Publisher(client, TOPIC, counts, errors or ClientErrors(), breathe), counts


def test_a_record_is_sent_whole() -> None:
    client = ScriptedClient()
    publisher, counts = a_publisher(client)
    publisher.send(Record(None, b"k", Kind.MALFORMED, 123))
    publisher.send(Record(b"", None))
    assert client.produced == [(TOPIC, None, b"k", 123), (TOPIC, b"", None, 0)]
    assert (counts.sent, counts.acknowledged, counts.unanswered) == (2, 0, 2)


def test_a_full_queue_waits_and_drops_nothing() -> None:
    client = ScriptedClient(capacity=3)
    publisher, counts = a_publisher(client)
    for number in range(100):
        publisher.send(Record(str(number).encode(), None))
    client.poll(0)
    assert [value for _, value, _, _ in client.produced] == [str(number).encode() for number in range(100)]
    assert (counts.sent, counts.acknowledged) == (100, 100)
    assert (counts.partitions[0].first_offset, counts.partitions[0].last_offset) == (0, 99)


def test_failed_deliveries_are_counted_by_error() -> None:
    client = ScriptedClient(delivery_error=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    run, report = a_run()
    run.publish(client, [PLAIN] * 5, 0, 0)
    assert dict(report.counts.failures) == {"TOPIC_AUTHORIZATION_FAILED": 5}
    assert (report.state, report.error) == (State.FAILED, "5 records failed, 0 unanswered")


def test_a_record_too_large_is_refused_and_the_next_one_sent() -> None:
    client = ScriptedClient()
    client.refuse = [KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE))]
    publisher, counts = a_publisher(client)
    publisher.send(PLAIN)
    publisher.send(PLAIN)
    assert (dict(counts.refused), counts.sent) == ({"MSG_SIZE_TOO_LARGE": 1}, 1)


def test_any_other_refusal_ends_the_run_after_a_flush() -> None:
    client = ScriptedClient()
    run, report = a_run()

    def records() -> Iterator[Record]:
        yield PLAIN
        client.refuse = [KafkaException(KafkaError(KafkaError._UNKNOWN_TOPIC))]
        yield PLAIN

    with pytest.raises(PublishError, match="Unknown topic"):
        run.publish(client, records(), 0, 0)
    assert (report.counts.sent, report.counts.acknowledged) == (1, 1)


def test_a_fatal_error_ends_the_sending() -> None:
    errors = ClientErrors()
    publisher, _ = a_publisher(ScriptedClient(), errors)
    errors(KafkaError(KafkaError._ALL_BROKERS_DOWN))
    publisher.send(PLAIN)
    errors(KafkaError(KafkaError._FENCED, "another took over", True))
    with pytest.raises(PublishError, match="another took over"):
        publisher.send(PLAIN)


def test_a_run_sends_the_count_and_finishes() -> None:
    client = ScriptedClient()
    run, report = a_run()
    run.publish(client, itertools.repeat(PLAIN), 0, 300)
    assert (report.state, report.counts.acknowledged) == (State.FINISHED, 300)


@pytest.mark.parametrize("rate_per_s", [0.0, 5.0])
def test_a_stop_reads_no_further_and_flushes(rate_per_s: float) -> None:
    client = ScriptedClient()
    run, report = a_run()

    def records() -> Iterator[Record]:
        yield PLAIN
        run.stop()
        yield from itertools.repeat(PLAIN)

    run.publish(client, records(), rate_per_s, 0)
    assert report.state is State.STOPPED
    assert report.counts.sent == report.counts.acknowledged <= 256


def test_a_stop_ends_the_wait_for_a_full_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.run._STOP_FLUSH_S", 0.05)
    client = ScriptedClient(capacity=1)
    client.answers = False
    run, report = a_run()

    def records() -> Iterator[Record]:
        yield PLAIN
        run.stop()
        yield PLAIN

    run.publish(client, records(), 0, 0)
    assert (report.state, report.error) == (State.FAILED, "0 records failed, 1 unanswered")


def test_breathing_says_when_to_stop() -> None:
    run, _ = a_run()
    run.breathe()
    run.stop()
    with pytest.raises(StopRequested):
        run.breathe()


@pytest.fixture(scope="module")
def mock_broker() -> Iterator[str]:
    """The address of a mock cluster that has the topic: https://github.com/confluentinc/librdkafka, rdkafka_mock.h."""
    cluster = Producer({"bootstrap.servers": "ignored", "test.mock.num.brokers": 1, "log_level": 0})
    cluster.produce(TOPIC, b"first")
    assert cluster.flush(10) == 0
    broker = next(iter(cluster.list_topics(timeout=10).brokers.values()))
    yield f"{broker.host}:{broker.port}"
    # The cluster lives as long as its client.
    cluster.flush(0)


def test_through_the_real_client(mock_broker: str) -> None:
    errors = ClientErrors()
    client = connect(mock_broker, TOPIC, "test", errors)
    run, report = a_run(errors)
    shares = Shares(malformed=0.1, late=0.1, duplicate=0.1)
    run.publish(client, EventStream(1, shares, lambda: 1_767_225_600_000), 0, 3_000)
    counts = report.counts
    assert (report.state, report.error, errors.last) == (State.FINISHED, "", "")
    assert counts.sent + sum(counts.refused.values()) == 3_000
    assert counts.acknowledged == counts.sent
    for count in counts.partitions.values():
        assert count.last_offset - count.first_offset + 1 == count.acknowledged
    assert counts.of_kind(Kind.MALFORMED) > 200
    assert sum(counts.of_kind(kind) for kind in Kind) == counts.sent


@pytest.mark.parametrize(("length", "refused"), [(900_000, 0), (MAX_RECORD_BYTES - 500, 0), (MAX_RECORD_BYTES + 1, 1)])
def test_the_real_client_refuses_what_the_contract_calls_oversize(mock_broker: str, length: int, refused: int) -> None:
    run, report = a_run()
    run.publish(connect(mock_broker, TOPIC, "test", ClientErrors()), [Record(b"x" * length, None)], 0, 0)
    assert report.counts.refused["MSG_SIZE_TOO_LARGE"] == refused
    assert (report.counts.acknowledged, report.state) == (1 - refused, State.FINISHED)


def test_a_missing_topic_is_one_clear_line(mock_broker: str) -> None:
    with pytest.raises(UsageError, match=rf"topic 'absent' at {mock_broker} cannot be used \(.*\): create it"):
        connect(mock_broker, "absent", "test", ClientErrors())


def test_an_unreachable_broker_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("producer.publisher._CONNECT_TIMEOUT_S", 0.3)
    with pytest.raises(
        UsageError, match=r"no Kafka broker answers at 127\.0\.0\.1:1 within 0\.3 s .*refused.*: start it"
    ) as raised:
        connect("127.0.0.1:1", TOPIC, "test", ClientErrors())
    assert "\n" not in str(raised.value)
