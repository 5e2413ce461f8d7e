"""Reads ranges of a topic from Kafka in bulk: the client's own messages, without an object of ours for each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Final

from orchestration.errors import TransientError
from orchestration.resources.brokers import Brokers
from orchestration.resources.topics import OffsetRange

if TYPE_CHECKING:
    from confluent_kafka import Message

__all__ = ["BulkReader", "RecordBatch"]

# Judged while they are in the cache; batches of 10,000 cost about a tenth more CPU.
BATCH_RECORDS = 2_000
# Short, since it also bounds a batch of large records: what arrives in this time.
_POLL_S: Final = 0.1
_REQUEST_TIMEOUT_S: Final = 10.0
STALL_TIMEOUT_S = 30.0

# https://github.com/confluentinc/librdkafka/blob/master/CONFIGURATION.md
_CONFIG: Final = {
    "group.id": "pi3-deep-audit",  # demanded by the client; it neither joins the group nor commits
    "enable.auto.commit": False,
    "enable.partition.eof": True,
    # Where retention has passed the place to read from, go on at the oldest record.
    "auto.offset.reset": "earliest",
    # As Flink's Kafka source reads; the client's own default skips records of aborted transactions.
    "isolation.level": "read_uncommitted",
    # The queue is bounded by its bytes alone: a full one would pause fetching for a whole second by default.
    "queued.min.messages": 10_000_000,
    "queued.max.messages.kbytes": 65_536,
    "fetch.queue.backoff.ms": 5,
    "fetch.message.max.bytes": 4_194_304,
}


@dataclass(frozen=True)
class RecordBatch:
    """The records of the offsets [begin, end), in order; an offset without one has none in the log."""

    begin: int
    end: int
    records: list[Message]


class BulkReader:
    """A reader of one topic; a context manager. Memory: the client's queue of 64 MiB and one batch."""

    def __init__(self, brokers: Brokers, topic: str) -> None:
        from confluent_kafka import Consumer

        self._consumer = Consumer(brokers.config(_CONFIG))
        self._where = f"topic {topic} at {brokers.bootstrap_servers}"
        self._topic = topic

    def batches(self, partition: int, span: OffsetRange) -> Iterator[RecordBatch]:
        """Every record of the range. A batch begins above the end of the one before where records were deleted.

        Raises:
            TransientError: nothing came for `STALL_TIMEOUT_S`, or the broker reports an error.
        """
        from confluent_kafka import TopicPartition

        self._consumer.assign([TopicPartition(self._topic, partition, span.begin)])
        position, progress_at = span.begin, time.monotonic()
        while position < span.end:
            messages = self._consumer.consume(BATCH_RECORDS, _POLL_S)
            if messages:
                batch = self._batch(partition, OffsetRange(position, span.end), messages)
                position, progress_at = batch.end, time.monotonic()
                yield batch
            elif time.monotonic() - progress_at > STALL_TIMEOUT_S:
                raise TransientError(
                    f"{self._where}, partition {partition}: no record from offset {position} on came in "
                    f"{STALL_TIMEOUT_S:g} s: try again; if it stays so, check that the broker runs"
                )

    def _batch(self, partition: int, span: OffsetRange, messages: list[Message]) -> RecordBatch:
        at_end = self._at_end(partition, messages)
        records = [message for message in messages if message.error() is None]
        offsets = [message.offset() or 0 for message in (*records[:1], *records[-1:])]
        end = span.end if at_end or not offsets else min(offsets[-1] + 1, span.end)
        if offsets and offsets[-1] >= span.end:
            records = [message for message in records if (message.offset() or 0) < span.end]
        has_gap = len(records) < end - span.begin
        begin = min(max(span.begin, self._oldest(partition)), end) if has_gap else span.begin
        return RecordBatch(begin, end, records)

    def _at_end(self, partition: int, messages: list[Message]) -> bool:
        """Whether the log's end was reached."""
        from confluent_kafka import KafkaError

        errors = [error for error in (message.error() for message in messages) if error is not None]
        for error in errors:
            if error.code() != KafkaError._PARTITION_EOF:
                raise TransientError(f"{self._where}, partition {partition}: {error.str()}: try again")
        return bool(errors)

    def _oldest(self, partition: int) -> int:
        """Offset of the oldest record that the log still holds."""
        from confluent_kafka import KafkaException, TopicPartition

        place = TopicPartition(self._topic, partition)
        try:
            oldest, _ = self._consumer.get_watermark_offsets(place, timeout=_REQUEST_TIMEOUT_S)
        except KafkaException as error:
            raise TransientError(f"{self._where}, partition {partition}: {error.args[0].str()}: try again") from error
        return int(oldest)

    def __enter__(self) -> BulkReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()
