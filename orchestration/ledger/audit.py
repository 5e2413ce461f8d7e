"""One pass of the ledger: account for what the job has committed since the last pass, then count older ranges again.

A job that is restored from an older checkpoint commits offsets below what was audited, and for a while writes older
versions of rows again. Nothing is audited then until it has come as far as it was; what lies below its commits is
counted again as usual, and whatever had to be called LOST meanwhile is found to have landed by a later pass.
"""

from __future__ import annotations

import resource
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final

from orchestration.errors import ConfigurationError
from orchestration.ledger.accounting import (
    Account,
    Fate,
    PartitionPass,
    PassReport,
    account,
    adjoining,
    keep_last_verdicts,
    merge,
    remainder,
)
from orchestration.ledger.inquest import Inquest
from orchestration.ledger.offsets import NONE, OffsetRange, OffsetSet
from orchestration.ledger.reader import RecordReader
from orchestration.ledger.store import LedgerStore
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource, Role

ROLE: Final[Role] = "auditor"


@dataclass(frozen=True)
class Limits:
    """What one pass may take.

    Attributes:
        time_budget_s: auditing stops here, at whatever offset it has reached; the next pass goes on from there.
        recount_budget_s: how long audited ranges are counted again afterwards, the longest not counted first. Ranges
            with LOST offsets come before others, and get at most half of it.
        chunk_offsets: offsets audited and committed at once, which bounds the memory.
    """

    time_budget_s: float = 20.0
    recount_budget_s: float = 1.0
    chunk_offsets: int = 200_000


def run_pass(
    postgres: PostgresResource, reader: RecordReader, committed: Mapping[int, int], limits: Limits = Limits()
) -> PassReport:
    """Audit `reader.topic` up to the job's `committed` offsets (partition -> offset), read before this call.

    Safe to run twice at once: a pass that finds another under way does nothing, and says so (`PassReport.ran`).
    A ledger begins where the log begins at its first pass.

    Raises:
        TransientError: Kafka or Postgres is out of reach; what was committed chunk by chunk stays.
        ConfigurationError: the topic was made anew, so that its offsets mean other records than those audited.
    """
    started = time.monotonic()
    with postgres.connect(ROLE) as connection:
        store = LedgerStore(connection, reader.topic)
        if not store.try_lock():
            return _report(reader.topic, started)
        current = _Pass(store, reader, limits, committed)
        current.audit(started + limits.time_budget_s)
        current.recount(limits.recount_budget_s)
        gone, lost = store.gone_and_lost()
        done = replace(_report(reader.topic, started), ran=True, partitions=current.partitions)
        found = replace(done, totals=store.totals(), gone=gone, lost=lost)
        store.unlock()
        return found


def audit_committed(
    kafka: KafkaResource, postgres: PostgresResource, group: str, topic: str, limits: Limits = Limits()
) -> PassReport:
    """A pass up to what the consumer group has committed by now; raises what `run_pass` does."""
    committed = kafka.committed(group, topic)
    with RecordReader(kafka.brokers, topic) as reader:
        return run_pass(postgres, reader, committed, limits)


def _report(topic: str, started: float) -> PassReport:
    peak_rss_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return PassReport(topic, False, {}, {}, {}, {}, time.monotonic() - started, peak_rss_bytes)


