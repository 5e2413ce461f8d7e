"""Produced, landed and rejected, per partition, for the command line: what the ledger says of every offset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from orchestration.defs.resources import resources
from orchestration.ledger.accounting import Fate, PartitionTotals
from orchestration.ledger.standing import read_standing
from orchestration.resources.topics import OffsetRange
from orchestration.settings import Settings

COLUMNS: Final = ("produced", "landed", "superseded", "rejected", "lost", "lag")


@dataclass(frozen=True)
class PartitionCounts:
    """Records of one partition: `rejected` are dead letters, `lost` also those that were gone before they were read.

    `lag` is what is not accounted for yet, so that all of them add up to `produced`.
    """

    name: str
    produced: int
    landed: int
    superseded: int
    rejected: int
    lost: int
    lag: int

    @classmethod
    def of(cls, name: str, span: OffsetRange, totals: PartitionTotals | None) -> PartitionCounts:
        """The counts of a partition: the topic's offsets, and the ledger's totals if it has any."""
        if totals is None:
            return cls(name, span.end - span.begin, 0, 0, 0, 0, span.end - span.begin)
        fates = totals.counts
        return cls(
            name,
            produced=span.end - totals.span.begin,
            landed=fates[Fate.LANDED],
            superseded=fates[Fate.SUPERSEDED],
            rejected=fates[Fate.DEAD],
            lost=fates[Fate.LOST] + fates[Fate.GONE],
            lag=span.end - totals.span.end,
        )


@dataclass(frozen=True)
class Counts:
    """Counts of every partition, with its end offset and the offset up to which it is accounted for."""

    partitions: tuple[PartitionCounts, ...]
    ends: dict[int, int]
    audited: dict[int, int]

    @property
    def total(self) -> PartitionCounts:
        """The sum over the partitions."""
        columns = [(p.produced, p.landed, p.superseded, p.rejected, p.lost, p.lag) for p in self.partitions]
        return PartitionCounts("total", *(sum(column) for column in zip(*columns, strict=True)))


def read_counts(settings: Settings) -> Counts:
    """Ask Kafka and the ledger.

    Raises:
        TransientError: a server is out of reach.
    """
    found = resources(settings)
    totals = read_standing(found["postgres"], settings.kafka_topic).totals
    spans: dict[int, OffsetRange] = found["kafka"].offsets(settings.kafka_topic)
    return Counts(
        tuple(PartitionCounts.of(str(number), span, totals.get(number)) for number, span in spans.items()),
        {number: span.end for number, span in spans.items()},
        # Without an audit the ledger stands at the begin: of a partition that retention has emptied, that is its end.
        {number: totals[number].span.end if number in totals else span.begin for number, span in spans.items()},
    )


def remaining(counts: Counts, goal: Mapping[int, int]) -> int:
    """Offsets up to the goal (partition -> end) that the job has not committed, or the ledger not accounted for."""
    return sum(max(0, end - counts.audited.get(partition, 0)) for partition, end in goal.items())


def caught_up(counts: Counts, goal: Mapping[int, int]) -> bool:
    """Whether every partition is accounted for up to the goal."""
    return remaining(counts, goal) == 0
