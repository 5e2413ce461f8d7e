"""The ledger's arithmetic, pure: every offset has exactly one fate, and the fates of a range add up to its width."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from orchestration.ledger.offsets import NONE, OffsetRange, OffsetSet

__all__ = [
    "UNLANDED",
    "Account",
    "Fate",
    "PartitionPass",
    "PartitionTotals",
    "PassReport",
    "account",
    "adjoining",
    "fate_of_valid",
    "merge",
    "remainder",
]


class Fate(str, Enum):
    """What became of the record at an offset below the job's committed one."""

    LANDED = "landed"  # a row of `events` has this offset
    DEAD = "dead"  # broke the contract, and is in `dead_letters`
    SUPERSEDED = "superseded"  # valid, and `events` holds its event_id from a later offset
    GONE = "gone"  # no row, and the log no longer holds a record at this offset
    LOST = "lost"  # valid and readable, and neither landed nor superseded


UNLANDED: Final = (Fate.DEAD, Fate.SUPERSEDED, Fate.GONE, Fate.LOST)


@dataclass(frozen=True)
class Account:
    """The fates of all offsets of `span`, in one partition: `landed` counts, `unlanded` names those of other fates."""

    span: OffsetRange
    landed: int
    unlanded: Mapping[Fate, OffsetSet]

    @property
    def counts(self) -> dict[Fate, int]:
        """Offsets by fate."""
        return {Fate.LANDED: self.landed} | {fate: self.unlanded[fate].count for fate in UNLANDED}

    @property
    def is_balanced(self) -> bool:
        """Whether the fates add up to the width of the span."""
        return sum(self.counts.values()) == self.span.end - self.span.begin


@dataclass(frozen=True)
class PartitionTotals:
    """The sum of one partition's rows in the table `ledger`, `span` being from the first audited offset to the last.

    `covered`: offsets in those rows; unequal to the width of `span`, the ledger has a gap or counts an offset twice.
    `acknowledged`: how many of those that are gone an operator has acknowledged.
    """

    span: OffsetRange
    covered: int
    counts: Mapping[Fate, int]
    acknowledged: int = 0

    @property
    def unacknowledged(self) -> int:
        """Offsets that are gone, and that nobody has acknowledged."""
        return self.counts.get(Fate.GONE, 0) - self.acknowledged

    @property
    def is_balanced(self) -> bool:
        """Whether every offset of the span is accounted for, exactly once."""
        return sum(self.counts.values()) == self.covered == self.span.end - self.span.begin


@dataclass(frozen=True)
class PartitionPass:
    """What one pass did in one partition.

    Attributes:
        audited: offsets accounted for the first time, from and to.
        committed: the job's committed offset at the start of the pass, the goal of `audited`.
        counts: the fates of `audited`.
        rewound: how far the committed offset lies below what earlier passes audited: the job was restored from an
            older checkpoint. Nothing above it is counted again until the job has come as far as it was.
        recounted: audited offsets that were counted once more.
        superseded_since: of those, how many a later event of the same id has overwritten since.
        restored: dead letters that were missing at the recount and that were written again; somebody deleted them.
    """

    audited: OffsetRange
    committed: int
    counts: Mapping[Fate, int]
    rewound: int = 0
    recounted: int = 0
    superseded_since: int = 0
    restored: OffsetSet = NONE

    @property
    def backlog(self) -> int:
        """Committed offsets that are left to the next pass."""
        return max(0, self.committed - self.audited.end)


