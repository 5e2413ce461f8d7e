"""Asset checks: each reads a few figures and asks `orchestration.verdicts` what they mean."""

import dagster as dg

from orchestration import snapshot, verdicts
from orchestration.defs.streaming import EVENTS, STREAMING_JOB
from orchestration.flink.resource import FlinkResource
from orchestration.resources.kafka import KafkaResource
from orchestration.resources.postgres import PostgresResource
from orchestration.settings import Settings

RESTART_WINDOW_S = 600.0


def as_result(verdict: verdicts.Verdict) -> dg.AssetCheckResult:
    """A verdict in Dagster's terms."""
    return dg.AssetCheckResult(
        passed=verdict.passed,
        severity=dg.AssetCheckSeverity(verdict.severity.value),
        description=verdict.description,
        metadata=dict(verdict.metadata),
    )


def checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    """Checks on `events` (what landed) and on `streaming_job` (what makes it land)."""
    return [*_event_checks(settings), *_job_checks(settings)]


def _event_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    @dg.asset_check(asset=EVENTS, description="Rows land as long as there is something to read.")
    def rows_landing(kafka: KafkaResource) -> dg.AssetCheckResult:
        return as_result(verdicts.rows_landing(*snapshot.watch_commits(settings, kafka, settings.landing_patience_s)))

    @dg.asset_check(asset=EVENTS, description="No event_id has two rows.")
    def no_duplicates(postgres: PostgresResource) -> dg.AssetCheckResult:
        return as_result(verdicts.no_duplicates(postgres.duplicates()))

    return [rows_landing, no_duplicates]


def _job_checks(settings: Settings) -> list[dg.AssetChecksDefinition]:
    name = settings.flink_job_name

    @dg.asset_check(asset=STREAMING_JOB, description="Exactly one job of our name is active, and it runs.")
    def running(flink: FlinkResource) -> dg.AssetCheckResult:
        active = flink.client.active_jobs(name)
        return as_result(verdicts.job_running(active[0].state if active else None, len(active)))

    @dg.asset_check(asset=STREAMING_JOB, description="The last checkpoint completed within a few intervals.")
    def checkpoint_recent(flink: FlinkResource) -> dg.AssetCheckResult:
        return as_result(verdicts.checkpoint_recent(snapshot.checkpoint_facts(settings, flink.client)))

    @dg.asset_check(asset=STREAMING_JOB, description="Few restarts within the last ten minutes.")
    def no_restart_storm(flink: FlinkResource) -> dg.AssetCheckResult:
        restarts = snapshot.restarts_since(name, flink.client, RESTART_WINDOW_S)
        return as_result(verdicts.no_restart_storm(restarts, RESTART_WINDOW_S, warn_at=3, error_at=6))

    return [running, checkpoint_recent, no_restart_storm]
