"""What replays and resets tell in Dagster: numbers that can be plotted, and ranges that can be given back."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal

import dagster as dg

from flink_jobs.builder import Definition
from orchestration.flink.types import JobSummary
from orchestration.lifecycle.record import Version
from orchestration.lifecycle.replay import Outcome
from orchestration.lifecycle.replay_figures import Begun, Effect, Figures
from orchestration.lifecycle.replay_ranges import Scope, parse
from orchestration.lifecycle.reset import Move, skipped
from orchestration.replay_report import replay_metadata, reset_metadata, scope_metadata
from orchestration.resources.topics import OffsetRange

RANGES = {0: OffsetRange(0, 300), 1: OffsetRange(5, 205)}


def test_a_replay_tells_what_was_there_before_and_after() -> None:
    job = JobSummary("1" * 32, "replay.x", "FINISHED", 0, 2_500, 2_500, 0, 1)
    begun = Begun(RANGES, Figures(390, Decimal(10) ** 20, 7), datetime(2026, 3, 1, tzinfo=timezone.utc), "5")
    effect = Effect(Figures(397, Decimal(-3), 0), added=7, changed=2)
    version = Version("f", Definition({}, "", "", ""), 1)
    found = replay_metadata(Outcome(job, version, True, begun, effect), "http://ui")
    numbers = {name: value for name, value in found.items() if isinstance(value, int | float)}
    assert numbers == {
        "records": 500,
        "rows_before": 390,
        "rows_after": 397,
        "rows_added": 7,
        "rows_changed": 2,
        "lost_before": 7,
        "lost_after": 0,
        "seconds": 2.5,
        "records_per_s": 200,
    }
    assert (found["checksum_before"], found["checksum_after"]) == ("100000000000000000000", "-3")
    assert found["ranges"] == "partition 0: 0-299, partition 1: 5-204"
    assert dg.AssetMaterialization("replayed_hours", metadata=found).metadata.keys() == found.keys()


def test_what_cannot_be_replayed_is_counted() -> None:
    found = scope_metadata(Scope({}, RANGES, {2: OffsetRange(8, 9)}))
    assert found == {"ranges": "none", "records": 0, "records_gone": 500, "records_ahead": 1}


def test_what_a_reset_skips_can_be_given_to_a_replay() -> None:
    planned = {0: Move(100, 0), 1: Move(10, 60), 2: Move(5, 5)}
    found = reset_metadata("latest", planned)
    assert (found["read_again"], found["skipped"]) == (100, 50)
    assert parse(found["skipped_ranges"].value) == skipped(planned) == {1: OffsetRange(10, 60)}
    assert [record.data for record in found["partitions"].records] == [
        {"partition": 0, "from": 100, "to": 0, "read_again": 100, "skipped": 0},
        {"partition": 1, "from": 10, "to": 60, "read_again": 0, "skipped": 50},
        {"partition": 2, "from": 5, "to": 5, "read_again": 0, "skipped": 0},
    ]
