"""Replays of hours and of ranges of offsets, and the reset of the stream."""

from __future__ import annotations

from typing import Any

import dagster as dg

from orchestration import replay_ops
from orchestration.defs.jobs import MAX_RUNTIME
from orchestration.defs.provisioning import AFTER, common
from orchestration.settings import Settings

REPLAY_MAX_RUNTIME = {"dagster/max_runtime": str(6 * 3600)}


def assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """`replayed_hours`: a backfill over hours replays them, each stretch of hours by one bounded job."""

    @dg.graph_asset(
        **common("streaming", {"flink", "kafka"}),
        ins={"events": AFTER},
        # The hour that is under way too: what has just been noticed is likely to lie in it.
        partitions_def=dg.HourlyPartitionsDefinition(start_date=settings.hourly_start, end_offset=1),
        backfill_policy=dg.BackfillPolicy.single_run(),
        description="Hours (UTC) that were replayed: the stream's job once more, bounded to the offsets of the hours, "
        "beside the stream and into `events` by key. It adds rows that are missing and mends those that differ, and "
        "leaves those of newer records alone. Late events are replayed with the hour in which they were written.",
        metadata={"topic": settings.kafka_topic},
    )
    def replayed_hours(events: Any) -> Any:  # noqa: ANN401 - composed by dagster
        return replay_ops.replay_hours(events)

    return [replayed_hours]


@dg.job(description="Replay ranges of offsets beside the stream, by one bounded job.", tags=REPLAY_MAX_RUNTIME)
def replay_range() -> None:
    """Its configuration names the ranges; without them it does not start."""
    replay_ops.replay_offsets()


@dg.job(
    description="Let the stream go on from the earliest or latest offsets, or from a time. Without dry_run: false and "
    "confirm: <the topic's name> it only tells what that would mean.",
    tags=MAX_RUNTIME,
)
def reset_stream() -> None:
    """What is skipped is LOST until it is replayed; reading again sets rows back until the stream has caught up."""
    replay_ops.reset_offsets()


def jobs() -> list[dg.JobDefinition]:
    """`replay_range` and `reset_stream`."""
    return [replay_range, reset_stream]
