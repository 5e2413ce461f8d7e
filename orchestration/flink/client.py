"""Flink's REST API: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/ops/rest_api/."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from orchestration.errors import ConfigurationError, TransientError
from orchestration.flink.types import (
    Checkpoint,
    CheckpointStats,
    ClusterOverview,
    JobException,
    JobSummary,
    SavepointStatus,
)

FINGERPRINT_PARAMETER = "fingerprint"


class FlinkUnreachableError(TransientError):
    """The JobManager did not answer: the state of its jobs is unknown, not failed."""


class FlinkRejectedError(ConfigurationError):
    """The JobManager answered that it will not: no such job, or a request that it cannot serve."""


class FlinkClient:
    """A client of one JobManager.

    Each call raises FlinkUnreachableError if there is no answer within `timeout_s`, and FlinkRejectedError if the
    answer is a refusal.
    """

    def __init__(self, rest_url: str, timeout_s: float = 3.0) -> None:
        self.rest_url = rest_url.rstrip("/")
        self._timeout_s = timeout_s

    def overview(self) -> ClusterOverview:
        """TaskManagers and slots."""
        found = self._get("/overview")
        return ClusterOverview(
            found["taskmanagers"], found["slots-total"], found["slots-available"], found["flink-version"]
        )

    def jobs(self) -> list[JobSummary]:
        """Every job that the JobManager remembers, ended ones too, without fingerprints."""
        return [_summary(job) for job in self._get("/jobs/overview")["jobs"]]

    def active_jobs(self, name: str) -> list[JobSummary]:
        """Jobs of this name that have not ended, the oldest first, with their fingerprints."""
        active = [job for job in self.jobs() if job.name == name and job.is_active]
        return [
            JobSummary(**{**vars(job), "fingerprint": self.job_parameters(job.id).get(FINGERPRINT_PARAMETER)})
            for job in sorted(active, key=lambda job: job.started_at_ms)
        ]

    def job(self, job_id: str) -> JobSummary:
        """One job."""
        found = self._get(f"/jobs/{job_id}")
        tasks = found["status-counts"]
        return JobSummary(
            found["jid"], found["name"], found["state"], found["start-time"], tasks["RUNNING"], sum(tasks.values())
        )

    def job_parameters(self, job_id: str) -> dict[str, str]:
        """The job's global parameters."""
        return dict(self._get(f"/jobs/{job_id}/config").get("execution-config", {}).get("user-config", {}))

    def checkpoints(self, job_id: str) -> CheckpointStats:
        """Checkpoint statistics since the job's last start."""
        return _checkpoint_stats(self._get(f"/jobs/{job_id}/checkpoints"))

    def exceptions(self, job_id: str, limit: int = 20) -> list[JobException]:
        """The newest exceptions that failed the job or made it restart, newest first."""
        found = self._get(f"/jobs/{job_id}/exceptions?maxExceptions={limit}")
        return [
            JobException(entry["timestamp"], entry["exceptionName"], entry["stacktrace"].splitlines()[0])
            for entry in found.get("exceptionHistory", {}).get("entries", [])
        ]

    def job_metrics(self, job_id: str, *names: str) -> dict[str, float]:
        """Metrics of the job itself, such as `numRestarts`; what Flink does not have yet is absent."""
        found = self._get(f"/jobs/{job_id}/metrics?get={','.join(names)}")
        return {metric["id"]: float(metric["value"]) for metric in found if metric["value"] not in ("", "NaN")}

    def stop_with_savepoint(self, job_id: str, directory: str, drain: bool = False) -> str:
        """Ask the job to stop with a savepoint below `directory`; returns the request's id."""
        return str(self._post(f"/jobs/{job_id}/stop", {"targetDirectory": directory, "drain": drain})["request-id"])

    def trigger_savepoint(self, job_id: str, directory: str) -> str:
        """Ask for a savepoint while the job goes on; returns the request's id."""
        request = {"target-directory": directory, "cancel-job": False}
        return str(self._post(f"/jobs/{job_id}/savepoints", request)["request-id"])

    def savepoint_status(self, job_id: str, request_id: str) -> SavepointStatus:
        """How a request for a savepoint stands."""
        found = self._get(f"/jobs/{job_id}/savepoints/{request_id}")
        if found["status"]["id"] != "COMPLETED":
            return SavepointStatus()
        operation = found["operation"]
        if cause := operation.get("failure-cause"):
            return SavepointStatus(failure=str(cause.get("stack-trace") or cause.get("class")).strip())
        return SavepointStatus(path=operation["location"])

    def cancel(self, job_id: str) -> None:
        """Ask the job to end at once, without a savepoint; returns before it has."""
        self._call("PATCH", f"/jobs/{job_id}?mode=cancel")

    def _get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        return self._call("GET", path)

    def _post(self, path: str, body: Mapping[str, object]) -> Any:  # noqa: ANN401
        return self._call("POST", path, body)

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401
        try:
            answer = requests.request(method, self.rest_url + path, json=body, timeout=self._timeout_s)
        except requests.RequestException as error:
            raise FlinkUnreachableError(
                f"Flink's JobManager at {self.rest_url} does not answer ({type(error).__name__}): "
                "the state of its jobs is unknown until it does"
            ) from error
        if answer.ok:
            return answer.json() if answer.content else {}
        reason = _reason(answer)
        if answer.status_code in (502, 503, 504):  # the JobManager is starting or electing its leader
            raise FlinkUnreachableError(f"Flink at {self.rest_url} is not ready: {reason}")
        raise FlinkRejectedError(f"Flink refused {method} {path.partition('?')[0]}: {reason}")


def _reason(answer: requests.Response) -> str:
    try:
        errors = answer.json().get("errors", [])
    except ValueError:
        errors = []
    lines = [line for error in errors for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else f"HTTP {answer.status_code}"


def _summary(job: Mapping[str, Any]) -> JobSummary:
    tasks = job["tasks"]
    return JobSummary(job["jid"], job["name"], job["state"], job["start-time"], tasks["running"], tasks["total"])


def _checkpoint_stats(found: Mapping[str, Any]) -> CheckpointStats:
    counts, latest = found["counts"], found["latest"]
    history = sorted(found["history"], key=lambda entry: entry["id"], reverse=True)
    failed_since = 0
    for entry in history:
        if entry["status"] == "COMPLETED":
            break
        failed_since += entry["status"] == "FAILED"
    completed, failed = latest["completed"], latest["failed"]
    return CheckpointStats(
        completed=counts["completed"],
        failed=counts["failed"],
        in_progress=counts["in_progress"],
        restored=counts["restored"],
        latest_completed=_checkpoint(completed) if completed else None,
        failed_since_completed=failed_since,
        latest_failure=failed.get("failure_message") if failed else None,
    )


def _checkpoint(entry: Mapping[str, Any]) -> Checkpoint:
    return Checkpoint(
        entry["id"],
        entry["latest_ack_timestamp"],
        entry["end_to_end_duration"],
        entry["state_size"],
        entry.get("external_path"),
    )
