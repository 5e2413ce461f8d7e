"""What Kafka says of the topic and of how far the job has committed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from orchestration.errors import Pi3Error
from orchestration.health.facts import KafkaFacts
from orchestration.ledger.reader import RecordReader
from orchestration.resources.brokers import Brokers
from orchestration.resources.kafka import KafkaResource

# Producers set the timestamps, and Kafka keeps a segment as long as its newest record: one late record tells nothing.
LOOKED_AT = 20
READ_TIMEOUT_S = 1.5


def read_kafka(
    kafka: KafkaResource, topic: str, group: str, ends_before: Mapping[int, int] | None = None
) -> KafkaFacts:
    """Offsets, retention, and what waits: of the partitions that have not reached `ends_before`, of all without it.

    Raises:
        TransientError, ConfigurationError: no broker answers, or there is no such topic.
    """
    # Committed first: the other way round, a job that commits in between would be ahead of the topic.
    committed = kafka.committed(group, topic)
    spans = kafka.offsets(topic)
    facts = KafkaFacts(
        begins={number: span.begin for number, span in spans.items()},
        ends={number: span.end for number, span in spans.items()},
        committed=committed,
        retention_ms=kafka.retention_ms(topic),
    )
    before = facts.ends if ends_before is None else ends_before
    waiting = [number for number, lag in facts.lags.items() if lag and facts.position(number) < before.get(number, 0)]
    return replace(facts, oldest_waiting_at_s=_oldest(kafka.brokers, topic, facts, waiting))


def _oldest(brokers: Brokers, topic: str, facts: KafkaFacts, waiting: list[int]) -> float | None:
    if not waiting:
        return None
    with RecordReader(brokers, topic, READ_TIMEOUT_S) as reader:
        found = [_timestamp(reader, facts, number) for number in waiting]
    return min(filter(None, found), default=None)


def _timestamp(reader: RecordReader, facts: KafkaFacts, partition: int) -> float | None:
    """The newest timestamp of the first records that wait; None if none of them comes in time."""
    begin = max(facts.begins[partition], facts.position(partition))
    end = min(facts.ends[partition], begin + LOOKED_AT)
    try:
        stamps = [record.timestamp_ms for record in reader.read_range(partition, begin, end)]
    except Pi3Error:  # the offsets themselves are known, which is what matters
        return None
    return max(stamps) / 1000 if stamps and max(stamps) > 0 else None
