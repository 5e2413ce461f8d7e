"""What Flink's REST API tells, as typed values. Times are epoch milliseconds, as Flink gives them.

Shapes: https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/ops/rest_api/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]

ENDED: Final = frozenset({"FINISHED", "FAILED", "CANCELED"})
ENDING: Final = frozenset({"CANCELLING", "FAILING"})


@dataclass(frozen=True)
class ClusterOverview:
    """Size and load of the cluster."""

    version: str
    task_managers: int
    slots_total: int
    slots_available: int
    jobs_running: int

    @classmethod
    def from_json(cls, raw: Json) -> ClusterOverview:
        """From `/overview`."""
        return cls(
            version=raw["flink-version"],
            task_managers=raw["taskmanagers"],
            slots_total=raw["slots-total"],
            slots_available=raw["slots-available"],
            jobs_running=raw["jobs-running"],
        )


@dataclass(frozen=True)
class JobSummary:
    """One job, running or ended."""

    id: str
    name: str
    state: str
    started_at_ms: int
    ended_at_ms: int | None
    duration_ms: int
    tasks_running: int
    tasks_total: int

    @property
    def ended(self) -> bool:
        """Whether the job is over for good."""
        return self.state in ENDED

    @property
    def healthy(self) -> bool:
        """Whether each of its tasks processes records."""
        return self.state == "RUNNING" and 0 < self.tasks_total == self.tasks_running

    @classmethod
    def from_json(cls, raw: Json) -> JobSummary:
        """From an entry of `/jobs/overview`."""
        return cls._build(raw, raw["tasks"]["running"], raw["tasks"]["total"])

    @classmethod
    def from_detail(cls, raw: Json) -> JobSummary:
        """From `/jobs/<id>`."""
        vertices = raw["vertices"]
        running = sum(vertex["tasks"]["RUNNING"] for vertex in vertices)
        return cls._build(raw, running, sum(vertex["parallelism"] for vertex in vertices))

    @classmethod
    def _build(cls, raw: Json, tasks_running: int, tasks_total: int) -> JobSummary:
        return cls(
            id=raw["jid"],
            name=raw["name"],
            state=raw["state"],
            started_at_ms=raw["start-time"],
            ended_at_ms=raw["end-time"] if raw["end-time"] >= 0 else None,
            duration_ms=raw["duration"],
            tasks_running=tasks_running,
            tasks_total=tasks_total,
        )


@dataclass(frozen=True)
class Vertex:
    """A chain of operators that runs in one task per subtask."""

    id: str
    name: str
    parallelism: int
    state: str


@dataclass(frozen=True)
class Checkpoint:
    """A completed checkpoint; `external_path` is the URI to restore from."""

    id: int
    external_path: str
    triggered_at_ms: int
    completed_at_ms: int
    is_savepoint: bool


@dataclass(frozen=True)
class FailedCheckpoint:
    """A checkpoint that failed, and why."""

    id: int
    triggered_at_ms: int
    failed_at_ms: int
    message: str


@dataclass(frozen=True)
class CheckpointStats:
    """Checkpoints of one run of a job; all of it starts anew when the JobManager restarts.

    `failed_since_completed` counts those failures after the latest completed one that Flink still remembers (the last
    ten checkpoints, unless `web.checkpoints.history` says otherwise). `pending_since_ms`: when the oldest that is in
    progress was triggered.
    """

    completed: int
    failed: int
    in_progress: int
    restored: int
    latest_completed: Checkpoint | None
    latest_failed: FailedCheckpoint | None
    failed_since_completed: int
    restored_path: str | None
    pending_since_ms: int | None = None

    @classmethod
    def from_json(cls, raw: Json) -> CheckpointStats:
        """From `/jobs/<id>/checkpoints`."""
        counts, latest = raw["counts"], raw["latest"]
        completed = _completed(latest["completed"])
        last_id = completed.id if completed else 0
        pending = [item["trigger_timestamp"] for item in raw["history"] if item["status"] == "IN_PROGRESS"]
        return cls(
            completed=counts["completed"],
            failed=counts["failed"],
            in_progress=counts["in_progress"],
            restored=counts["restored"],
            latest_completed=completed,
            latest_failed=_failed(latest["failed"]),
            failed_since_completed=sum(item["status"] == "FAILED" and item["id"] > last_id for item in raw["history"]),
            restored_path=(latest["restored"] or {}).get("external_path"),
            pending_since_ms=min(pending, default=None),
        )


@dataclass(frozen=True)
class JobException:
    """One failure of a job; `message` is the first line of its root cause, `causes` of the whole chain, root last."""

    name: str
    message: str
    at_ms: int
    task: str | None
    task_manager: str | None
    causes: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, raw: Json) -> JobException:
        """From an entry of `/jobs/<id>/exceptions`."""
        return cls(
            name=raw["exceptionName"],
            message=root_cause(raw["stacktrace"]),
            at_ms=raw["timestamp"],
            task=raw.get("taskName"),
            task_manager=raw.get("endpoint"),
            causes=cause_chain(raw["stacktrace"]),
        )


@dataclass(frozen=True)
class SavepointStatus:
    """State of an asynchronous savepoint: `location` when it succeeded, `failure` when not, neither while it runs."""

    completed: bool
    location: str | None
    failure: str | None

    @classmethod
    def from_json(cls, raw: Json) -> SavepointStatus:
        """From `/jobs/<id>/savepoints/<request>`."""
        operation = raw.get("operation") or {}
        cause = operation.get("failure-cause")
        return cls(
            completed=raw["status"]["id"] == "COMPLETED",
            location=operation.get("location"),
            failure=root_cause(cause["stack-trace"]) if cause else None,
        )


def root_cause(stacktrace: str) -> str:
    """The first line of the innermost cause of a Java stack trace."""
    return cause_chain(stacktrace)[-1]


def cause_chain(stacktrace: str) -> tuple[str, ...]:
    """The first line of each exception in a Java stack trace, the root cause last; at least one."""
    heads = [line for line in stacktrace.splitlines() if line and not line.startswith(("\t", " ", "<", "End of"))]
    return tuple(line.removeprefix("Caused by: ") for line in heads) or (stacktrace.strip(),)


def _completed(raw: Json | None) -> Checkpoint | None:
    if raw is None:
        return None
    return Checkpoint(
        id=raw["id"],
        external_path=raw["external_path"],
        triggered_at_ms=raw["trigger_timestamp"],
        completed_at_ms=raw["latest_ack_timestamp"],
        is_savepoint=raw["is_savepoint"],
    )


def _failed(raw: Json | None) -> FailedCheckpoint | None:
    if raw is None:
        return None
    return FailedCheckpoint(
        id=raw["id"],
        triggered_at_ms=raw["trigger_timestamp"],
        failed_at_ms=raw["failure_timestamp"],
        message=root_cause(raw.get("failure_message") or "no reason given"),
    )
