"""A Flink cluster as a Dagster resource."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

# Dagster's own mark for a resource that is a plain object, as its Pipes clients are.
from dagster._core.definitions.resource_annotation import TreatAsResourceParam

from orchestration.flink.client import OPEN, Access, FlinkClient
from orchestration.flink.identity import Claim
from orchestration.flink.lifecycle import Ensured, Lifecycle, Stopped, Submitter

__all__ = ["Claim", "Ensured", "FlinkResource", "Stopped", "Submitter"]


@dataclass(frozen=True)
class FlinkResource(TreatAsResourceParam):
    """A session cluster, by its REST address, and the folder in which its jobs keep their state.

    No ConfigurableResource, since Dagster shows the fields of those, and `access` holds a secret.

    `rest_url`: of the JobManager's REST API, such as http://127.0.0.1:8081.
    `state_uri`: file:/// or s3:// folder of one job, with its checkpoints/ and savepoints/.
    `timeout_s`: limit of one REST call; `start_timeout_s`: until all tasks of a new job run; `stop_timeout_s`: of a
    savepoint, and of a job's end. `s3_endpoint_url`: of an object store that is not Amazon's.
    `page_url`: where a browser finds the UI, if not at `rest_url`.
    """

    rest_url: str
    state_uri: str
    timeout_s: float = 3.0
    start_timeout_s: float = 90.0
    stop_timeout_s: float = 90.0
    access: Access = OPEN
    s3_endpoint_url: str | None = None
    page_url: str | None = None

    @property
    def client(self) -> FlinkClient:
        """The REST API."""
        return FlinkClient(self.rest_url, self.timeout_s, self.access)

    def ui_url(self, job_id: str) -> str:
        """The job's page in Flink's UI."""
        return f"{(self.page_url or self.rest_url).rstrip('/')}/#/job/running/{job_id}/overview"

    def ensure_running(self, claim: Claim, submit: Submitter, since: datetime | None = None) -> Ensured:
        """Return once exactly one job of this name and fingerprint runs with all its tasks.

        A job of the same fingerprint is adopted, one of another is stopped with a savepoint, one that does not hold the
        lease is cancelled; where none is left, `submit(restore_path, job_id)` is called with the newest restore point
        (None: a fresh start) and with the id that the new job must have, and returns the id that it has. When it raises
        RestoreFailed the next older point is tried; a job that has restore points is never started without one.
        `since` counts only points that are younger.

        Callers must not run this or `stop` at the same time for one name. Should they, both compute the same
        `job_id`, and Flink refuses the second submission.

        Raises:
            FlinkUnreachable, FlinkTimeout, SubmitFailed: try again (RestoreFailed: repair or remove the point named).
            AmbiguousJob, FlinkRejected, SubmitRejected: somebody has to look; the message says at what.
        """
        return self._lifecycle().ensure_running(claim, submit, since)

    def start_from(self, claim: Claim, submit: Submitter, restore_path: str) -> Ensured:
        """Start a job, of which none may run, from just this restore point; raises what `ensure_running` does."""
        return self._lifecycle().start_from(claim, submit, restore_path)

    def stop(self, name: str) -> Stopped | None:
        """Stop the job with a savepoint; None if none was active. On return no job of this name is active.

        A job that takes no savepoint, such as one that is restarting, is cancelled: its last checkpoint stays.

        Raises:
            FlinkUnreachable, FlinkTimeout: the job may still run; try again.
        """
        return self._lifecycle().stop(name)

    def cancel(self, job_id: str) -> None:
        """Cancel a job, and return when it has ended; its retained checkpoints stay.

        Raises:
            FlinkUnreachable, FlinkTimeout: the job may still run; try again.
        """
        self._lifecycle().cancel(job_id)

    def savepoint(self, job_id: str) -> str:
        """Take a savepoint of a job that goes on; returns its URI.

        Raises:
            FlinkRejected: the job does not run, or the savepoint failed.
            FlinkUnreachable, FlinkTimeout: try again.
        """
        return self._lifecycle().savepoint(job_id)

    def _lifecycle(self) -> Lifecycle:
        limits = (self.start_timeout_s, self.stop_timeout_s)
        return Lifecycle(self.client, self.state_uri, *limits, s3_endpoint_url=self.s3_endpoint_url)
