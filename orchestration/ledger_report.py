"""The ledger in Dagster's terms: metadata of its assets and the evaluations of its checks. Numbers are plotted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import dagster as dg

from orchestration.ledger.accounting import Fate, PartitionTotals, PassReport
from orchestration.ledger.deep_audit import DeepAuditReport
from orchestration.ledger.letters import Letters, ShownLetter
from orchestration.ledger.offsets import OffsetSet
from orchestration.ledger.redrive import LeftLetter
from orchestration.ledger.republish import RedriveReport
from orchestration.ledger.verdicts import acknowledged, places, total
from orchestration.verdicts import Verdict

LEDGER = dg.AssetKey("ledger")
DEAD_LETTERS = dg.AssetKey("dead_letters")
MIB = 1024 * 1024

Metadata = dict[str, int | float | str | dg.MetadataValue]


def evaluation(asset: dg.AssetKey, name: str, verdict: Verdict) -> dg.AssetCheckEvaluation:
    """A verdict reached outside of a run."""
    return dg.AssetCheckEvaluation(
        asset_key=asset,
        check_name=name,
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity(verdict.severity.value),
        description=verdict.description,
        metadata=dict(verdict.metadata),
    )


def pass_metadata(report: PassReport) -> Metadata:
    """What a pass did, and how the ledger stands after it: sums as numbers, partitions as a table."""
    passes = report.partitions.values()
    return {
        "audited_now": sum(p.audited.end - p.audited.begin for p in passes),
        "recounted_now": sum(p.recounted for p in passes),
        "restored_letters": sum(p.restored.count for p in passes),
        "backlog": sum(p.backlog for p in passes),
        **_sums(report.totals),
        "seconds": round(report.duration_s, 3),
        "peak_rss_mib": round(report.peak_rss_bytes / MIB, 1),
        **_table("this_pass", _pass_rows(report)),
        **_table("whole_ledger", (_row(number, totals) for number, totals in sorted(report.totals.items()))),
        "lost_offsets": places(report.lost) or "none",
        "gone_unacknowledged": places(report.gone) or "none",
    }


def _sums(totals: Mapping[int, PartitionTotals]) -> Metadata:
    return {
        "audited": sum(partition.covered for partition in totals.values()),
        **{fate.value: total(totals, fate) for fate in Fate},
        "gone_acknowledged": acknowledged(totals),
    }


def acknowledgement_metadata(
    action: str, reason: str, offsets: Mapping[int, OffsetSet], totals: Mapping[int, PartitionTotals]
) -> Metadata:
    """What is acknowledged, or would be; and the ledger's sums, which must not be missing from its newest event."""
    return {
        "action": action,
        "reason": reason or "none given",
        "acknowledged_offsets": places(offsets) or "none",
        **_sums(totals),
    }


def _pass_rows(report: PassReport) -> Iterator[dg.TableRecord]:
    for number, found in sorted(report.partitions.items()):
        yield _record(number, found.audited.begin, found.audited.end, found.counts)


def _row(number: int, totals: PartitionTotals) -> dg.TableRecord:
    return _record(number, totals.span.begin, totals.span.end, totals.counts)


def _record(number: int, begin: int, end: int, counts: Mapping[Fate, int]) -> dg.TableRecord:
    fates = {fate.value: counts.get(fate, 0) for fate in Fate}
    return dg.TableRecord({"partition": number, "from": begin, "to": end, **fates})


def letters_metadata(letters: Letters) -> Metadata:
    """Counts by reason as numbers, and the newest letters as a table."""
    return {
        "dead_letters": letters.total,
        **{f"reason_{reason}": count for reason, count in sorted(letters.by_reason.items())},
        "redriven": letters.redrives.get("published", 0),
        "redriven_unconfirmed": letters.redrives.get("claimed", 0),
        **_table("newest", map(_letter, letters.newest)),
    }


def _letter(shown: ShownLetter) -> dg.TableRecord:
    return dg.TableRecord(
        {
            "partition": shown.partition,
            "offset": shown.offset,
            "reason": shown.reason,
            "detail": shown.detail,
            "value": shown.value,
            "bytes": -1 if shown.size_bytes is None else shown.size_bytes,
            "recorded_at": shown.recorded_at.isoformat(timespec="seconds"),
            "redrive": shown.redrive,
        }
    )


def redrive_metadata(report: RedriveReport, dry_run: bool) -> Metadata:
    """What a redrive did, or would do."""
    return {
        "dry_run": str(dry_run).lower(),
        "selected": report.selected,
        "sendable": report.sendable,
        "published": len(report.published),
        "left": sum(report.left.values()),
        "why_left": dg.MetadataValue.md(_why(report) or "none was left"),
    }


def _why(report: RedriveReport) -> str:
    counts = [f"- {count:,}: {why.value}" for why, count in report.left.most_common()]
    return "\n".join([*counts, *(f"- for example {_left(letter)}" for letter in report.examples)])


def _left(letter: LeftLetter) -> str:
    partition, offset = letter.place
    return f"partition {partition}, offset {offset}: {letter.why.value}{f' ({letter.detail})' if letter.detail else ''}"


def deep_audit_metadata(report: DeepAuditReport) -> Metadata:
    """What a deep audit read and found."""
    spans = [{"partition": n, "from": span.begin, "to": span.end} for n, span in sorted(report.ranges.items())]
    findings = [vars(finding) | {"kind": finding.kind.value} for finding in report.findings]
    seconds = sum(report.seconds.values())
    return {
        "deep_audit": report.audit_id,
        "records": report.records,
        "valid": report.valid,
        "superseded_records": report.superseded,
        "rows": report.rows,
        "gone_records": report.gone,
        **{f"found_{kind.value}": count for kind, count in report.counts.items()},
        "deep_audit_seconds": round(seconds, 1),
        "records_per_s": round(report.records / seconds) if seconds else 0,
        **_table("ranges", map(dg.TableRecord, spans)),
        **_table("findings", map(dg.TableRecord, findings)),
    }


def _table(name: str, rows: Iterable[dg.TableRecord]) -> Metadata:
    """A table under its name; none without rows, for they alone tell Dagster the columns."""
    found = list(rows)
    return {name: dg.MetadataValue.table(found)} if found else {}
