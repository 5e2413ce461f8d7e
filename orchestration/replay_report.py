"""Replays and resets in Dagster's terms: metadata. Numbers are plotted."""

from __future__ import annotations

from typing import Any

import dagster as dg

from orchestration.lifecycle.replay import Outcome
from orchestration.lifecycle.replay_ranges import Scope, count, to_json, words
from orchestration.lifecycle.reset import Moves, rows, skipped

Metadata = dict[str, Any]


def scope_metadata(found: Scope) -> Metadata:
    """What is replayed, and what cannot be."""
    return {
        "ranges": words(found.ranges) or "none",
        "records": count(found.ranges),
        "records_gone": count(found.gone),
        "records_ahead": count(found.ahead),
    }


def replay_metadata(done: Outcome, ui_url: str) -> Metadata:
    """What the replay found and did."""
    before, effect = done.begun.before, done.effect
    return {
        "ranges": words(done.begun.ranges),
        "records": count(done.begun.ranges),
        "rows_before": before.rows,
        "rows_after": effect.after.rows,
        "rows_added": effect.added,
        "rows_changed": effect.changed,
        "checksum_before": str(before.checksum),
        "checksum_after": str(effect.after.checksum),
        "lost_before": before.lost,
        "lost_after": effect.after.lost,
        "seconds": round(done.job.duration_ms / 1000, 3),
        "records_per_s": round(done.records_per_s),
        "job_name": done.job.name,
        "job_id": done.job.id,
        "fingerprint": done.version.fingerprint,
        "flink_ui": dg.MetadataValue.url(ui_url),
    }


def reset_metadata(to: str, planned: Moves) -> Metadata:
    """From where to where, by partition; `skipped_ranges` is what `replay_range` takes."""
    moved = [dg.TableRecord(row) for row in rows(planned)]
    left_out = skipped(planned)
    return {
        "to": to,
        "read_again": sum(move.again for move in planned.values()),
        "skipped": count(left_out),
        "skipped_ranges": dg.MetadataValue.json(to_json(left_out)),
        **({"partitions": dg.MetadataValue.table(moved)} if moved else {}),
    }
