"""Rules about the job: whether one is wanted, there, whole, and completing checkpoints."""

from __future__ import annotations

import re
from typing import Final

from orchestration.health.causes import Cause
from orchestration.health.facts import Failure, JobFacts, Unreachable
from orchestration.health.rules_flow import retention_near
from orchestration.health.view import Finding, View
from orchestration.verdicts import seconds

# What Postgres says to a session of a run that is no longer the one that may write.
FENCED: Final = "holds no writer lease"
# Flink's own words when it fails a job whose checkpoints fail: the checkpoints are the cause, not the failure.
CHECKPOINTS_FAILED_THE_JOB: Final = "tolerable failure threshold"
# The driver's errors less those of a statement (`ERROR:`), unless the server says that it cannot write.
SINK_REFUSES: Final = re.compile(
    r"^org\.postgresql\.util\.PSQLException: (?!ERROR:|.* ERROR:)|could not (extend|write)"
)


def not_launched(view: View) -> Finding | None:
    """Nobody has asked for the job, and none was ever seen; nothing is provisioned then, so nothing need be there."""
    if view.desired is not None or view.track.launched:
        return None
    return Finding(Cause.NOT_LAUNCHED, "nobody has asked for the job", "materialise streaming_job to start it")


def stopped(view: View) -> Finding | None:
    """A job that was stopped on purpose is not missing."""
    if view.desired is None or view.desired.state != "stopped":
        return None
    if not view.active_job:
        return retention_near(view) or Finding(
            Cause.STOPPED, "the job was stopped on purpose", "launch start_pipeline to go on"
        )
    if _changing(view) or view.age_s(view.desired.at_s) < view.limits.stop_s:
        return Finding(Cause.STOPPED, "the job is being stopped on purpose")
    words = f"the job was to stop {seconds(view.age_s(view.desired.at_s))} ago, and is {view.active_job.state}"
    return Finding(Cause.UNWANTED, words, "launch stop_pipeline again")


def unreachable(view: View) -> Finding | None:
    """Flink gives no answer: the job may well run."""
    if not isinstance(view.facts.flink, Unreachable):
        return None
    found = (view.facts.kafka, view.facts.postgres)
    others = "".join(f"; {server.error}" for server in found if isinstance(server, Unreachable))
    return Finding(
        Cause.UNREACHABLE,
        f"whether the job runs cannot be seen ({view.facts.flink.error}){others}; {view.progress}",
        "see flink-jobmanager.log if it stays so",
    )


def ambiguous(view: View) -> Finding | None:
    """Two jobs of one name write over each other."""
    if view.flink is None or view.flink.active < 2:
        return None
    return Finding(Cause.AMBIGUOUS, f"{view.flink.active} jobs of this name are active", "cancel all but the newest")


def fenced(view: View) -> Finding | None:
    """An orphan of an earlier launch: Postgres refuses what it writes."""
    newest = view.open_failures[:1]
    if not any(FENCED in cause for failure in newest for cause in failure.causes):
        return None
    return Finding(
        Cause.FENCED,
        f"the job that runs has lost the writer lease to a later launch, and writes nothing ({newest[0].root})",
        "materialise streaming_job: it replaces the job",
    )


def sink_refuses(view: View) -> Finding | None:
    """The job's own link to Postgres is at fault, though it answers to others; a single failure may be over already."""
    refusals = [_refusal(failure) for failure in view.open_failures[:2]]
    if len(refusals) < 2 or None in refusals:
        return None
    return Finding(Cause.SINK_BLOCKED, f"the job cannot write: {refusals[0]}", "see postgres.log")


def none_active(view: View) -> Finding | None:
    """The job should run, and there is none."""
    if view.flink is None or view.flink.active:
        return None
    desired = view.desired
    if view.was_fine and (_changing(view) or (desired and view.age_s(desired.at_s) < view.limits.start_s)):
        return Finding(Cause.STARTING, "the job is being started")
    ended = _end_of(view.flink.job)
    if desired is None or desired.gave_up_at_s is not None:
        gave_up = f"; recovery gave up: {desired.last_error}" if desired else ""
        return Finding(Cause.ABSENT, f"{ended}{gave_up}", "materialise streaming_job to start it")
    words = f"; {desired.attempts} attempts so far" if desired.attempts else ""
    error = f", the last one: {desired.last_error}" if desired.attempts and desired.last_error else ""
    return Finding(Cause.RECOVERING, f"no job is active ({ended}), Dagster is to start it{words}{error}")


