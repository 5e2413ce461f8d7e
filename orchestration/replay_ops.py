"""The verbs that read a part of the topic again: replay beside the stream, and reset the stream itself."""

from typing import Any

import dagster as dg

from orchestration import replay_report as report
from orchestration.errors import ConfigurationError
from orchestration.lifecycle import replay_ranges, reset
from orchestration.lifecycle.replay import Replay
from orchestration.lifecycle.replay_figures import Elsewhere, rows_elsewhere
from orchestration.lifecycle.replay_ranges import Ranges, Scope
from orchestration.lifecycle_ops import STREAMING_JOB, told
from orchestration.ops import NOTHING, op
from orchestration.resources.topics import OffsetRange
from orchestration.streaming_job import StreamingJob

EVENTS = dg.AssetKey("events")
# For Dagster's queue. Where its limit is not set a lock does the same, but in runs that wait.
POOL = "replay"
# A dead JobManager is back after 10 to 20 s, and has forgotten the job.
REPLAY_RETRY = dg.RetryPolicy(max_retries=4, delay=5, backoff=dg.Backoff.EXPONENTIAL)


class ReplayConfig(dg.Config):
    """`parallelism`: subtasks of the bounded job, each of which takes a slot that the stream leaves free."""

    parallelism: int = 1


class ReplayRangeConfig(ReplayConfig):
    """`ranges`: by partition the first offset to replay, and the first not to: `{"0": [100, 200]}`."""

    ranges: dict[str, list[int]]


class ResetConfig(dg.Config):
    """`to`: `earliest`, `latest` or an ISO time (UTC unless it says otherwise); `confirm`: the topic's name."""

    to: str
    confirm: str = ""
    dry_run: bool = True


@op(
    out=NOTHING,
    ins={"events": dg.In(dg.Nothing)},
    pool=POOL,
    retry_policy=REPLAY_RETRY,
    description="Replay the hours of this run by one bounded job, beside the stream.",
)
def replay_hours(context: dg.OpExecutionContext, config: ReplayConfig, stream: StreamingJob) -> dg.Output[None]:
    """Metadata: ranges, rows and checksum before and after, what was added and changed, over all hours of this run."""
    window, topic = context.partition_time_window, stream.settings.kafka_topic
    # From the first record stamped in the first hour or later to the first that is stamped after the last hour.
    first, past = (stream.kafka.offsets_at(topic, moment) for moment in (window.start, window.end))
    wanted = {number: OffsetRange(first[number], past[number]) for number in first}
    retained = stream.kafka.offsets(topic)
    found = _scope(context, stream, wanted, retained)
    if (emptied := replay_ranges.emptied(wanted, retained)) and not found.ranges:
        raise ConfigurationError(
            "Kafka retains nothing of these hours: "
            + ", ".join(f"partition {number} begins at {retained[number].begin}" for number in emptied)
        )
    other = rows_elsewhere(stream.postgres, wanted, retained, (window.start, window.end))
    _warn(context, other)
    hours = f"hours from {window.start.isoformat()} to {window.end.isoformat()}"
    figures = _replay(context, stream, hours, found, config.parallelism)
    return dg.Output(None, metadata={"hours": len(context.partition_keys), **vars(other), **figures})


@op(
    out=NOTHING,
    pool=POOL,
    retry_policy=REPLAY_RETRY,
    description="Replay ranges of offsets by one bounded job, beside the stream.",
)
def replay_offsets(context: dg.OpExecutionContext, config: ReplayRangeConfig, stream: StreamingJob) -> None:
    """Observes `events` with what `replay_hours` has as metadata."""
    wanted = replay_ranges.parse(config.ranges)
    found = _scope(context, stream, wanted, stream.kafka.offsets(stream.settings.kafka_topic))
    if not found.ranges:
        why = "; ".join(found.warnings()) or "the topic has no such offsets"
        raise ConfigurationError(f"nothing of the ranges can be replayed: {why}")
    figures = _replay(context, stream, replay_ranges.to_json(wanted), found, config.parallelism)
    context.log_event(dg.AssetObservation(EVENTS, metadata={"action": "replayed", **figures}))


@op(out=NOTHING, description="Let the Flink job go on from other offsets, once confirmed.")
def reset_offsets(context: dg.OpExecutionContext, config: ResetConfig, stream: StreamingJob) -> None:
    """Observes `streaming_job` with what a reset would do, or reports it once it is done.

    Not retried: a second reset would skip what came meanwhile. Where this one stops half-way, the next start goes on.
    """
    planned = stream.moves(config.to)
    if config.dry_run:
        context.log.info(f"a reset to {config.to} would mean: {reset.in_words(planned)}")
        metadata = {"action": "reset planned", **report.reset_metadata(config.to, planned)}
        context.log_event(dg.AssetObservation(STREAMING_JOB, metadata=metadata))
        return
    reset.require_confirmation(config.confirm, stream.settings.kafka_topic, config.to, planned)
    ensured, done = stream.telling(context.log.info).reset(config.to)
    if skipped := reset.skipped(done):
        ranges = replay_ranges.to_json(skipped)
        context.log.warning(f"skipped, and so LOST until a replay lands them; replay_range takes them as {ranges}")
    anew = {"action": "reset", "restored_from": "offsets of the reset"}
    metadata = {**told(context, stream, ensured), **report.reset_metadata(config.to, done), **anew}
    context.log_event(dg.AssetMaterialization(STREAMING_JOB, metadata=metadata))


def _scope(context: dg.OpExecutionContext, stream: StreamingJob, wanted: Ranges, retained: Ranges) -> Scope:
    committed = stream.kafka.committed(stream.settings.kafka_consumer_group, stream.settings.kafka_topic)
    found = replay_ranges.scope(wanted, retained, committed)
    for line in found.warnings():
        context.log.warning(line)
    return found


def _warn(context: dg.OpExecutionContext, found: Elsewhere) -> None:
    if found.rows_gone_from_kafka:
        context.log.warning(f"{found.rows_gone_from_kafka:,} rows of these hours are of records removed from Kafka")
    if found.rows_among_other_hours:
        context.log.warning(
            f"{found.rows_among_other_hours:,} rows of these hours are of records that came out of order: they stand "
            "among those of other hours, and are replayed with them"
        )


def _replay(
    context: dg.OpExecutionContext, stream: StreamingJob, wanted: object, found: Scope, parallelism: int
) -> dict[str, Any]:
    if not found.ranges:
        context.log.info("no record of these hours is there to replay")
        return report.scope_metadata(found)
    name = replay_ranges.job_name(stream.settings.kafka_topic, wanted)
    done = Replay(stream.telling(context.log.info), name, found.ranges, parallelism).run()
    if not done.is_current:
        context.log.warning("the stream runs another version than this code and these settings: replayed by the former")
    return {**report.scope_metadata(found), **report.replay_metadata(done, stream.flink.ui_url(done.job.id))}
