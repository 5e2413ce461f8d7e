"""Start and stop the one job of a name: the steps that `FlinkResource` offers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from orchestration.errors import Pi3Error
from orchestration.flink.client import FlinkClient
from orchestration.flink.errors import (
    AmbiguousJob,
    FlinkNotFound,
    FlinkRejected,
    FlinkTimeout,
    RestoreFailed,
    SubmitFailed,
)
from orchestration.flink.identity import Adopt, Ambiguous, Await, KnownJob, Replace, decide, next_job_id
from orchestration.flink.restore import newest_usable, restore_points
from orchestration.flink.types import ENDING, JobSummary, SavepointStatus

T = TypeVar("T")
Submitter = Callable[[str | None, str], str]

# The job parameter that holds the fingerprint of the job's definition.
FINGERPRINT = "fingerprint"


@dataclass(frozen=True)
class Ensured:
    """How the job came to run.

    `restored_from` is the URI that it resumed from, None for a fresh start or an adoption; `unreadable` are the newer
    restore points that were passed over because Flink could not read them.
    """

    job_id: str
    action: Literal["adopted", "submitted"]
    restored_from: str | None = None
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stopped:
    """A job that has ended. Without a savepoint, `no_savepoint` says why; its last checkpoint then serves as well."""

    job_id: str
    savepoint_path: str | None
    no_savepoint: str | None = None


@dataclass(frozen=True)
class Lifecycle:
    """The steps for the jobs of one cluster. They are not locked against each other: that is the caller's part."""

    client: FlinkClient
    state_uri: str
    start_timeout_s: float = 90.0
    stop_timeout_s: float = 90.0
    poll_s: float = 0.3
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    now: Callable[[], float] = field(default=time.monotonic, repr=False)

    def ensure_running(self, name: str, fingerprint: str, submit: Submitter) -> Ensured:
        """See `FlinkResource.ensure_running`."""
        decision = decide(self._known(name), name, fingerprint)
        match decision:
            case Ambiguous(jobs):
                raise AmbiguousJob(
                    f"{len(jobs)} jobs named {name} run ({', '.join(job.summary.id for job in jobs)}): "
                    f"cancel all but one in Flink's UI, {self.client.rest_url}"
                )
            case Adopt(job):
                return Ensured(self._until_healthy(job.summary.id).id, "adopted")
            case Await(job):
                self._until_ended(job.summary.id)
                return self.ensure_running(name, fingerprint, submit)
            case Replace(job):
                self._stop_job(job.summary)
        return self._start(name, fingerprint, submit)

    def stop(self, name: str) -> Stopped | None:
        """See `FlinkResource.stop`."""
        stopped = [self._stop_job(job) for job in self.client.active_jobs(name)]
        if left := self.client.active_jobs(name):
            raise FlinkTimeout(f"job {name} still runs as {', '.join(job.id for job in left)}: stop it again")
        return stopped[0] if stopped else None

    def _known(self, name: str) -> tuple[KnownJob, ...]:
        return tuple(KnownJob(job, self._fingerprint(job)) for job in self.client.active_jobs(name))

    def _fingerprint(self, job: JobSummary) -> str | None:
        try:
            return self.client.job_parameters(job.id).get(FINGERPRINT)
        except FlinkNotFound:  # ended since it was listed
            return None

    def _start(self, name: str, fingerprint: str, submit: Submitter) -> Ensured:
        unreadable: set[str] = set()
        points = restore_points(self.state_uri)
        while True:
            point = newest_usable(points, unreadable)
            restore_path = point.path if point else None
            try:
                job_id = self._submit(name, fingerprint, restore_path, submit)
            except RestoreFailed:
                # An older point only means to read more again. Without any there is no telling what would be lost.
                if restore_path is None or newest_usable(points, {*unreadable, restore_path}) is None:
                    raise
                unreadable.add(restore_path)
            else:
                self._until_healthy(job_id)
                return Ensured(job_id, "submitted", restore_path, tuple(sorted(unreadable)))

    def _submit(self, name: str, fingerprint: str, restore_path: str | None, submit: Submitter) -> str:
        past = (job.id for job in self.client.jobs() if job.name == name)
        job_id = next_job_id(name, fingerprint, restore_path, past)
        try:
            return submit(restore_path, job_id)
        except SubmitFailed:
            # The job may have got there although its submitter failed, or another caller was first.
            if job_id not in {job.id for job in self.client.active_jobs(name)}:
                raise
            return job_id

    def _stop_job(self, job: JobSummary) -> Stopped:
        savepoint, reason = None, f"the job was {job.state}"
        if job.healthy:
            try:
                request = self.client.stop_with_savepoint(job.id, f"{self.state_uri.rstrip('/')}/savepoints")
                status = self._until_saved(job.id, request)
                savepoint, reason = status.location, status.failure or "no reason given"
            except (FlinkRejected, FlinkTimeout) as error:
                reason = str(error)
        if savepoint is None and job.state not in ENDING:
            self._cancel(job.id)
        self._until_ended(job.id)
        return Stopped(job.id, savepoint, None if savepoint else reason)

    def _cancel(self, job_id: str) -> None:
        try:
            self.client.cancel(job_id)
        except FlinkRejected:  # it has ended meanwhile, or is unknown: `_until_ended` judges
            return

    def _until_saved(self, job_id: str, request_id: str) -> SavepointStatus:
        def saved() -> SavepointStatus | None:
            status = self.client.savepoint_status(job_id, request_id)
            return status if status.completed else None

        return self._until(saved, self.stop_timeout_s, f"savepoint of job {job_id} is not complete")

    def _until_ended(self, job_id: str) -> None:
        def ended() -> bool | None:
            try:
                return self.client.job(job_id).ended or None
            except FlinkNotFound:
                return True

        self._until(ended, self.stop_timeout_s, f"job {job_id} has not ended")

    def _until_healthy(self, job_id: str) -> JobSummary:
        def healthy() -> JobSummary | None:
            job = self.client.job(job_id)
            if job.ended:
                raise FlinkRejected(f"job {job_id} is {job.state}: {self._last_failure(job_id)}")
            return job if job.healthy else None

        try:
            return self._until(healthy, self.start_timeout_s, f"job {job_id} does not run with all its tasks")
        except FlinkTimeout as error:
            raise FlinkTimeout(f"{error}; its last failure: {self._last_failure(job_id)}") from error

    def _last_failure(self, job_id: str) -> str:
        try:
            exceptions = self.client.exceptions(job_id)
        except Pi3Error as error:
            return str(error)
        return exceptions[0].message if exceptions else "none known; see the JobManager's log"

    def _until(self, probe: Callable[[], T | None], timeout_s: float, what: str) -> T:
        deadline = self.now() + timeout_s
        while (found := probe()) is None:
            if self.now() >= deadline:
                raise FlinkTimeout(f"{what} after {timeout_s:g} s")
            self.sleep(self.poll_s)
        return found
