"""Faults of Flink's processes, of its state, and of the job."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from tests.faults.fault import Fault, Since
from tests.faults.process_faults import Down, Hit, Pause, rest_is_down
from tests.faults.site import Site, wait_for

_JOB_MANAGER: Final = "flink-jobmanager"
_TASK_MANAGER: Final = "flink-taskmanager"
_WAIT_S: Final = 90.0


def _state(site: Site) -> Path:
    return Path(site.settings.flink_state_uri.removeprefix("file://"))


def _completed_at(site: Site) -> float:
    """When the newest checkpoint of the active job completed, in Unix time; 0 if there is none."""
    jobs = site.active_jobs()
    latest = site.flink.checkpoints(jobs[0].id).latest_completed if jobs else None
    return latest.completed_at_ms / 1000 if latest else 0.0


def cancel_job(site: Site) -> None:
    """Cancel the job by REST, behind Dagster's back, and wait until it has ended."""
    job = site.active_jobs()[0]
    site.flink.cancel(job.id)
    if not wait_for(lambda: site.flink.job(job.id).ended, _WAIT_S):
        raise RuntimeError(f"job {job.id} was cancelled and has not ended")


class NewJobNeeded(Fault):
    """A fault after which the old job is no more.

    A TaskManager whose JobManager is dead goes on for a while, so not every row is a sign that things are well again.
    """

    def recovered(self, site: Site, since: Since) -> float | None:
        """When the first row had landed since a job runs that was submitted after the blow."""
        jobs = site.active_jobs()
        started_at = jobs[0].started_at_ms / 1000 if jobs else 0.0
        if started_at < since.struck_at or not jobs[0].healthy:
            return None
        return site.first_landed(since.struck_at, max(started_at, since.ended_at))


class JobManagerKilled(NewJobNeeded, Hit):
    """The JobManager dies, and forgets the job."""


class TaskManagerKilledAfterCheckpoints(Hit):
    """Killed after each of three checkpoints."""

    def between(self, site: Site) -> None:
        """A checkpoint has completed since the last blow."""
        struck_at = time.time()
        if not wait_for(lambda: _completed_at(site) > struck_at, _WAIT_S):
            raise RuntimeError(f"no checkpoint completed within {_WAIT_S:.0f} s after a blow")


class CheckpointFolderUnwritable(Fault):
    """A file stands where the folder of the checkpoints was."""

    name = "checkpoint-folder-unwritable"
    group = "jobmanager"
    duration_s = 60.0
    recovery_goal_s = 60.0
    detection_goal_s = 60.0
    red = "stream_healthy"
    causes = ("checkpoints_failing", "crash_loop", "recovering")

    def inject(self, site: Site) -> None:
        """Put the folder aside."""
        folder = _state(site) / "checkpoints"
        folder.rename(folder.with_name("checkpoints.aside"))
        folder.write_text("in the way")

    def bit(self, site: Site) -> bool:
        """A checkpoint has failed, or the job because of them."""
        jobs = site.active_jobs()
        return bool(jobs) and (site.flink.checkpoints(jobs[0].id).failed > 0 or not jobs[0].healthy)

    def end(self, site: Site) -> None:
        """Put it back."""
        aside = _state(site) / "checkpoints.aside"
        if aside.exists():
            aside.with_name("checkpoints").unlink(missing_ok=True)
            aside.rename(aside.with_name("checkpoints"))

    def recovered(self, site: Site, since: Since) -> float | None:
        """When a checkpoint completed, and rows land."""
        completed_at = _completed_at(site)
        landed_at = super().recovered(site, since)
        return max(completed_at, landed_at) if landed_at and completed_at > since.ended_at else None


class NewestCheckpointCorrupt(JobManagerKilled):
    """The JobManager dies, and the newest checkpoint's metadata is rubbish: an older restore point must do."""

    def inject(self, site: Site) -> None:
        """Kill it first, so that no newer checkpoint comes."""
        super().inject(site)
        points = sorted(_state(site).glob("checkpoints/*/chk-*/_metadata"), key=lambda path: path.stat().st_mtime)
        points[-1].write_bytes(b"no checkpoint")


