"""Flink's REST API, one method per call, each with its own short timeout.

https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/ops/rest_api/
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import requests
from pydantic import SecretStr
from requests.auth import AuthBase

from orchestration.flink.errors import FlinkNotFound, FlinkNotReady, FlinkRejected, FlinkUnreachable
from orchestration.flink.types import (
    CheckpointStats,
    ClusterOverview,
    JobException,
    JobSummary,
    Json,
    SavepointStatus,
    Vertex,
    root_cause,
)

NO_TOKEN: Final = SecretStr("")


@dataclass(frozen=True)
class Access(AuthBase):
    """How a REST API behind TLS and a login is reached: the authorities to trust (PEM), and a bearer token."""

    ca_file: Path | None = None
    token: SecretStr = NO_TOKEN

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Sign a request; by this way, and not by a header of the call, no .netrc can replace it."""
        if token := self.token.get_secret_value():
            request.headers["Authorization"] = f"Bearer {token}"
        return request


OPEN: Final = Access()


class FlinkClient:
    """Speaks to one JobManager.

    Every method raises FlinkUnreachable when there is no answer, FlinkRejected for a refusal, and FlinkNotFound for an
    id that the JobManager does not know; it forgets all jobs when it restarts, unless it runs with high availability.
    """

    # Whether the cluster gets the slots that a job asks for.
    elastic = False

    def __init__(self, rest_url: str, timeout_s: float = 3.0, access: Access = OPEN) -> None:
        self.rest_url = rest_url.rstrip("/")
        self.timeout_s = timeout_s
        self.access = access

    def overview(self) -> ClusterOverview:
        """The cluster's size and load."""
        return ClusterOverview.from_json(self._get("/overview"))

    def class_path(self) -> tuple[str, ...]:
        """File names of what the JobManager's class path holds."""
        return tuple(PurePosixPath(entry).name for entry in self._get("/jobmanager/environment")["classpath"])

    def jobs(self) -> tuple[JobSummary, ...]:
        """All jobs that the JobManager remembers, ended ones too."""
        return tuple(JobSummary.from_json(raw) for raw in self._get("/jobs/overview")["jobs"])

    def active_jobs(self, name: str) -> tuple[JobSummary, ...]:
        """The jobs of this name that have not ended; there should be at most one."""
        return tuple(job for job in self.jobs() if job.name == name and not job.ended)

    def job(self, job_id: str) -> JobSummary:
        """One job."""
        return JobSummary.from_detail(self._get(f"/jobs/{job_id}"))

    def clock_ms(self, job_id: str) -> int:
        """What the JobManager's clock says now; it tells only with a job."""
        return int(self._get(f"/jobs/{job_id}")["now"])

    def vertices(self, job_id: str) -> tuple[Vertex, ...]:
        """The job's chains of operators, in order."""
        raw = self._get(f"/jobs/{job_id}")["vertices"]
        return tuple(Vertex(item["id"], item["name"], item["parallelism"], item["status"]) for item in raw)

    def job_parameters(self, job_id: str) -> dict[str, str]:
        """The job's global parameters (`pipeline.global-job-parameters`); empty for a job that failed to start."""
        config = self._get(f"/jobs/{job_id}/config").get("execution-config") or {}
        return dict(config.get("user-config") or {})

    def checkpoints(self, job_id: str) -> CheckpointStats:
        """Counts and the latest checkpoints."""
        return CheckpointStats.from_json(self._get(f"/jobs/{job_id}/checkpoints"))

    def exceptions(self, job_id: str, limit: int = 20) -> tuple[JobException, ...]:
        """The latest failures of the job, newest first; Flink remembers 16 (`web.exception-history-size`)."""
        history = self._get(f"/jobs/{job_id}/exceptions", maxExceptions=str(limit))["exceptionHistory"]["entries"]
        return tuple(JobException.from_json(raw) for raw in history)

    def job_metrics(self, job_id: str, names: Iterable[str]) -> dict[str, float]:
        """Metrics of the job as a whole, such as `numRestarts` and `uptime` (ms); unknown ones are absent."""
        raw = self._get(f"/jobs/{job_id}/metrics", get=",".join(names))
        return {item["id"]: float(item["value"]) for item in raw}

    def vertex_metrics(
        self, job_id: str, vertex_id: str, names: Iterable[str], aggregate: str = "sum"
    ) -> dict[str, float]:
        """Metrics of a vertex over its subtasks; `aggregate` is min, max, avg or sum; unknown ones are absent.

        Such as `numRecordsIn`, `busyTimeMsPerSecond`, or `<source>.pendingRecords`.
        """
        path = f"/jobs/{job_id}/vertices/{vertex_id}/subtasks/metrics"
        return {item["id"]: float(item[aggregate]) for item in self._get(path, get=",".join(names), agg=aggregate)}

    def stop_with_savepoint(self, job_id: str, directory: str, *, drain: bool = False) -> str:
        """Start to stop a running job; returns the request id for `savepoint_status`."""
        return self._request_id(f"/jobs/{job_id}/stop", {"targetDirectory": directory, "drain": drain})

    def trigger_savepoint(self, job_id: str, directory: str) -> str:
        """Start a savepoint of a job that goes on; returns the request id."""
        return self._request_id(f"/jobs/{job_id}/savepoints", {"target-directory": directory, "cancel-job": False})

    def savepoint_status(self, job_id: str, request_id: str) -> SavepointStatus:
        """How far a savepoint is."""
        return SavepointStatus.from_json(self._get(f"/jobs/{job_id}/savepoints/{request_id}"))

    def dispose_savepoint(self, path: str) -> str:
        """Start to delete a savepoint's files; returns the request id."""
        return self._request_id("/savepoint-disposal", {"savepoint-path": path})

    def cancel(self, job_id: str) -> None:
        """Start to cancel the job; its retained checkpoints stay."""
        self._call("PATCH", f"/jobs/{job_id}", params={"mode": "cancel"})

    def _get(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON of many shapes
        return self._call("GET", path, params=params)

    def _request_id(self, path: str, body: Json) -> str:
        return str(self._call("POST", path, json=body)["request-id"])

    def _call(self, method: str, path: str, **arguments: Any) -> Any:  # noqa: ANN401
        where = f"Flink {method} {self.rest_url}{path}"
        try:
            response = requests.request(
                method,
                self.rest_url + path,
                timeout=self.timeout_s,
                auth=self.access,
                verify=str(self.access.ca_file) if self.access.ca_file else True,
                **arguments,
            )
            if not response.ok:
                raise _refusal(where, response)
            return response.json()
        except (requests.ConnectionError, requests.Timeout) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise FlinkRejected(f"{where}: its certificate is not trusted; name the CA that signed it") from error
            raise FlinkUnreachable(f"{where}: no answer; is the JobManager up? ({type(error).__name__})") from error
        except requests.JSONDecodeError as error:
            raise FlinkRejected(f"{where}: the answer is not JSON; is this Flink's REST address?") from error


def _refusal(where: str, response: requests.Response) -> FlinkUnreachable | FlinkRejected:
    try:
        error = str(response.json()["errors"][-1])
    except (requests.JSONDecodeError, KeyError, IndexError, TypeError):
        error = response.reason
    status = response.status_code
    # A JobManager that is starting answers 503 until it leads, and 500 about a job that it is still restoring.
    if status == requests.codes.unavailable or "UnavailableDispatcherOperationException" in error:
        return FlinkNotReady(f"{where}: the JobManager is not ready yet; try again ({root_cause(error)})")
    if status in (requests.codes.bad_gateway, requests.codes.gateway_timeout):
        return FlinkUnreachable(f"{where}: {status}: the proxy before it has no answer; is the JobManager up?")
    if status in (requests.codes.unauthorized, requests.codes.forbidden):
        return FlinkRejected(f"{where}: {status}: {root_cause(error)}; is the token right?")
    kind = FlinkNotFound if status == requests.codes.not_found else FlinkRejected
    return kind(f"{where}: {status}: {root_cause(error)}")
