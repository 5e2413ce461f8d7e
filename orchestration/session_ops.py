"""The run that stays attached to the stream."""

import time
from collections.abc import Iterator

import dagster as dg
from dagster._utils.interrupts import capture_interrupts

from orchestration.errors import TransientError
from orchestration.lifecycle.session import OnEnd, Session, end, in_words, started
from orchestration.lifecycle_ops import STREAMING_JOB, told
from orchestration.ops import NOTHING
from orchestration.streaming_job import StreamingJob

POLL_S = 3.0
ENDING = (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED)

Events = Iterator[dg.AssetMaterialization | dg.AssetObservation | dg.Output[None]]


class SessionConfig(dg.Config):
    """`on_end`: what terminating this run means: `savepoint` stops the stream with one, `leave` lets it go on, `cancel`
    cancels it and keeps its checkpoints. A run that is killed leaves the stream alone.
    """

    on_end: OnEnd = OnEnd.savepoint


# Without a retry policy: Dagster would take the interrupt for a failure, and begin anew.
@dg.op(
    out=NOTHING,
    pool="stream_session",
    description="Ensure that the Flink job runs, and report on it until this run is terminated.",
)
def attend_stream(context: dg.OpExecutionContext, config: SessionConfig, stream: StreamingJob) -> Events:
    """Observes `streaming_job`; ends when somebody stops the stream, and fails when its recovery was given up."""
    listening = stream.telling(context.log.info)
    try:
        yield dg.AssetMaterialization(STREAMING_JOB, metadata=told(context, stream, started(listening)))
        yield from _attend(context, stream)
    except dg.DagsterExecutionInterruptedError:
        context.log.info(f"terminated: {config.on_end.value}")
        with capture_interrupts():
            done = end(listening, config.on_end)
        context.log.info(in_words(done))
        yield dg.AssetObservation(STREAMING_JOB, metadata=done)
        raise
    yield dg.Output(None)


def _attend(context: dg.OpExecutionContext, stream: StreamingJob) -> Iterator[dg.AssetObservation]:
    session = Session(stream, context.instance)
    next_report = time.monotonic()
    while _goes_on(context, stream):
        if time.monotonic() >= next_report:
            next_report = time.monotonic() + stream.settings.session_report_s
            figures = session.figures()
            context.log.info(in_words(figures))
            yield dg.AssetObservation(STREAMING_JOB, metadata=dict(figures))
        time.sleep(POLL_S)
    context.log.info("the stream was stopped, or this run ended, by somebody else")


def _goes_on(context: dg.OpExecutionContext, stream: StreamingJob) -> bool:
    run = context.instance.get_run_by_id(context.run_id)
    # A code server that was killed and is back cannot reach this process to terminate it.
    if run and run.status in ENDING:
        raise dg.DagsterExecutionInterruptedError
    if run is None or run.is_finished:
        return False
    try:
        known = stream.record()
    except TransientError:
        return True
    if known.recovery.gave_up_at is not None:
        raise dg.Failure(f"recovery was given up: {known.recovery.error}", allow_retries=False)
    return known.desired == "running"
