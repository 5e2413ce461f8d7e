"""Produced, landed and rejected, per partition, for the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestration.defs.resources import resources
from orchestration.settings import Settings
from orchestration.snapshot import progress_by_partition
from orchestration.verdicts import PartitionProgress


@dataclass(frozen=True)
class PartitionCounts:
    """Records of one partition; `lag` is what the job has not committed yet."""

    name: str
    produced: int
    landed: int
    duplicates: int
    rejected: int
    lag: int

    @classmethod
    def of(cls, name: str, partition: PartitionProgress) -> PartitionCounts:
        """The counts behind a partition's progress."""
        produced = partition.end - partition.begin
        return cls(name, produced, partition.landed, partition.duplicates, partition.unlanded, partition.lag)


@dataclass(frozen=True)
class Counts:
    """Counts of every partition, with their end and committed offsets."""

    partitions: tuple[PartitionCounts, ...]
    ends: dict[int, int]
    committed: dict[int, int]

    @property
    def total(self) -> PartitionCounts:
        """The sum over the partitions."""
        columns = [(p.produced, p.landed, p.duplicates, p.rejected, p.lag) for p in self.partitions]
        return PartitionCounts("total", *(sum(column) for column in zip(*columns, strict=True)))


def read_counts(settings: Settings) -> Counts:
    """Ask Kafka, Postgres and the producers' reports.

    Raises:
        TransientError: a server is out of reach.
    """
    found = resources(settings)
    progress = progress_by_partition(settings, found["kafka"], found["postgres"], found["producer"])
    return Counts(
        tuple(PartitionCounts.of(str(number), partition) for number, partition in progress.items()),
        {number: partition.end for number, partition in progress.items()},
        # Without a commit the job stands at the begin: of a partition that retention has emptied, that is its end.
        {
            n: partition.begin if partition.committed is None else partition.committed
            for n, partition in progress.items()
        },
    )


def remaining(counts: Counts, goal: Mapping[int, int]) -> int:
    """Offsets up to the goal (partition -> end) that the job has not committed."""
    return sum(max(0, end - counts.committed.get(partition, 0)) for partition, end in goal.items())


def caught_up(counts: Counts, goal: Mapping[int, int]) -> bool:
    """Whether the job has committed every partition up to the goal."""
    return remaining(counts, goal) == 0
