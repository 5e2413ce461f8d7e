"""Reads raw records of chosen offsets from Kafka, without a consumer group and without commits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from orchestration.errors import ConfigurationError, TransientError
from orchestration.ledger.offsets import OffsetRange, OffsetSet
from orchestration.resources.brokers import Brokers

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

# Measured: a seek costs as long as reading about this many records of 460 B through.
SEEK_WORTH_RECORDS: Final = 1_000

_BATCH: Final = 200
_POLL_S: Final = 0.1


class RawRecord(NamedTuple):
    """One record as Kafka holds it; `timestamp_ms` is -1 if it has none."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int


class Batch(NamedTuple):
    """Wanted records in the order of offsets, and how far the reader has come.

    A wanted offset below `position` that came in no batch so far has no record in the log.
    """

    records: list[RawRecord]
    position: int


def plan_runs(wanted: OffsetSet, seek_worth_records: int = SEEK_WORTH_RECORDS) -> list[OffsetRange]:
    """The ranges to read through, so that gaps are skipped where a seek is cheaper than reading on.

    A little that is missing is fetched alone; much of it, and close together, becomes one range.
    """
    runs: list[OffsetRange] = []
    for span in wanted.ranges:
        if runs and span.begin - runs[-1].end <= seek_worth_records:
            runs[-1] = OffsetRange(runs[-1].begin, span.end)
        else:
            runs.append(span)
    return runs


class RecordReader:
    """A reader of one topic; close it, or use it as a context manager. Not for use by several threads at once.

    What it reads is what the job's source reads: uncommitted transactions too, Kafka's default isolation level.
    """

    def __init__(self, brokers: Brokers, topic: str, timeout_s: float = 20.0) -> None:
        from confluent_kafka import Consumer

        self.topic = topic
        self._bootstrap_servers = brokers.bootstrap_servers
        self._timeout_s = timeout_s
        self._consumer: Consumer = Consumer(
            brokers.config(
                {
                    "group.id": f"pi3-ledger-{topic}",  # librdkafka asks for one; it is never joined
                    "enable.auto.commit": False,
                    "enable.auto.offset.store": False,
                    "enable.partition.eof": True,
                    "auto.offset.reset": "error",
                    "isolation.level": "read_uncommitted",
                    # The memory that may wait to be read, and how soon it is filled up again (default: after 1 s).
                    "queued.max.messages.kbytes": 16_384,
                    # What each seek fetches: 2 ms against 14 ms with the default, and the throughput is the same.
                    "fetch.message.max.bytes": 131_072,
                    "fetch.queue.backoff.ms": 5,
                    "fetch.wait.max.ms": 50,
                }
            )
        )

    def bounds(self, partition: int) -> OffsetRange:
        """Log begin and end of a partition.

        Raises:
            TransientError: no broker answers within `timeout_s`.
            ConfigurationError: there is no such topic or partition.
        """
        with self._translated_errors():
            begin, end = self._consumer.get_watermark_offsets(self._at(partition), timeout=self._timeout_s)
        return OffsetRange(begin, end)

    def read(self, partition: int, wanted: OffsetSet) -> Iterator[Batch]:
        """The records at `wanted`; offsets without a record (deleted, compacted, transaction marks) do not come.

        The last batch's position is the end of `wanted`. Memory stays bounded, however much is wanted.

        Raises:
            TransientError: no record comes within `timeout_s`.
            ConfigurationError: there is no such topic or partition.
        """
        with self._translated_errors():
            for run in plan_runs(wanted):
                within = wanted & OffsetSet.of_ranges([run])
                yield from self._read_run(partition, run, within)

    def read_range(self, partition: int, begin: int, end: int) -> Iterator[RawRecord]:
        """Every record of [begin, end), in order; errors as in `read`."""
        for batch in self.read(partition, OffsetSet.of_ranges([OffsetRange(begin, end)])):
            yield from batch.records

    def read_offsets(self, partition: int, offsets: Iterable[int]) -> Iterator[RawRecord]:
        """The records at these offsets, in order; errors as in `read`."""
        for batch in self.read(partition, OffsetSet.of_offsets(offsets)):
            yield from batch.records

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()

    def __enter__(self) -> RecordReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_run(self, partition: int, run: OffsetRange, wanted: OffsetSet) -> Iterator[Batch]:
        chosen = range(run.begin, run.end) if len(wanted.ranges) == 1 else frozenset(wanted)
        position = run.begin
        self._consumer.assign([self._at(partition, position)])
        deadline = time.monotonic() + self._timeout_s
        while position < run.end:
            messages = self._consumer.consume(min(_BATCH, run.end - position), _POLL_S)
            reached = self._reached(partition, messages, OffsetRange(position, run.end))
            if reached == position and time.monotonic() > deadline:
                raise self._no_answer(f"partition {partition} gives no record from offset {position} on")
            if reached > position:
                position, deadline = reached, time.monotonic() + self._timeout_s
                records = [_raw(m) for m in messages if m.error() is None and m.offset() in chosen]
                yield Batch(records, min(position, run.end))

    def _reached(self, partition: int, messages: list[Message], run: OffsetRange) -> int:
        """The first offset of the run that is not known by now; one or two messages may be news of an end or error."""
        from confluent_kafka import KafkaError, KafkaException

        position = run.begin
        for message in messages:
            error, offset = message.error(), message.offset() or 0
            if error is None:
                position = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                # Short of the run's end, the log ends early for now: a new leader may still have to catch up.
                position = max(position, min(offset, run.end))
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                position = self._skip_to_log_begin(partition, position)
            elif error.code() not in (KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT):
                raise KafkaException(error)
        return position

    def _skip_to_log_begin(self, partition: int, position: int) -> int:
        """Go on where the log begins now: retention has overtaken the reader."""
        begin = max(position, self.bounds(partition).begin)
        self._consumer.assign([self._at(partition, begin)])
        return begin

    def _at(self, partition: int, offset: int = 0) -> TopicPartition:
        from confluent_kafka import TopicPartition

        return TopicPartition(self.topic, partition, offset)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        from confluent_kafka import KafkaError, KafkaException

        try:
            yield
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if cause.code() in (KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART):
                where = f"topic {self.topic} at {self._bootstrap_servers}"
                raise ConfigurationError(f"{where}: {cause.str()}: materialise the asset events_topic") from error
            if cause.code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED):
                where = f"topic {self.topic} at {self._bootstrap_servers}"
                raise ConfigurationError(f"{where}: {cause.str()}: `pi3 preflight` says what is lacking") from error
            raise self._no_answer(cause.str()) from error

    def _no_answer(self, what: str) -> TransientError:
        return TransientError(
            f"topic {self.topic} at {self._bootstrap_servers}, within {self._timeout_s:g} s: {what}. Try again; if it "
            "stays so, check that the broker runs and that PI3_KAFKA_BOOTSTRAP_SERVERS is right"
        )


def _raw(message: Message) -> RawRecord:
    return RawRecord(
        message.partition() or 0,
        message.offset() or 0,
        message.key(),
        message.value(),
        # The stub allows for what a producer may pass in, a mapping or texts; a consumer gets pairs with bytes.
        cast("tuple[tuple[str, bytes | None], ...]", tuple(message.headers() or ())),
        message.timestamp()[1],
    )
