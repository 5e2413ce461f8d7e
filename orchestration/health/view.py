"""What the rules of the diagnosis look at: the newest facts, the track up to them, and the limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from orchestration.health.causes import FINE, Cause
from orchestration.health.facts import Desired, Failure, FlinkFacts, JobFacts, KafkaFacts, PostgresFacts, StreamFacts
from orchestration.health.track import Track
from orchestration.settings import Settings
from orchestration.verdicts import Severity, seconds

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """How long something may last before it is named."""

    patience_s: float = 20.0  # without any progress
    behind_s: float = 60.0  # from a record's arrival to its commit
    checkpoint_age_s: float = 30.0
    locked_s: float = 3.0
    start_s: float = 120.0  # from the wish that the job runs to its first checkpoint
    stop_s: float = 180.0
    heal_s: float = 120.0  # for what is expected to heal by itself
    crashes: int = 3
    rejected: int = 20  # dead letters in a row
    retention_warn: float = 0.25  # of the retention, left
    retention_error: float = 0.1

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits that follow from the settings: what checkpoints bring is awaited for some of them."""
        interval_s = settings.checkpoint_interval_ms / 1000
        patience_s = max(float(settings.landing_patience_s), 4 * interval_s)
        return cls(
            patience_s=patience_s,
            behind_s=max(60.0, 3 * patience_s),
            checkpoint_age_s=max(30.0, 5 * interval_s),
        )


@dataclass(frozen=True)
class Finding:
    """What one rule found: `detail` says what is the case, `advice` what to do next."""

    cause: Cause
    detail: str
    advice: str = ""
    severity: Severity | None = None  # None: by the cause's gravity


@dataclass(frozen=True)
class View:
    """One moment. `cause_before` is what the diagnosis before said."""

    facts: StreamFacts
    track: Track
    limits: Limits
    cause_before: Cause | None = None

    @property
    def flink(self) -> FlinkFacts | None:
        """None if it gave no answer."""
        return reached(self.facts.flink, FlinkFacts)

    @property
    def kafka(self) -> KafkaFacts | None:
        """None if it gave no answer."""
        return reached(self.facts.kafka, KafkaFacts)

    @property
    def postgres(self) -> PostgresFacts | None:
        """None if it gave no answer."""
        return reached(self.facts.postgres, PostgresFacts)

    @property
    def active_job(self) -> JobFacts | None:
        """The job of our name that has not ended; None also if that is not known."""
        return self.flink.job if self.flink and self.flink.active else None

    @property
    def desired(self) -> Desired | None:
        """What is wanted, or was when it could be read last."""
        return self.track.desired

    @property
    def was_fine(self) -> bool:
        """Whether nothing was wrong until now."""
        return self.cause_before is None or self.cause_before in FINE

    @property
    def progress_age_s(self) -> float:
        """Since something was last seen to get on, or to have nothing left to do."""
        return self.age_s(self.track.progress_at_s)

    @property
    def stalled(self) -> bool:
        """Whether nothing has got on for longer than the patience."""
        return self.progress_age_s > self.limits.patience_s

    @property
    def progress(self) -> str:
        """How the stream gets on, as far as it can be seen."""
        since = seconds(self.progress_age_s)
        return f"nothing has got on for {since}" if self.stalled else f"the stream was seen to get on {since} ago"

    @property
    def open_failures(self) -> tuple[Failure, ...]:
        """The failures of the active job after which no checkpoint has completed yet, newest first."""
        return self.active_job.open_failures if self.active_job else ()

    def age_s(self, at_s: float | None) -> float:
        """Seconds since then; 0 if that is not known."""
        return max(0.0, self.facts.at_s - at_s) if at_s is not None else 0.0


def reached(found: object, kind: type[T]) -> T | None:
    """The facts of a server, None if it gave no answer."""
    return found if isinstance(found, kind) else None
