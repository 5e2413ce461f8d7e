"""How far the job and the ledger have come, and what the ledger has found: pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchestration.ledger.accounting import Fate, PartitionTotals
from orchestration.ledger.verdicts import offsets_balance, total


@dataclass(frozen=True)
class Accounts:
    """`committed`, `audited` and `ends` are offsets by partition; `lost` and `gone` are sums of the whole ledger."""

    lost: int
    gone: int
    balanced: bool
    committed: Mapping[int, int]
    audited: Mapping[int, int]
    ends: Mapping[int, int]

    @classmethod
    def of(
        cls, totals: Mapping[int, PartitionTotals], committed: Mapping[int, int], ends: Mapping[int, int]
    ) -> Accounts:
        """From the ledger's totals, and Kafka's offsets."""
        return cls(
            lost=total(totals, Fate.LOST),
            gone=total(totals, Fate.GONE),
            balanced=offsets_balance(totals).passed,
            committed=committed,
            audited={number: partition.span.end for number, partition in totals.items()},
            ends=ends,
        )

    @property
    def to_go(self) -> int:
        """Offsets that the job has not committed, or the ledger not accounted for; an empty partition needs neither."""
        return sum(
            max(0, end - min(self.committed.get(number, 0), self.audited.get(number, 0)))
            for number, end in self.ends.items()
        )
