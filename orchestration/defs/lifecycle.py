"""The lifecycle of the Flink job, each step a job that the UI launches and keeps the history of."""

from __future__ import annotations

import dagster as dg

from orchestration import lifecycle_ops, session_ops
from orchestration.defs.jobs import MAX_RUNTIME

# 0: none.
NO_MAX_RUNTIME = {"dagster/max_runtime": "0"}


@dg.job(description="Stop the Flink job with a savepoint; producers go on.", tags=MAX_RUNTIME)
def suspend_stream() -> None:
    """The stream is not wanted from then on, so nothing brings it back by itself."""
    lifecycle_ops.suspend_streaming_job()


@dg.job(description="Let the Flink job run again, from its newest restore point.", tags=MAX_RUNTIME)
def resume_stream() -> None:
    """As materialising `streaming_job` does, without the topic and the table."""
    lifecycle_ops.resume_streaming_job()


@dg.job(
    description="Bring the Flink job to the version of this code and these settings: stop with a savepoint, start, "
    "verify that rows land and the ledger balances, else roll back to the old version from the same savepoint.",
    tags=MAX_RUNTIME,
)
def upgrade_stream() -> None:
    """A job that runs this version already is adopted."""
    lifecycle_ops.resume_streaming_job.alias("upgrade_streaming_job")()


@dg.job(description="Go on from a savepoint with another parallelism; 0: as the settings say.", tags=MAX_RUNTIME)
def rescale_stream() -> None:
    """Verified, and rolled back, as an upgrade is."""
    lifecycle_ops.rescale_streaming_job()


@dg.job(description="Take a savepoint of the Flink job, and delete those that are superseded.", tags=MAX_RUNTIME)
def savepoint_stream() -> None:
    """The stream goes on; of one that is stopped on purpose nothing is saved."""
    lifecycle_ops.save_streaming_job()


@dg.job(description="Bring back the Flink job as it ran before, from its newest restore point.", tags=MAX_RUNTIME)
def recover_stream() -> None:
    """What `self_heal_sensor` does by itself, for a person who does not want to wait for it."""
    lifecycle_ops.recover_streaming_job()


@dg.job(
    description="Let the Flink job run, and stay attached: this run reports on it until it is terminated, which stops "
    "the stream with a savepoint, leaves it, or cancels it, as its configuration says.",
    tags=NO_MAX_RUNTIME,
)
def stream_session() -> None:
    """One session at a time."""
    session_ops.attend_stream()


def jobs() -> list[dg.JobDefinition]:
    """Every job of this room."""
    return [
        suspend_stream,
        resume_stream,
        upgrade_stream,
        rescale_stream,
        savepoint_stream,
        recover_stream,
        stream_session,
    ]
