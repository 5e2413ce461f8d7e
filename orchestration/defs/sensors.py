"""Sensors: the heartbeat of the stream, and the end of producers."""

import json

import dagster as dg

from orchestration import heartbeat
from orchestration.defs.jobs import health_check
from orchestration.defs.streaming import EVENTS, STREAM_HEALTHY, STREAMING_JOB
from orchestration.flink.resource import FlinkResource
from orchestration.health.gather import Servers
from orchestration.health.monitor import Examination, examine, tell
from orchestration.ledger_report import evaluation
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
        description="Rows landed, lag per partition, rows per second, end-to-end latency and health, reported on "
        "`events`; the check stream_healthy as soon as the cause of the stream's state changes.",
    )
    def heartbeat_sensor(
        context: dg.SensorEvaluationContext, flink: FlinkResource, kafka: KafkaResource, postgres: PostgresResource
    ) -> dg.SensorResult:
        examined = examine(context.instance, settings, Servers(flink, kafka, postgres))
        if examined.news:
            verdict = examined.diagnosis.verdict
            context.instance.report_runless_asset_event(evaluation(STREAMING_JOB, STREAM_HEALTHY, verdict))
            tell(context.instance, settings, examined)
        previous = heartbeat.Beat.from_cursor(context.cursor) if context.cursor else None
        beat, figures = heartbeat.take(examined.facts, postgres, previous, settings.heartbeat_interval_s)
        event = dg.AssetMaterialization if figures.get("new_rows") else dg.AssetObservation
        metadata = {**figures, **_health(examined)}
        return dg.SensorResult(
            asset_events=[event(EVENTS, metadata=metadata)], cursor=beat.to_cursor() if beat else None
        )

    return heartbeat_sensor


def _health(examined: Examination) -> dict[str, dg.MetadataValue]:
    diagnosis = examined.diagnosis
    return {
        "health": dg.MetadataValue.text(diagnosis.cause.value),
        "health_since": dg.MetadataValue.timestamp(diagnosis.since_s),
        "health_words": dg.MetadataValue.text(diagnosis.words),
    }


def _producer_ends() -> dg.SensorDefinition:
    @dg.sensor(
        minimum_interval_seconds=30,
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
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the verdicts of the health check in view.",
)
def verdict_sensor(context: dg.RunStatusSensorContext) -> None:
    """Report each verdict of the run once more, outside of any run.

    The UI calls a check "not evaluated" as soon as its asset is materialized again, which sensors do every few seconds
    here; only a verdict that belongs to no run, like those materializations, stays in view. Not stream_healthy: the
    heartbeat tells it, and may have told a newer one meanwhile.
    """
    evaluated = dg.DagsterEventType.ASSET_CHECK_EVALUATION
    records = context.instance.get_records_for_run(context.dagster_run.run_id, of_type=evaluated).records
    for record in records:
        event = record.event_log_entry.dagster_event
        if event is not None and event.asset_check_evaluation_data.check_name != STREAM_HEALTHY:
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
