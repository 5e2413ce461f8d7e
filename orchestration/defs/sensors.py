"""Sensors: the heartbeat of the stream, and the end of producers."""

import json
import time

import dagster as dg

from orchestration import heartbeat
from orchestration.defs.jobs import health_check
from orchestration.defs.streaming import EVENTS
from orchestration.errors import Pi3Error
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.resources.producer import ProducerReport, ProducerResource
from orchestration.settings import Settings

PRODUCER = dg.AssetKey("event_producer")


def sensors(settings: Settings) -> list[dg.SensorDefinition]:
    """Every sensor of the code location; all run by default."""
    return [_heartbeat(settings), _producer_ends(), verdict_sensor]


def _heartbeat(settings: Settings) -> dg.SensorDefinition:
    @dg.sensor(
        minimum_interval_seconds=settings.heartbeat_interval_s,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Rows landed, lag per partition, rows per second and end-to-end latency, reported on `events`.",
    )
    def heartbeat_sensor(
        context: dg.SensorEvaluationContext, kafka: KafkaResource, postgres: PostgresResource
    ) -> dg.SensorResult | dg.SkipReason:
        previous = heartbeat.Beat.from_cursor(context.cursor) if context.cursor else None
        try:
            beat, figures = heartbeat.take(settings, kafka, postgres, previous, time.time())
        except Pi3Error as error:
            return dg.SkipReason(f"unknown for now: {error}")
        event = dg.AssetMaterialization if figures["new_rows"] else dg.AssetObservation
        return dg.SensorResult(asset_events=[event(EVENTS, metadata=figures)], cursor=beat.to_cursor())

    return heartbeat_sensor


def _producer_ends() -> dg.SensorDefinition:
    @dg.sensor(
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Notices that a producer has ended, how, and what the broker had acknowledged to it.",
    )
    def producer_sensor(
        context: dg.SensorEvaluationContext, producer: ProducerResource
    ) -> dg.SensorResult | dg.SkipReason:
        known: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        ended = [r for r in producer.reports() if r.state != "running" and known.get(r.name) != r.state]
        if not ended:
            return dg.SkipReason("no producer has ended since the last look")
        cursor = json.dumps(known | {report.name: report.state for report in ended})
        return dg.SensorResult(asset_events=[_ended(report) for report in ended], cursor=cursor)

    return producer_sensor


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[health_check],
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the verdicts of the health check in view.",
)
def verdict_sensor(context: dg.RunStatusSensorContext) -> None:
    """Report each verdict of the run once more, outside of any run.

    The UI calls a check "not evaluated" as soon as its asset is materialized again, which sensors do every few seconds
    here; only a verdict that belongs to no run, like those materializations, stays in view.
    """
    evaluated = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    records = context.instance.get_records_for_run(context.dagster_run.run_id, of_type=evaluated).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is not None:
            context.instance.report_runless_asset_event(event.asset_check_evaluation_data)


def _ended(report: ProducerReport) -> dg.AssetObservation:
    metadata: dict[str, int | str] = {
        "producer": report.name,
        "state": report.state,
        "source": report.source,
        "acknowledged": report.acknowledged,
        "failed": report.failed,
        "refused": report.refused,
        "error": report.error or "none",
    }
    words = f"producer {report.name} {report.state} after {report.acknowledged:,} acknowledged events"
    return dg.AssetObservation(PRODUCER, description=words, metadata=metadata)