@dataclass(frozen=True)
class PassReport:
    """What one pass did, and the state of the whole ledger after it.

    Attributes:
        ran: False if another pass over the topic was under way: then nothing was done, and all else is empty.
        partitions: by partition, those that have a committed offset.
        totals: by partition, over the whole ledger.
        lost: by partition, the offsets that are LOST, at most 100 ranges each, the oldest first; exact counts are in
            `totals`, and all ranges in the table.
        gone: likewise, the offsets that are gone and that nobody has acknowledged.
        peak_rss_bytes: the most memory that this process has had so far.
    """

    topic: str
    ran: bool
    partitions: Mapping[int, PartitionPass]
    totals: Mapping[int, PartitionTotals]
    lost: Mapping[int, OffsetSet]
    gone: Mapping[int, OffsetSet]
    duration_s: float
    peak_rss_bytes: int

    @property
    def is_complete(self) -> bool:
        """Whether the pass has reached the committed offset of every partition."""
        return self.ran and not any(partition.backlog for partition in self.partitions.values())

    @property
    def is_balanced(self) -> bool:
        """Whether in every partition each audited offset has exactly one fate."""
        return all(totals.is_balanced for totals in self.totals.values())

    def total(self, fate: Fate) -> int:
        """Offsets of one fate, over the whole ledger."""
        return sum(totals.counts[fate] for totals in self.totals.values())


def account(span: OffsetRange, claims: Mapping[Fate, OffsetSet]) -> Account:
    """Give each offset of the span one fate; of an offset with several claims to it the first fate in order counts.

    So an offset that once was superseded and has landed again, by a replay, is landed.
    """
    within = OffsetSet.of_ranges([span])
    shares: dict[Fate, OffsetSet] = {}
    taken = NONE
    for fate in Fate:
        shares[fate] = (claims.get(fate, NONE) & within) - taken
        taken |= shares[fate]
    return Account(span, shares[Fate.LANDED].count, {fate: shares[fate] for fate in UNLANDED})


def merge(accounts: Sequence[Account]) -> Account:
    """One account of adjoining spans, given in order."""
    span = OffsetRange(accounts[0].span.begin, accounts[-1].span.end)
    unlanded = {
        fate: OffsetSet.of_ranges(part for one in accounts for part in one.unlanded[fate].ranges) for fate in UNLANDED
    }
    return Account(span, sum(one.landed for one in accounts), unlanded)


def remainder(whole: Account, begin: int) -> Account:
    """The part of an account from offset `begin` on."""
    span = OffsetRange(begin, whole.span.end)
    unlanded = {fate: whole.unlanded[fate] & OffsetSet.of_ranges([span]) for fate in UNLANDED}
    return Account(span, span.end - span.begin - sum(part.count for part in unlanded.values()), unlanded)


def adjoining(accounts: Iterable[Account]) -> list[Account]:
    """The first account and those that follow it without a gap."""
    chain: list[Account] = []
    for one in accounts:
        if chain and one.span.begin != chain[-1].span.end:
            break
        chain.append(one)
    return chain


def keep_last_verdicts(found: Mapping[Fate, OffsetSet], before: Mapping[Fate, OffsetSet]) -> dict[Fate, OffsetSet]:
    """At a recount, let the last verdict stand for a record that the log no longer holds, since none can be had anew.

    Only a dead letter that was deleted is gone for good. What was in no set `before` had landed, and the row may well
    have been superseded since.
    """
    unreadable = found[Fate.GONE]
    lost, gone = unreadable & before[Fate.LOST], unreadable & before[Fate.DEAD]
    landed = unreadable - lost - gone
    return {
        **found,
        Fate.LANDED: found[Fate.LANDED] | landed,
        Fate.GONE: gone,
        Fate.LOST: found[Fate.LOST] | lost,
    }


def fate_of_valid(partition: int, offset: int, rows: Iterable[tuple[int | None, int | None]]) -> Fate:
    """The fate of a valid record, by the (partition, offset) of all rows that hold its event_id.

    A row from another partition supersedes it too: between partitions the job keeps no order, so either may have been
    the later. A row from an earlier offset of its own partition does not: the later event should have replaced it.
    """
    places = list(rows)
    if (partition, offset) in places:
        return Fate.LANDED
    for row_partition, row_offset in places:
        if row_partition is not None and row_offset is not None and (row_partition != partition or row_offset > offset):
            return Fate.SUPERSEDED
    return Fate.LOST
