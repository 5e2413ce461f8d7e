"""Flink as a Dagster resource: ensure that one job runs, and stop it with a savepoint."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from dagster import ConfigurableResource
from pydantic import Field

from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.client import FlinkClient, FlinkRejectedError, FlinkUnreachableError
from orchestration.flink.identity import Adopt, Ambiguous, Replace, decide
from orchestration.flink.restore import newest_usable, restore_points
from orchestration.flink.types import JobSummary

__all__ = ["Ensured", "FlinkResource", "Stopped"]

POLL_S = 0.3


@dataclass(frozen=True)
class Ensured:
    """A job that runs: `action` is adopted or submitted; `restored_from` is None if it began without a state."""

    job_id: str
    action: str
    restored_from: str | None


@dataclass(frozen=True)
class Stopped:
    """A job that has ended, and the savepoint that holds its state."""

    job_id: str
    savepoint_path: str


class FlinkResource(ConfigurableResource["FlinkResource"]):
    """One session cluster, and the folder in which the states of its jobs are kept."""

    rest_url: str
    state_uri: str
    timeout_s: float = Field(default=3.0, gt=0, le=60)
    start_timeout_s: float = Field(default=90.0, gt=0)
    stop_timeout_s: float = Field(default=120.0, gt=0)

    @property
    def client(self) -> FlinkClient:
        """The REST client."""
        return FlinkClient(self.rest_url, self.timeout_s)

    def ui_url(self, job_id: str) -> str:
        """The job's page in Flink's UI."""
        return f"{self.rest_url.rstrip('/')}/#/job/running/{job_id}/overview"

    def ensure_running(self, name: str, fingerprint: str, submit: Callable[[str | None], str]) -> Ensured:
        """Adopt the job of this name, or submit one by `submit(restore_path)`; returns when all its tasks run.

        The caller holds a lock: between the look and the submission nobody else may submit.

        Raises:
            ConfigurationError: several jobs of this name are active, or the job fails as it starts.
            TransientError: the cluster is out of reach, or the job is not up in time.
        """
        decision = decide(self.client.active_jobs(name), fingerprint)
        if isinstance(decision, Ambiguous):
            ids = ", ".join(job.id for job in decision.jobs)
            raise ConfigurationError(
                f"{len(decision.jobs)} jobs named {name} are active ({ids}): cancel all but the oldest"
            )
        if isinstance(decision, Adopt):
            self._wait_until_running(decision.job.id)
            return Ensured(decision.job.id, "adopted", None)
        if isinstance(decision, Replace):
            restore_path: str | None = self._stop_job(decision.old).savepoint_path
        else:
            newest = newest_usable(restore_points(self.state_uri))
            restore_path = newest.path if newest else None
        job_id = submit(restore_path)
        self._wait_until_running(job_id)
        return Ensured(job_id, "submitted", restore_path)

    def stop(self, name: str) -> Stopped | None:
        """Stop the job of this name with a savepoint; None if none is active. When this returns, none is.

        Raises:
            ConfigurationError: several jobs are active, or Flink refuses the savepoint: the job still runs.
            TransientError: the job has not ended in time: it may still run, ask again.
        """
        active = self.client.active_jobs(name)
        if len(active) > 1:
            raise ConfigurationError(f"{len(active)} jobs named {name} are active: cancel all but the oldest")
        return self._stop_job(active[0]) if active else None

    def _stop_job(self, job: JobSummary) -> Stopped:
        request = self.client.stop_with_savepoint(job.id, f"{self.state_uri.rstrip('/')}/savepoints")
        deadline = time.monotonic() + self.stop_timeout_s
        while time.monotonic() < deadline:
            status = self.client.savepoint_status(job.id, request)
            if status.failure:
                first = status.failure.splitlines()[0]
                raise ConfigurationError(f"Flink could not stop job {job.id} with a savepoint, it still runs: {first}")
            if status.path and not self.client.job(job.id).is_active:
                return Stopped(job.id, status.path)
            time.sleep(POLL_S)
        raise TransientError(
            f"job {job.id} has not ended within {self.stop_timeout_s:.0f} s and may still run; stop it again"
        )

    def _wait_until_running(self, job_id: str) -> None:
        deadline = time.monotonic() + self.start_timeout_s
        while time.monotonic() < deadline:
            try:
                job = self.client.job(job_id)
            except (FlinkUnreachableError, FlinkRejectedError):  # accepted, and not listed yet
                time.sleep(POLL_S)
                continue
            if job.is_running_whole:
                return
            if not job.is_active:
                raise ConfigurationError(f"job {job_id} ended as {job.state}: {self._root_cause(job_id)}")
            time.sleep(POLL_S)
        cause = self._root_cause(job_id)
        raise TransientError(f"job {job_id} does not run after {self.start_timeout_s:.0f} s: {cause}; see Flink's UI")

    def _root_cause(self, job_id: str) -> str:
        exceptions = self.client.exceptions(job_id, 1)
        return exceptions[0].first_line if exceptions else "Flink names no exception"
