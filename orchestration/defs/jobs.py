"""Jobs that people, the command line and schedules launch."""

from __future__ import annotations

import dagster as dg

from orchestration import lifecycle_ops, ops

# A run that was killed with its code server would stay STARTED for ever.
MAX_RUNTIME = {"dagster/max_runtime": "900"}

start_pipeline = dg.define_asset_job(
    "start_pipeline",
    selection=dg.AssetSelection.assets("events_topic", "events_table", "streaming_job", "event_producer"),
    description="Provision the topic and the table, ensure that the Flink job runs, and launch the producers.",
    tags=MAX_RUNTIME,
)

health_check = dg.define_asset_job(
    "health_check",
    selection=dg.AssetSelection.all_asset_checks(),
    description="Run every asset check; a failed check is a verdict, not a failed run.",
    tags=MAX_RUNTIME,
)


@dg.job(description="Stop the Flink job with a savepoint; the next start resumes from it.", tags=MAX_RUNTIME)
def stop_pipeline() -> None:
    """Producers first, so that what they have sent is still read; then the Flink job, with a savepoint."""
    lifecycle_ops.stop_streaming_job(ops.stop_producers())


def jobs() -> list[dg.JobDefinition | dg.UnresolvedAssetJobDefinition]:
    """Every job of the code location."""
    return [start_pipeline, stop_pipeline, health_check]
