"""What Flink says of our job."""

from __future__ import annotations

from dataclasses import replace

from orchestration.flink.client import FlinkClient
from orchestration.flink.errors import FlinkNotFound, FlinkNotReady, FlinkRejected
from orchestration.flink.types import CheckpointStats, JobSummary
from orchestration.health.facts import Checkpoints, Failure, FlinkFacts, JobFacts

REMEMBERED = 16
RESTARTS = "numRestarts"


def read_flink(client: FlinkClient, job_name: str) -> FlinkFacts:
    """The active job of this name, the newest if there are several, else the one that ended last.

    Raises:
        FlinkUnreachable: no answer.
    """
    ours = sorted((job for job in client.jobs() if job.name == job_name), key=lambda job: job.started_at_ms)
    active = [job for job in ours if not job.ended]
    newest = (active or ours)[-1:]
    try:
        return FlinkFacts(len(active), _job(client, newest[0]) if newest else None)
    except FlinkNotFound:  # forgotten since it was listed
        return FlinkFacts(0)


def _job(client: FlinkClient, job: JobSummary) -> JobFacts:
    facts = JobFacts(job.id, job.state, job.tasks_running, job.tasks_total, job.started_at_ms / 1000)
    try:
        return replace(
            facts,
            restarts=None if job.ended else _restarts(client, job.id),
            failures=tuple(Failure(f.at_ms / 1000, f.causes) for f in client.exceptions(job.id, REMEMBERED)),
            checkpoints=_checkpoints(client.checkpoints(job.id)),
        )
    except FlinkNotFound:
        raise
    except (FlinkNotReady, FlinkRejected):  # a job that has just been submitted is listed before it can be asked
        return facts


def _restarts(client: FlinkClient, job_id: str) -> int | None:
    count = client.job_metrics(job_id, (RESTARTS,)).get(RESTARTS)
    return None if count is None else int(count)


def _checkpoints(stats: CheckpointStats) -> Checkpoints:
    completed, failed, pending = stats.latest_completed, stats.latest_failed, stats.pending_since_ms
    return Checkpoints(
        completed=stats.completed,
        completed_at_s=completed.completed_at_ms / 1000 if completed else None,
        failed=stats.failed_since_completed,
        last_failure=failed.message if failed else None,
        pending_since_s=pending / 1000 if pending else None,
    )
