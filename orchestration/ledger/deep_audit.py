"""The deep audit: reads every record of a range, derives the row it should have become, and compares content.

It finds what the ledger's passes cannot see by offsets: an altered value, a part of an invalid record that landed, a
wrong row under a right key. It changes nothing but its own tables, deep_audits and deep_audit_findings.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from orchestration.ledger.content import EVENT_ID, OFFSET, Finding, Kind, differing, judge, letters, settle
from orchestration.ledger.deep_records import BulkReader, RecordBatch
from orchestration.ledger.deep_store import ROLE, AuditStore, RowStream, row_stream
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.topics import OffsetRange

__all__ = ["DeepAuditLimits", "DeepAuditReport", "audited_ranges", "run_deep_audit"]


@dataclass(frozen=True)
class DeepAuditLimits:
    """What a deep audit keeps and holds.

    Attributes:
        stored_per_kind: findings of one kind that are written down; all are counted.
        reported_per_kind: findings of one kind that the report holds.
        section_offsets: offsets whose rows one statement sorts (about 100 bytes each, on the database's disk).
    """

    stored_per_kind: int = 1_000
    reported_per_kind: int = 20
    section_offsets: int = 5_000_000


@dataclass
class DeepAuditReport:
    """What was read, and what is wrong with it.

    Attributes:
        records: records read; of these, `valid` are valid events.
        superseded: valid records whose event_id has a row from a later offset (or from another partition).
        rows: rows of `events` compared.
        gone: offsets that retention removed before they could be read.
        counts: findings by kind, exact; `findings` are the first ones of each kind.
        seconds: time by step, in s; steps run one after another, but the database works ahead of `rows`.
    """

    audit_id: int
    topic: str
    ranges: Mapping[int, OffsetRange]
    records: int = 0
    valid: int = 0
    superseded: int = 0
    rows: int = 0
    gone: int = 0
    counts: Counter[Kind] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    seconds: Counter[str] = field(default_factory=Counter)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.counts


def audited_ranges(
    retained: Mapping[int, OffsetRange],
    committed: Mapping[int, int],
    chosen: Mapping[int, OffsetRange] | None = None,
) -> dict[int, OffsetRange]:
    """The part of `chosen` (default: everything) that can be audited: retained, and committed by the job.

    A partition of which nothing can be audited is left out.
    """
    wanted = dict(retained) if chosen is None else chosen
    spans = {
        partition: OffsetRange(max(span.begin, retained[partition].begin), min(span.end, committed[partition]))
        for partition, span in wanted.items()
        if partition in retained and partition in committed
    }
    return {partition: span for partition, span in sorted(spans.items()) if span.begin < span.end}


def run_deep_audit(
    kafka: KafkaResource,
    postgres: PostgresResource,
    topic: str,
    ranges: Mapping[int, OffsetRange],
    limits: DeepAuditLimits = DeepAuditLimits(),
) -> DeepAuditReport:
    """Audit the ranges (see `audited_ranges`); memory is bounded whatever their size, and several may run at once.

    Raises:
        TransientError: Kafka or Postgres is out of reach; the audit stays without an end in deep_audits.
        ConfigurationError: a table is missing, or the auditor lacks a right.
    """
    with (
        postgres.connect(ROLE) as connection,
        BulkReader(kafka.brokers, topic) as reader,
    ):
        store = AuditStore(connection, topic, ranges)
        audit = _Audit(store, reader, limits, DeepAuditReport(store.audit_id, topic, ranges))
        for section in sections(ranges, limits.section_offsets):
            audit.run(postgres, section)
        return audit.end()


def sections(ranges: Mapping[int, OffsetRange], size: int) -> Iterator[dict[int, OffsetRange]]:
    """Cut the ranges into sections of at most about `size` offsets, ascending by offset over all partitions.

    By offset, because rows of near offsets lie near each other in the table, whatever their partition.
    """
    if not ranges:
        return
    window = max(1, size // len(ranges))
    lowest = min(span.begin for span in ranges.values())
    highest = max(span.end for span in ranges.values())
    for begin in range(lowest, highest, window):
        parts = {
            partition: OffsetRange(max(begin, span.begin), min(begin + window, span.end))
            for partition, span in sorted(ranges.items())
        }
        section = {partition: part for partition, part in parts.items() if part.begin < part.end}
        if section:
            yield section


@dataclass(frozen=True)
class _Audit:
    """An audit under way."""

    store: AuditStore
    reader: BulkReader
    limits: DeepAuditLimits
    report: DeepAuditReport

    def run(self, postgres: PostgresResource, section: Mapping[int, OffsetRange]) -> None:
        """Read and compare one section."""
        with row_stream(postgres, section) as rows:
            for partition, span in section.items():
                position = span.begin
                for batch in self._timed_batches(partition, span):
                    self.report.gone += batch.begin - position
                    position = batch.end
                    self._compare(partition, batch, rows)

    def end(self) -> DeepAuditReport:
        """Write down the totals."""
        report = self.report
        totals = {name: getattr(report, name) for name in ("records", "valid", "superseded", "rows", "gone")}
        self.store.end(totals, {kind.value: count for kind, count in report.counts.items()})
        return report

    def _timed_batches(self, partition: int, span: OffsetRange) -> Iterator[RecordBatch]:
        batches = self.reader.batches(partition, span)
        while True:
            with self._timed("read"):
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def _compare(self, partition: int, batch: RecordBatch, stream: RowStream) -> None:
        with self._timed("validate"):
            judged = judge(partition, batch.records)
        with self._timed("rows"):
            # Rows of records that are gone cannot be judged, so they are passed over.
            rows = [row for row in stream.up_to(partition, batch.end) if row[OFFSET] >= batch.begin]
        with self._timed("compare"):
            findings, missing = differing(judged, rows)
        with self._timed("look_up"):
            unsettled = list(settle(missing, self.store.rows_by_id([row[EVENT_ID] for row in missing])))
            findings += unsettled
            findings += letters(judged, self.store.letters(partition, OffsetRange(batch.begin, batch.end)))
            self._note(findings)
        self.report.records += len(batch.records)
        self.report.valid += len(judged.rows)
        self.report.superseded += len(missing) - len(unsettled)
        self.report.rows += len(rows)

    def _note(self, findings: list[Finding]) -> None:
        """Count each finding, and keep as many of its kind as the limits allow."""
        stored = []
        for finding in findings:
            ordinal = self.report.counts[finding.kind]
            self.report.counts[finding.kind] += 1
            if ordinal < self.limits.stored_per_kind:
                stored.append(finding)
            if ordinal < self.limits.reported_per_kind:
                self.report.findings.append(finding)
        self.store.keep(stored)

    @contextmanager
    def _timed(self, step: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.report.seconds[step] += time.perf_counter() - started  # type: ignore[assignment]
