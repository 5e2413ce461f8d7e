"""A sensor that reports on a Flink job as observations of an asset."""

from __future__ import annotations

import re
import time

import dagster as dg

from orchestration.errors import TransientError
from orchestration.flink.client import FlinkClient
from orchestration.flink.resource import FlinkResource
from orchestration.flink.types import CheckpointStats, JobSummary

Figures = dict[str, int | float | str]


def build_flink_job_sensor(
    job_name: str,
    asset_key: dg.CoercibleToAssetKey,
    *,
    minimum_interval_seconds: int = 30,
) -> dg.SensorDefinition:
    """A sensor that observes `asset_key` at each tick: the job's state, restarts and age of its last checkpoint.

    Numbers are metadata that Dagster plots. A JobManager that is out of reach is an observation too, for silence
    would look like health. Needs the resource `flink`.
    """

    @dg.sensor(
        name=f"{re.sub(r'[^A-Za-z0-9_]', '_', job_name)}_sensor",
        minimum_interval_seconds=minimum_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Observes the Flink job {job_name}.",
    )
    def observe(flink: FlinkResource) -> dg.SensorResult:
        metadata = take(flink, job_name, time.time() * 1000)
        return dg.SensorResult(asset_events=[dg.AssetObservation(asset_key, metadata=metadata)])

    return observe


def take(flink: FlinkResource, job_name: str, now_ms: float) -> dict[str, dg.MetadataValue]:
    """The metadata of one observation."""
    try:
        active = flink.client.active_jobs(job_name)
        figures = observe_job(flink.client, active, now_ms)
    except TransientError as error:
        return {"state": dg.MetadataValue.text("UNREACHABLE"), "error": dg.MetadataValue.text(str(error))}
    url = flink.ui_url(active[0].id) if active else flink.rest_url
    return {**_as_metadata(figures), "flink_ui": dg.MetadataValue.url(url)}


def observe_job(client: FlinkClient, active: tuple[JobSummary, ...], now_ms: float) -> Figures:
    """The figures of the active job, or that there is none, or more than one."""
    if len(active) != 1:
        return {"state": "ABSENT" if not active else "AMBIGUOUS", "active_jobs": len(active)}
    (job,) = active
    restarts = client.job_metrics(job.id, ("numRestarts",)).get("numRestarts")
    return job_figures(job, client.checkpoints(job.id), restarts, now_ms)


def job_figures(job: JobSummary, checkpoints: CheckpointStats, restarts: float | None, now_ms: float) -> Figures:
    """The figures of one job; what is not known yet is absent."""
    figures: Figures = {
        "state": job.state,
        "active_jobs": 1,
        "job_id": job.id,
        "tasks_running": job.tasks_running,
        "uptime_s": round((now_ms - job.started_at_ms) / 1000, 1),
        "checkpoints_completed": checkpoints.completed,
        "checkpoints_failed": checkpoints.failed,
    }
    if restarts is not None:
        figures["restarts"] = int(restarts)
    if latest := checkpoints.latest_completed:
        figures["last_checkpoint_age_s"] = round((now_ms - latest.completed_at_ms) / 1000, 1)
    return figures


def _as_metadata(figures: Figures) -> dict[str, dg.MetadataValue]:
    return {key: _value(figure) for key, figure in figures.items()}


def _value(figure: float | str) -> dg.MetadataValue:
    if isinstance(figure, str):
        return dg.MetadataValue.text(figure)
    return dg.MetadataValue.int(figure) if isinstance(figure, int) else dg.MetadataValue.float(figure)