def checkpoints_fail(view: View) -> Finding | None:
    """Checkpoint after checkpoint fails, while the job itself does not, or fails for just that."""
    job = view.active_job
    if job is None or job.checkpoints.failed < 2 or job.checkpoints.last_failure is None:
        return None
    if any(CHECKPOINTS_FAILED_THE_JOB not in failure.root for failure in view.open_failures[:1]):
        return None
    words = f"{job.checkpoints.failed} in a row, {_last_completed(view, job)}: {job.checkpoints.last_failure}"
    return Finding(Cause.CHECKPOINTS_FAILING, words, "is the state's folder writable, the disk full?")


def crash_loop(view: View) -> Finding | None:
    """The job fails again and again, and never runs for long; between two failures it may well look healthy."""
    job, steady_at_s = view.active_job, view.track.steady_at_s or 0.0
    crashes = [failure for failure in job.failures if failure.at_s > steady_at_s] if job else []
    if len(crashes) < view.limits.crashes or CHECKPOINTS_FAILED_THE_JOB in crashes[0].root:
        return None
    span = seconds(view.age_s(crashes[-1].at_s))
    words = f"{len(crashes)} failures within {span}, the last: {crashes[0].root}"
    return Finding(Cause.CRASH_LOOP, words, "Flink's UI, tab Exceptions, has the whole of it")


def recovering(view: View) -> Finding | None:
    """A job is back when all its tasks run and a checkpoint has completed since, not before."""
    job = view.active_job
    if job is None:
        return None
    tasks = f"the job is {job.state}, {job.tasks_running} of {job.tasks_total} tasks run"
    if view.open_failures:
        return Finding(Cause.RECOVERING, f"{tasks} after {view.open_failures[0].root}; {_restarts(job)}")
    if not job.checkpoints.completed and view.age_s(job.started_at_s) < view.limits.start_s:
        return Finding(Cause.STARTING if view.was_fine else Cause.RECOVERING, f"{tasks}; no checkpoint yet")
    return None if job.whole else Finding(Cause.RECOVERING, f"{tasks}; {_restarts(job)}", "is a TaskManager missing?")


def checkpoints_late(view: View) -> Finding | None:
    """All tasks run, and no checkpoint completes: nothing is committed meanwhile."""
    job = view.active_job
    if job is None:
        return None
    age_s = view.age_s(job.checkpoints.completed_at_s or job.started_at_s)
    if age_s < view.limits.checkpoint_age_s:
        return None
    pending = job.checkpoints.pending_since_s
    held = f"; one has been pending for {seconds(view.age_s(pending))}" if pending else ""
    said = f"; the last that failed: {job.checkpoints.last_failure}" if job.checkpoints.last_failure else ""
    return Finding(
        Cause.CHECKPOINTS_FAILING,
        f"{_last_completed(view, job)}{held}{said}",
        "is Postgres slow, or a link between the servers dead?",
    )


def _refusal(failure: Failure) -> str | None:
    return next((cause for cause in reversed(failure.causes) if SINK_REFUSES.search(cause)), None)


def _changing(view: View) -> bool:
    return view.postgres is not None and view.postgres.changing


def _last_completed(view: View, job: JobFacts) -> str:
    at_s = job.checkpoints.completed_at_s
    return f"the last one completed {seconds(view.age_s(at_s))} ago" if at_s else "none has completed yet"


def _restarts(job: JobFacts) -> str:
    return "Flink restarts it" if job.restarts is None else f"Flink restarts it, {job.restarts} restarts so far"


def _end_of(job: JobFacts | None) -> str:
    if job is None:
        return "Flink remembers none"
    why = f": {job.failures[0].root}" if job.state == "FAILED" and job.failures else ""
    return f"the last one is {job.state}{why}"
