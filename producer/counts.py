"""What became of the records, counted as the broker answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from producer.record import Kind


@dataclass
class PartitionCount:
    """Acknowledged records of one partition, in all and by kind, and the first and last of their offsets."""

    first_offset: int
    last_offset: int
    acknowledged: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)


@dataclass
class Counts:
    """Counts of one run.

    ``sent`` are the records the Kafka client took; each ends as acknowledged or failed. ``refused`` and ``failures``
    count by the Kafka error's name: refused ones the client would not take (MSG_SIZE_TOO_LARGE), failed ones the
    broker did not acknowledge.
    """

    sent: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    partitions: dict[int, PartitionCount] = field(default_factory=dict)

    def acknowledge(self, kind: Kind, partition: int, offset: int) -> None:
        """Count one record the broker acknowledged."""
        count = self.partitions.get(partition)
        if count is None:
            count = self.partitions[partition] = PartitionCount(offset, offset)
        count.acknowledged += 1
        count.kinds[kind] += 1
        count.first_offset = min(count.first_offset, offset)
        count.last_offset = max(count.last_offset, offset)

    @property
    def acknowledged(self) -> int:
        """Acknowledged records of all partitions."""
        return sum(count.acknowledged for count in self.partitions.values())

    @property
    def failed(self) -> int:
        """Records the broker did not acknowledge, for good."""
        return sum(self.failures.values())

    @property
    def unanswered(self) -> int:
        """Records sent and neither acknowledged nor failed yet."""
        return self.sent - self.acknowledged - self.failed

    def of_kind(self, kind: Kind) -> int:
        """Acknowledged records of one kind."""
        return sum(count.kinds[kind] for count in self.partitions.values())
