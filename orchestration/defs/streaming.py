"""The stream itself: the Flink job that must run, and the table that it fills."""

from datetime import timedelta
from typing import Any

import dagster as dg

from orchestration import lifecycle_ops
from orchestration.defs.provisioning import AFTER, common
from orchestration.settings import Settings

STREAMING_JOB = dg.AssetKey("streaming_job")
EVENTS = dg.AssetKey("events")
# The check of `streaming_job` that names the cause of the stream's state.
STREAM_HEALTHY = "stream_healthy"


def assets(settings: Settings) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """`streaming_job`, whose materialization means "ensure running", and the external asset `events`."""

    @dg.graph_asset(
        **common("streaming", {"flink", "sql"}),
        ins={"events_topic": AFTER, "events_table": AFTER},
        description="The Flink job. Materialise to ensure that it runs: a healthy one is adopted, a missing one is "
        "submitted from its newest restore point, one of another version is upgraded, or rolled back to if the new one "
        "does not prove itself; never is there a second.",
        metadata={"flink_ui": dg.MetadataValue.url(settings.flink_ui), "job_name": settings.flink_job_name},
    )
    def streaming_job(events_topic: Any, events_table: Any) -> Any:  # noqa: ANN401 - composed by dagster
        return lifecycle_ops.ensure_streaming_job(events_topic=events_topic, events_table=events_table)

    events = dg.AssetSpec(
        EVENTS,
        deps=[STREAMING_JOB, "event_producer"],
        **common("streaming", {"postgres", "table"}),
        description="Rows of the table `events`, landed by the Flink job. The heartbeat reports a materialization when "
        "rows have landed since the last beat, and an observation when none has.",
        metadata={
            "dagster/table_name": f"{settings.postgres_database}.public.events",
            "topic": settings.kafka_topic,
            "flink_ui": dg.MetadataValue.url(settings.flink_ui),
        },
        freshness_policy=dg.FreshnessPolicy.time_window(
            fail_window=timedelta(minutes=30), warn_window=timedelta(minutes=5)
        ),
    )
    return [streaming_job, events]
