"""Asset checks: each reads a few figures and asks `orchestration.verdicts` what they mean.

A server that is out of reach is no failure of what it would have told: the verdict is then a warning, "unknown".
"""

import time
from collections.abc import Callable

import dagster as dg

from orchestration import snapshot, verdicts
from orchestration.defs.streaming import EVENTS, STREAMING_JOB
from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.client import FlinkClient
from orchestration.flink.resource import FlinkResource
from orchestration.health import monitor
from orchestration.health.gather import Servers
from orchestration.health.read_kafka import read_kafka
from orchestration.health.rules_flow import retention_left_s
from orchestration.health.view import Limits
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings

RESTART_WINDOW_S = 600.0
EVENTS_TOPIC = dg.AssetKey("events_topic")


def as_result(verdict: verdicts.Verdict) -> dg.AssetCheckResult:
    """A verdict in Dagster's terms."""
    return dg.AssetCheckResult(
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity(verdict.severity.value),
        description=verdict.description,
        metadata=dict(verdict.metadata),
    )


def judged(judge: Callable[[], verdicts.Verdict]) -> dg.AssetCheckResult:
    """The verdict, or why there is none: a server out of reach warns, a thing that is missing there is an error."""
    try:
        return as_result(judge())
    except TransientError as error:
        return as_result(verdicts.unknown(error))
    except ConfigurationError as error:
        return as_result(verdicts.Verdict(False, str(error)))


def checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """Checks on `events` (what landed), `events_topic` and `streaming_job` (what makes it land)."""
    return [*_event_checks(settings), *_job_checks(settings), _stream_healthy(settings), _retention_ahead(settings)]


def _stream_healthy(settings: Settings) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=STREAMING_JOB,
        description="Events land, or the cause why they do not. The heartbeat evaluates it too, every few seconds.",
    )
    def stream_healthy(
        context: dg.AssetCheckExecutionContext, flink: FlinkResource, kafka: KafkaResource, postgres: PostgresResource
    ) -> dg.AssetCheckResult:
        examined = monitor.examine_twice(context.instance, settings, Servers(flink, kafka, postgres))
        return as_result(examined.diagnosis.verdict)

    return stream_healthy


def _retention_ahead(settings: Settings) -> dg.AssetChecksDefinition:
    limits = Limits.of(settings)

    def judge(kafka: KafkaResource) -> verdicts.Verdict:
        facts = read_kafka(kafka, settings.kafka_topic, settings.kafka_consumer_group)
        left_s = retention_left_s(facts, time.time())
        retention_s = facts.retention_ms / 1000
        return verdicts.retention_ahead(facts.lag, left_s, retention_s, limits.retention_warn, limits.retention_error)

    @dg.asset_check(asset=EVENTS_TOPIC, description="Kafka keeps what the job has still to read, for long enough.")
    def retention_ahead(kafka: KafkaResource) -> dg.AssetCheckResult:
        return judged(lambda: judge(kafka))

    return retention_ahead


def _event_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    patience_s = settings.landing_patience_s

    @dg.asset_check(asset=EVENTS, description="Rows land as long as there is something to read.")
    def rows_landing(
        context: dg.AssetCheckExecutionContext, kafka: KafkaResource, postgres: PostgresResource
    ) -> dg.AssetCheckResult:
        def judge() -> verdicts.Verdict:
            return verdicts.rows_landing(*snapshot.watch_commits(settings, kafka, patience_s))

        return _unless_stopped(context.instance, settings, postgres, judge)

    @dg.asset_check(asset=EVENTS, description="No event_id has two rows.")
    def no_duplicates(postgres: PostgresResource) -> dg.AssetCheckResult:
        return judged(lambda: verdicts.no_duplicates(postgres.duplicates()))

    return [rows_landing, no_duplicates]


def _job_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    name = settings.flink_job_name

    def running(client: FlinkClient) -> verdicts.Verdict:
        active = client.active_jobs(name)
        return verdicts.job_running(active[0].state if active else None, len(active))

    def checkpoint_recent(client: FlinkClient) -> verdicts.Verdict:
        return verdicts.checkpoint_recent(snapshot.checkpoint_facts(settings, client))

    def no_restart_storm(client: FlinkClient) -> verdicts.Verdict:
        restarts = snapshot.restarts_since(name, client, RESTART_WINDOW_S)
        return verdicts.no_restart_storm(restarts, RESTART_WINDOW_S, warn_at=3, error_at=6)

    return [
        _job_check(settings, running, "Exactly one job of our name is active, and it runs."),
        _job_check(settings, checkpoint_recent, "The last checkpoint completed within a few intervals."),
        _job_check(settings, no_restart_storm, "Few restarts within the last ten minutes."),
    ]


def _job_check(
    settings: Settings, judge: Callable[[FlinkClient], verdicts.Verdict], description: str
) -> dg.AssetChecksDefinition:
    """A check of what Flink says of the job, by the name of the function that judges it."""

    @dg.asset_check(asset=STREAMING_JOB, name=judge.__name__, description=description)
    def check(
        context: dg.AssetCheckExecutionContext, flink: FlinkResource, postgres: PostgresResource
    ) -> dg.AssetCheckResult:
        return _unless_stopped(context.instance, settings, postgres, lambda: judge(flink.client))

    return check


def _unless_stopped(
    instance: dg.DagsterInstance, settings: Settings, postgres: PostgresResource, judge: Callable[[], verdicts.Verdict]
) -> dg.AssetCheckResult:
    desired = monitor.desired(instance, settings, postgres)
    if desired is not None and desired.state == "stopped":
        return as_result(verdicts.stopped_on_purpose(desired.at_s))
    return judged(judge)