class JobManagerKilledDuringSubmit(JobManagerKilled):
    """It dies when it has just taken a job, and forgets it."""

    def inject(self, site: Site) -> None:
        """Cancel the job, launch it, and kill the JobManager as soon as it knows of the new one."""
        cancel_job(site)
        known = {job.id for job in site.flink.jobs()}
        self._run_id = site.launch("start_pipeline")
        if not wait_for(lambda: any(job.id not in known for job in site.flink.jobs()), _WAIT_S, 0.05):
            raise RuntimeError("start_pipeline submitted no job")
        super().inject(site)

    def end(self, site: Site) -> None:
        """Let the run come to whichever end it takes."""
        site.follow(self._run_id)


class JobCancelled(NewJobNeeded):
    """Somebody cancels the job in Flink's UI."""

    name = "job-cancelled-behind-dagster"
    group = "job"
    recovery_goal_s = 60.0
    red = "self_heal"

    def inject(self, site: Site) -> None:
        """By REST, as the UI does."""
        cancel_job(site)

    def bit(self, site: Site) -> bool:
        """No job is active, or rows stand still."""
        return not site.active_jobs() or site.stands_still()


class LaunchedTwice(NewJobNeeded):
    """A double click on "launch" while the job is down."""

    name = "job-launched-twice"
    group = "job"
    recovery_goal_s = 60.0

    def __init__(self) -> None:
        self._runs: list[str] = []
        self._failures: list[str] = []

    def inject(self, site: Site) -> None:
        """Cancel the job and launch two runs at once."""
        cancel_job(site)
        with ThreadPoolExecutor(2) as pool:
            self._runs = list(pool.map(site.launch, ["start_pipeline"] * 2))

    def bit(self, site: Site) -> bool:
        """The job was down when both were under way."""
        return len(set(self._runs)) == 2 and site.stands_still(1.0)

    def end(self, site: Site) -> None:
        """Both come to their end."""
        ended = [site.follow(run_id) for run_id in self._runs]
        self._failures = [f"run {run.run_id}: {'; '.join(run.failures)}" for run in ended if run.status != "SUCCESS"]

    def complaints(self, site: Site) -> list[str]:
        """Both were well: one submitted and the other adopted."""
        jobs = site.active_jobs()
        return self._failures + ([] if len(jobs) == 1 else [f"{len(jobs)} jobs are active afterwards"])


_DEAD: Final[dict[str, Any]] = {"group": "jobmanager", "recovery_goal_s": 60.0}
_RED: Final[dict[str, Any]] = {"red": "stream_healthy"}
# The sensor that brings the job back tells its check at once; the heartbeat after it may find all well again.
_HEALED: Final[dict[str, Any]] = {"red": "self_heal"}

FAULTS: Final[tuple[Fault, ...]] = (
    Hit("taskmanager-kill", "taskmanager", _TASK_MANAGER),
    TaskManagerKilledAfterCheckpoints("taskmanager-kill-after-3-checkpoints", "taskmanager", _TASK_MANAGER, times=3),
    Pause("taskmanager-pause-30s", "taskmanager", _TASK_MANAGER, duration_s=30.0, **_RED, causes=("recovering",)),
    Down("taskmanagers-gone-60s", "taskmanager", _TASK_MANAGER, duration_s=60.0, **_RED, causes=("recovering",)),
    JobManagerKilled("jobmanager-kill", server=_JOB_MANAGER, **_DEAD, **_HEALED),
    JobManagerKilledDuringSubmit("jobmanager-kill-during-submit", server=_JOB_MANAGER, number=signal.SIGKILL, **_DEAD),
    Pause("jobmanager-rest-down-40s", "jobmanager", _JOB_MANAGER, rest_is_down, duration_s=40.0, **_RED,
          causes=("unreachable",)),
    CheckpointFolderUnwritable(),
    NewestCheckpointCorrupt("newest-checkpoint-corrupt", server=_JOB_MANAGER, **_DEAD, **_HEALED),
    JobCancelled(),
    LaunchedTwice(),
)  # fmt: skip
