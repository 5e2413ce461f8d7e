"""The verbs of the Flink job: ensure that it runs, stop, upgrade, rescale, save, and bring it back."""

import time
from typing import Any

import dagster as dg

from orchestration.flink.resource import Ensured, Stopped
from orchestration.flink.restore import size_bytes
from orchestration.lifecycle import recovery, retention
from orchestration.ops import NOTHING, RETRY, op
from orchestration.streaming_job import StreamingJob

STREAMING_JOB = dg.AssetKey("streaming_job")

_Context = dg.OpExecutionContext | dg.SensorEvaluationContext


@op(
    out=NOTHING,
    ins={"events_topic": dg.In(dg.Nothing), "events_table": dg.In(dg.Nothing)},
    retry_policy=RETRY,
    description="Adopt the running Flink job, submit it from the newest restore point, or upgrade it.",
)
def ensure_streaming_job(context: dg.OpExecutionContext, stream: StreamingJob) -> dg.Output[None]:
    """Metadata: the job, how it came to run, and where it was restored from."""
    ensured = stream.telling(context.log.info).ensure_running()
    return dg.Output(None, metadata=told(context, stream, ensured))


@op(
    out=NOTHING,
    ins={"producers_stopped": dg.In(dg.Nothing)},
    description="Stop the Flink job with a savepoint, from which the next start resumes.",
)
def stop_streaming_job(context: dg.OpExecutionContext, stream: StreamingJob) -> None:
    """Logs the job and its savepoint, or that no job was running; observes `streaming_job`."""
    _stop(context, stream)


@op(out=NOTHING, retry_policy=RETRY, description="Stop the Flink job with a savepoint; producers go on.")
def suspend_streaming_job(context: dg.OpExecutionContext, stream: StreamingJob) -> None:
    """As `stop_streaming_job`."""
    _stop(context, stream)


@op(out=NOTHING, retry_policy=RETRY, description="Adopt, resume or upgrade the Flink job, without its producers.")
def resume_streaming_job(context: dg.OpExecutionContext, stream: StreamingJob) -> None:
    """Reports `streaming_job`."""
    _report(context, stream, stream.telling(context.log.info).ensure_running())


class RescaleConfig(dg.Config):
    """How many subtasks; 0: as the settings say."""

    parallelism: int


@op(out=NOTHING, description="Go on from a savepoint with another number of subtasks.")
def rescale_streaming_job(context: dg.OpExecutionContext, config: RescaleConfig, stream: StreamingJob) -> None:
    """Reports `streaming_job`; a job that is stopped only takes note for its next start."""
    ensured = stream.telling(context.log.info).rescale(config.parallelism or None)
    if ensured:
        _report(context, stream, ensured)
    else:
        context.log.info("the job is stopped on purpose: it will start with that parallelism")


@op(out=NOTHING, retry_policy=RETRY, description="Let what ran before run again, from the newest restore point.")
def recover_streaming_job(context: dg.OpExecutionContext, stream: StreamingJob) -> None:
    """Reports `streaming_job`; the attempts of the sensor count anew."""
    recovery.forget(stream)
    ensured = stream.telling(context.log.info).recover()
    if ensured is None:
        context.log.warning("the job is stopped on purpose: resume_stream starts it")
        return
    _report(context, stream, ensured)
    context.log.info(_pruned(retention.prune(stream)))


@op(out=NOTHING, retry_policy=RETRY, description="Take a savepoint; delete restore points that it supersedes.")
def save_streaming_job(context: dg.OpExecutionContext, stream: StreamingJob) -> None:
    """Observes `streaming_job`; of a job that is stopped on purpose there is nothing to save."""
    if stream.record().desired != "running":
        context.log.info("the job is stopped on purpose: nothing to save")
        return
    began = time.monotonic()
    path = stream.telling(context.log.info).savepoint()
    duration_s = time.monotonic() - began
    removed = retention.prune(stream)
    context.log.info(f"savepoint {path} after {duration_s:.1f} s; {_pruned(removed)}")
    metadata: dict[str, int | float | str] = {
        "action": "savepoint",
        "savepoint": path,
        "savepoint_bytes": size_bytes(path, endpoint=stream.settings.s3_endpoint_url),
        "duration_s": round(duration_s, 3),
        "superseded": removed.total,
    }
    context.log_event(dg.AssetObservation(STREAMING_JOB, metadata=metadata))


def _pruned(removed: retention.Superseded) -> str:
    names = ", ".join((*removed.savepoints, *(f"checkpoints of job {job_id}" for job_id in removed.checkpoints)))
    return f"deleted {names}, which newer restore points supersede" if names else "no restore point is superseded"


def _stop(context: dg.OpExecutionContext, stream: StreamingJob) -> None:
    stopped = stream.telling(context.log.info).stop()
    context.log_event(dg.AssetObservation(STREAMING_JOB, metadata={"action": "stopped", **Stopped.told(stopped)}))
    context.log.info(_in_words(stopped))


def _report(context: dg.OpExecutionContext, stream: StreamingJob, ensured: Ensured) -> None:
    context.log_event(dg.AssetMaterialization(STREAMING_JOB, metadata=told(context, stream, ensured)))


def told(context: _Context, stream: StreamingJob, ensured: Ensured) -> dict[str, Any]:
    """Metadata of `streaming_job`: how the job came to run; warns of restore points that Flink cannot read."""
    known = stream.record()
    # Of an adopted job only the record knows.
    restored_from = ensured.restored_from or known.restored_from or "committed offsets"
    context.log.info(f"{ensured.action} job {ensured.job_id}, restored from {restored_from}")
    for path in ensured.unreadable:
        context.log.warning(f"passed over {path}, which Flink cannot read")
    return {
        "action": ensured.action,
        "job_id": ensured.job_id,
        "restored_from": restored_from,
        "unreadable_restore_points": len(ensured.unreadable),
        "parallelism": known.parallelism or stream.settings.flink_parallelism,
        "checkpoint_interval_s": stream.settings.checkpoint_interval_ms / 1000,
        "fingerprint": known.fingerprint or "",
        "writer_epoch": known.epoch,
        "flink_ui": dg.MetadataValue.url(stream.flink.ui_url(ensured.job_id)),
    }


def _in_words(stopped: Stopped | None) -> str:
    if stopped is None:
        return "no job was running"
    kept = stopped.savepoint_path or f"its last checkpoint, for it took no savepoint: {stopped.no_savepoint}"
    return f"stopped job {stopped.job_id}; the next start resumes from {kept}"
