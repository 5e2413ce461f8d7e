"""What Flink's REST API says, as plain values; times are epoch milliseconds, as Flink gives them."""

from __future__ import annotations

from dataclasses import dataclass

# https://nightlies.apache.org/flink/flink-docs-release-2.3/docs/internals/job_scheduling/
TERMINAL_STATES = frozenset({"FINISHED", "CANCELED", "FAILED", "SUSPENDED"})


@dataclass(frozen=True)
class ClusterOverview:
    """The session cluster."""

    task_managers: int
    slots_total: int
    slots_available: int
    version: str


@dataclass(frozen=True)
class JobSummary:
    """One job; `fingerprint` is its global job parameter of that name, None if it has none."""

    id: str
    name: str
    state: str
    started_at_ms: int
    tasks_running: int
    tasks_total: int
    fingerprint: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether the job holds or will again hold the stream: everything but a terminal state."""
        return self.state not in TERMINAL_STATES

    @property
    def is_running_whole(self) -> bool:
        """Whether every task of the job runs."""
        return self.state == "RUNNING" and self.tasks_running == self.tasks_total > 0


@dataclass(frozen=True)
class Checkpoint:
    """One completed checkpoint."""

    id: int
    completed_at_ms: int
    duration_ms: int
    state_bytes: int
    external_path: str | None


@dataclass(frozen=True)
class CheckpointStats:
    """Checkpoints of one run of a job; `failed_since_completed` counts those after the latest completed one."""

    completed: int
    failed: int
    in_progress: int
    restored: int
    latest_completed: Checkpoint | None
    failed_since_completed: int
    latest_failure: str | None


@dataclass(frozen=True)
class JobException:
    """One entry of a job's exception history."""

    at_ms: int
    name: str
    first_line: str


@dataclass(frozen=True)
class SavepointStatus:
    """State of an asynchronous savepoint request: either `path`, or `failure`, or still in progress (both None)."""

    path: str | None = None
    failure: str | None = None

    @property
    def in_progress(self) -> bool:
        """Whether Flink still works on it."""
        return self.path is None and self.failure is None
