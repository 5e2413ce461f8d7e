"""A Flink cluster as a Dagster resource."""

from __future__ import annotations

import dagster as dg
from pydantic import Field

from orchestration.flink.client import FlinkClient
from orchestration.flink.lifecycle import Ensured, Lifecycle, Stopped, Submitter

__all__ = ["Ensured", "FlinkResource", "Stopped", "Submitter"]


class FlinkResource(dg.ConfigurableResource[FlinkClient]):
    """A session cluster, by its REST address, and the folder in which its jobs keep their state."""

    rest_url: str = Field(description="Address of the JobManager's REST API, such as http://127.0.0.1:8081.")
    state_uri: str = Field(description="file:/// folder of one job, with its checkpoints/ and savepoints/.")
    timeout_s: float = Field(default=3.0, gt=0, description="Limit of one REST call.")
    start_timeout_s: float = Field(default=90.0, gt=0, description="Limit until all tasks of a new job run.")
    stop_timeout_s: float = Field(default=90.0, gt=0, description="Limit of a savepoint, and of a job's end.")

    @property
    def client(self) -> FlinkClient:
        """The REST API."""
        return FlinkClient(self.rest_url, self.timeout_s)

    def ui_url(self, job_id: str) -> str:
        """The job's page in Flink's UI."""
        return f"{self.rest_url.rstrip('/')}/#/job/running/{job_id}/overview"

    def ensure_running(self, name: str, fingerprint: str, submit: Submitter) -> Ensured:
        """Return once exactly one job of this name and fingerprint runs with all its tasks.

        A job of the same fingerprint is adopted, one of another is stopped with a savepoint; where none is left,
        `submit(restore_path, job_id)` is called with the newest restore point (None: a fresh start) and with the id
        that the new job must have, and returns the id that it has. When it raises RestoreFailed the next older point is
        tried; a job that has restore points is never started without one.

        Callers must not run this or `stop` at the same time for one name. Should they, both compute the same
        `job_id`, and Flink refuses the second submission.

        Raises:
            FlinkUnreachable, FlinkTimeout, SubmitFailed: try again (RestoreFailed: repair or remove the point named).
            AmbiguousJob, FlinkRejected, SubmitRejected: somebody has to look; the message says at what.
        """
        return self._lifecycle().ensure_running(name, fingerprint, submit)

    def stop(self, name: str) -> Stopped | None:
        """Stop the job with a savepoint; None if none was active. On return no job of this name is active.

        A job that takes no savepoint, such as one that is restarting, is cancelled: its last checkpoint stays.

        Raises:
            FlinkUnreachable, FlinkTimeout: the job may still run; try again.
        """
        return self._lifecycle().stop(name)

    def _lifecycle(self) -> Lifecycle:
        return Lifecycle(self.client, self.state_uri, self.start_timeout_s, self.stop_timeout_s)