class _Pass:
    """A pass under way; `partitions` tells how far it has come."""

    def __init__(self, store: LedgerStore, reader: RecordReader, limits: Limits, committed: Mapping[int, int]) -> None:
        self._store = store
        self._reader = reader
        self._limits = limits
        self._started_at = store.now()
        self._logs = {partition: reader.bounds(partition) for partition in sorted(committed)}
        audited_to = store.audited_to()
        self.partitions = {
            partition: _opening(reader.topic, partition, log, committed[partition], audited_to.get(partition))
            for partition, log in self._logs.items()
        }

    def audit(self, deadline: float) -> None:
        """Take the new offsets of all partitions in turn, a chunk at a time."""
        waiting = deque(partition for partition, progress in self.partitions.items() if progress.backlog)
        while waiting:
            partition = waiting.popleft()
            self._audit_chunk(partition, deadline)
            if self.partitions[partition].backlog:
                waiting.append(partition)
            if time.monotonic() > deadline:
                return

    def _audit_chunk(self, partition: int, deadline: float) -> None:
        progress = self.partitions[partition]
        begin = progress.audited.end
        span = OffsetRange(begin, min(begin + self._limits.chunk_offsets, progress.committed))
        found, _ = self._examine(partition, span, None, deadline)
        self._store.record(partition, found)
        counts = {fate: progress.counts[fate] + count for fate, count in found.counts.items()}
        audited = OffsetRange(progress.audited.begin, found.span.end)
        self.partitions[partition] = replace(progress, audited=audited, counts=counts)

    def recount(self, budget_s: float) -> None:
        """Count entries of earlier passes again, and merge small ones; each at most once a pass."""
        started = time.monotonic()
        for only_lost, until in ((True, started + budget_s / 2), (False, started + budget_s)):
            while budget_s and (
                found := self._store.least_recently_counted(self._countable(), self._started_at, only_lost=only_lost)
            ):
                self._recount(*found)
                if time.monotonic() > until:
                    break

    def _countable(self) -> dict[int, OffsetRange]:
        """What the job has committed and the log still holds."""
        return {
            partition: OffsetRange(log.begin, min(self.partitions[partition].committed, log.end))
            for partition, log in self._logs.items()
        }

    def _recount(self, partition: int, begin: int) -> None:
        span = OffsetRange(begin, min(begin + self._limits.chunk_offsets, self._countable()[partition].end))
        before = merge(adjoining(self._store.entries(partition, span)))
        hard_deadline = time.monotonic() + self._limits.time_budget_s
        found, restored = self._examine(partition, before.span, before, hard_deadline)
        cut_off = found.span.end < before.span.end
        self._store.record(partition, found, *([remainder(before, found.span.end)] if cut_off else ()))
        progress = self.partitions[partition]
        newly_superseded = found.unlanded[Fate.SUPERSEDED] - before.unlanded[Fate.SUPERSEDED]
        self.partitions[partition] = replace(
            progress,
            recounted=progress.recounted + found.span.end - found.span.begin,
            superseded_since=progress.superseded_since + newly_superseded.count,
            restored=progress.restored | restored,
        )

    def _examine(
        self, partition: int, span: OffsetRange, before: Account | None, deadline: float
    ) -> tuple[Account, OffsetSet]:
        """The account of the span, or of as much of it as time allows; and the dead letters that had to be restored."""
        known = before.unlanded if before else dict.fromkeys(Fate, NONE)
        claims = {
            Fate.LANDED: self._store.landed(partition, span),
            Fate.DEAD: self._store.dead(partition, span),
            Fate.SUPERSEDED: known[Fate.SUPERSEDED],
            Fate.GONE: known[Fate.GONE],
        }
        unknown = reduce(OffsetSet.__sub__, claims.values(), OffsetSet.of_ranges([span]))
        inquest = Inquest(self._store, partition, known[Fate.DEAD])
        findings = inquest.hold(self._reader, unknown, span, deadline)
        fates = keep_last_verdicts(findings.fates, known) if before else findings.fates
        merged = {fate: claims.get(fate, NONE) | fates[fate] for fate in Fate}
        return account(OffsetRange(span.begin, findings.position), merged), fates[Fate.DEAD] & known[Fate.DEAD]


def _opening(topic: str, partition: int, log: OffsetRange, committed: int, audited_to: int | None) -> PartitionPass:
    """Where the pass starts in one partition, nothing being done yet."""
    begin = log.begin if audited_to is None else audited_to
    if begin > log.end:
        raise ConfigurationError(
            f"partition {partition} of topic {topic} ends at offset {log.end} and was audited up to {begin}: the topic "
            "was deleted and made anew. Its offsets now mean other records than the rows of events say: set "
            "PI3_KAFKA_TOPIC to a new name, or start with a new database"
        )
    rewound = 0 if audited_to is None else max(0, audited_to - committed)
    counts = dict.fromkeys(Fate, 0)
    return PartitionPass(OffsetRange(begin, begin), min(committed, log.end), counts, rewound=rewound)
