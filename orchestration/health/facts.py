"""What the servers say of the stream at one moment, as plain values. Times are Unix seconds, offsets the next to read.

Each server is read by itself: one that gives no answer leaves the others' facts as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Unreachable:
    """A server that gave no usable answer; `error` says what, where, and what to do next."""

    error: str


@dataclass(frozen=True)
class Desired:
    """What is wanted of the job since `at_s`; `attempts` and the rest tell of its recovery by the control plane."""

    state: Literal["running", "stopped"]
    at_s: float
    attempts: int = 0
    gave_up_at_s: float | None = None
    last_error: str | None = None


@dataclass(frozen=True)
class Failure:
    """One failure of the job; `causes` are the first lines of each exception in the chain, the root cause last."""

    at_s: float
    causes: tuple[str, ...]

    @property
    def root(self) -> str:
        """The root exception's first line."""
        return self.causes[-1]


@dataclass(frozen=True)
class Checkpoints:
    """Of one run of the job; `failed` counts those since the last completed one, `last_failure` says why the last did.

    `pending_since_s`: when the oldest one that has neither completed nor failed was triggered.
    """

    completed: int = 0
    completed_at_s: float | None = None
    failed: int = 0
    last_failure: str | None = None
    pending_since_s: float | None = None


@dataclass(frozen=True)
class JobFacts:
    """One job; `failures` are the newest that Flink remembers, newest first; `restarts` None if it does not tell."""

    id: str
    state: str
    tasks_running: int
    tasks_total: int
    started_at_s: float
    restarts: int | None = None
    failures: tuple[Failure, ...] = ()
    checkpoints: Checkpoints = Checkpoints()

    @property
    def whole(self) -> bool:
        """Whether each of its tasks runs."""
        return self.state == "RUNNING" and 0 < self.tasks_total == self.tasks_running

    @property
    def open_failures(self) -> tuple[Failure, ...]:
        """The failures after which no checkpoint has completed yet, newest first."""
        completed_at_s = self.checkpoints.completed_at_s or 0.0
        return tuple(failure for failure in self.failures if failure.at_s > completed_at_s)


@dataclass(frozen=True)
class FlinkFacts:
    """`active`: jobs of our name that have not ended. `job`: the active one, else the one that ended last, if any."""

    active: int
    job: JobFacts | None = None


@dataclass(frozen=True)
class KafkaFacts:
    """By partition; one without a commit is absent from `committed`, its reader begins at the log's begin.

    `retention_ms` -1: records stay for ever. `oldest_waiting_at_s`: timestamp of the oldest record that is not
    committed; None if none has waited since the snapshot before, or if it could not be read.
    """

    begins: Mapping[int, int]
    ends: Mapping[int, int]
    committed: Mapping[int, int]
    retention_ms: int = -1
    oldest_waiting_at_s: float | None = None

    def position(self, partition: int) -> int:
        """The offset up to which the job has committed; the log's begin before its first commit."""
        return self.committed.get(partition, self.begins.get(partition, 0))

    @property
    def lags(self) -> dict[int, int]:
        """Records that are not committed, by partition; those that retention has removed do not count."""
        return {
            number: max(0, end - max(self.begins[number], self.position(number))) for number, end in self.ends.items()
        }

    @property
    def lag(self) -> int:
        """Records that are not committed."""
        return sum(self.lags.values())


@dataclass(frozen=True)
class BlockedSession:
    """A session of the job's role that waits for a lock; `blockers` are those who hold it, for a person to read."""

    application: str
    waiting_s: float
    blockers: tuple[str, ...]


@dataclass(frozen=True)
class PostgresFacts:
    """`newest_id`: of the table `events`, None if it could not be read in time, as when the table is locked.

    `landed` and `dead`: what the ledger has counted so far, landed or superseded, and dead letters. `changing`: the
    control plane is launching or stopping the job at this moment.
    """

    newest_id: int | None
    blocked: tuple[BlockedSession, ...] = ()
    changing: bool = False
    landed: int = 0
    dead: int = 0


@dataclass(frozen=True)
class StreamFacts:
    """One snapshot. `desired` None: nobody has asked for the job yet, or it could not be read."""

    at_s: float
    flink: FlinkFacts | Unreachable
    kafka: KafkaFacts | Unreachable
    postgres: PostgresFacts | Unreachable
    desired: Desired | None = None
