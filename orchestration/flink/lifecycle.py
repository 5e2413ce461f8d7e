"""Start and stop the one job of a name: the steps that `FlinkResource` offers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
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
from orchestration.flink.identity import (
    Adopt,
    Ambiguous,
    Await,
    Claim,
    Evict,
    KnownJob,
    Replace,
    Submit,
    decide,
    next_job_id,
)
from orchestration.flink.restore import RestorePoint, newest_usable, restore_points
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

    @classmethod
    def told(cls, stopped: Stopped | None) -> dict[str, str]:
        """What was stopped, as metadata; None: there was nothing to stop."""
        if stopped is None:
            return {"job_id": "none was running"}
        return {"job_id": stopped.job_id, "savepoint": stopped.savepoint_path or f"none: {stopped.no_savepoint}"}


@dataclass(frozen=True)
class Lifecycle:
    """The steps for the jobs of one cluster. They are not locked against each other: that is the caller's part."""

    client: FlinkClient
    state_uri: str
    start_timeout_s: float = 90.0
    stop_timeout_s: float = 90.0
    poll_s: float = 0.3
    s3_endpoint_url: str | None = None
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    now: Callable[[], float] = field(default=time.monotonic, repr=False)

    def ensure_running(self, claim: Claim, submit: Submitter, since: datetime | None = None) -> Ensured:
        """See `FlinkResource.ensure_running`."""
        while True:
            match decide(self._known(claim.name), claim):
                case Submit():
                    points = restore_points(self.state_uri, since, endpoint=self.s3_endpoint_url)
                    return self._start(claim, submit, points)
                case Adopt(job):
                    return Ensured(self._until_healthy(job.summary.id).id, "adopted")
                case Await(job):
                    self._until_ended(job.summary.id)
                case Evict(jobs):
                    for job in jobs:
                        self.cancel(job.summary.id)
                case Replace(job):
                    self._stop_job(job.summary)
                case Ambiguous(jobs):
                    raise AmbiguousJob(
                        f"{len(jobs)} jobs named {claim.name} run ({', '.join(job.summary.id for job in jobs)}): "
                        f"cancel all but one in Flink's UI, {self.client.rest_url}"
                    )

    def start_from(self, claim: Claim, submit: Submitter, restore_path: str) -> Ensured:
        """See `FlinkResource.start_from`."""
        job_id = self._submit(claim, restore_path, submit)
        return Ensured(self._until_healthy(job_id).id, "submitted", restore_path)

    def cancel(self, job_id: str) -> None:
        """See `FlinkResource.cancel`."""
        with suppress(FlinkRejected):  # it has ended meanwhile, or is unknown: the next line judges
            self.client.cancel(job_id)
        self._until_ended(job_id)

    def savepoint(self, job_id: str) -> str:
        """See `FlinkResource.savepoint`."""
        request = self.client.trigger_savepoint(job_id, self._savepoints)
        status = self._until_saved(job_id, request)
        if status.location is None:
            raise FlinkRejected(f"job {job_id} took no savepoint: {status.failure or 'no reason given'}")
        return status.location

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

    def _start(self, claim: Claim, submit: Submitter, points: Sequence[RestorePoint]) -> Ensured:
        unreadable: set[str] = set()
        while True:
            point = newest_usable(points, unreadable)
            restore_path = point.path if point else None
            try:
                job_id = self._submit(claim, restore_path, submit)
            except RestoreFailed:
                # An older point only means to read more again. Without any there is no telling what would be lost.
                if restore_path is None or newest_usable(points, {*unreadable, restore_path}) is None:
                    raise
                unreadable.add(restore_path)
            else:
                self._until_healthy(job_id)
                return Ensured(job_id, "submitted", restore_path, tuple(sorted(unreadable)))

    def _submit(self, claim: Claim, restore_path: str | None, submit: Submitter) -> str:
        past = (job.id for job in self.client.jobs() if job.name == claim.name)
        job_id = next_job_id(claim, restore_path, past)
        try:
            return submit(restore_path, job_id)
        except SubmitFailed:
            # The job may have got there although its submitter failed, or another caller was first.
            if job_id not in {job.id for job in self.client.active_jobs(claim.name)}:
                raise
            return job_id

    @property
    def _savepoints(self) -> str:
        return f"{self.state_uri.rstrip('/')}/savepoints"

    def _stop_job(self, job: JobSummary) -> Stopped:
        savepoint, reason = None, f"the job was {job.state}"
        if job.healthy:
            try:
                request = self.client.stop_with_savepoint(job.id, self._savepoints)
                status = self._until_saved(job.id, request)
                savepoint, reason = status.location, status.failure or "no reason given"
            except (FlinkRejected, FlinkTimeout) as error:
                reason = str(error)
        if savepoint is None and job.state not in ENDING:
            self.cancel(job.id)
        self._until_ended(job.id)
        return Stopped(job.id, savepoint, None if savepoint else reason)

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
