"""Whether a dead job is brought back, and when: a pure decision over what is wanted and what is seen.

Flink mends what it can by itself; this is for what Flink has forgotten or given up. It is bounded: a job that cannot be
brought back is left, loudly, for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from orchestration.flink.types import ENDING, JobSummary
from orchestration.lifecycle.record import JobRecord, Recovery
from orchestration.settings import Settings
from orchestration.verdicts import Severity, Verdict, unknown

LONGEST_BACKOFF_S: Final = 120.0
# With all its tasks, until the attempts that it took are forgotten.
STEADY_S: Final = 30.0
WHAT_TO_DO: Final = "Mend that, then materialise streaming_job"


@dataclass(frozen=True)
class Limits:
    """Attempts at most, and seconds from the first to the second; each further pause is twice as long."""

    attempts: int
    backoff_s: float

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """As the settings say."""
        return cls(settings.recovery_attempts, settings.recovery_backoff_s)

    def pause(self, attempt: int) -> timedelta:
        """From an attempt to the next."""
        return timedelta(seconds=min(LONGEST_BACKOFF_S, self.backoff_s * 2 ** (attempt - 1)))


@dataclass(frozen=True)
class Observed:
    """`jobs`: those of our name that Flink remembers, ended ones too; None: it gave no answer.

    `busy`: somebody launches or stops the job at this moment.
    """

    jobs: tuple[JobSummary, ...] | None
    busy: bool = False


@dataclass(frozen=True)
class Unknown:
    """Flink cannot be asked: there is nothing to decide."""

    why: str


@dataclass(frozen=True)
class Nothing:
    """Nothing is to be done; `forget`: the attempts that it took count no more."""

    why: str
    forget: bool = False


@dataclass(frozen=True)
class Wait:
    """Nothing is to be done yet."""

    why: str
    until: datetime | None = None


@dataclass(frozen=True)
class Recover:
    """Bring the job back; this is attempt number `attempt`."""

    attempt: int
    why: str


@dataclass(frozen=True)
class GiveUp:
    """As many attempts as are allowed have failed."""

    why: str


@dataclass(frozen=True)
class Alarm:
    """No attempt can help: a person has to look."""

    why: str


Decision = Unknown | Nothing | Wait | Recover | GiveUp | Alarm


def decide(known: JobRecord, observed: Observed, now: datetime, limits: Limits) -> Decision:
    """What to do so that a job that is wanted runs again."""
    if observed.jobs is None:
        return Unknown("Flink gives no answer, and the job may well run")
    if observed.busy or known.desired != "running":
        return Nothing("the job is being launched or stopped" if observed.busy else "the job is stopped on purpose")
    active = [job for job in observed.jobs if not job.ended]
    if known.job_id is None and len(active) > 1:
        ids = ", ".join(job.id for job in active)
        return Alarm(f"{len(active)} jobs named {known.job_name} run ({ids}): cancel all but one in Flink's UI")
    if any(known.job_id not in (None, job.id) for job in active):
        return _attempt(known.recovery, "a job runs that does not hold the writer lease", now, limits)
    if active:
        return _leave(active[0], known.recovery)
    return _attempt(known.recovery, _absence(observed.jobs, known.job_id), now, limits)


def _leave(job: JobSummary, recovery: Recovery) -> Decision:
    """Flink has the job: it runs, or Flink restarts it."""
    if job.state in ENDING:
        return Wait(f"job {job.id} is {job.state}")
    steady = job.healthy and job.duration_ms >= STEADY_S * 1000
    return Nothing(f"job {job.id} is {job.state}", forget=steady and recovery != Recovery())


def _attempt(recovery: Recovery, why: str, now: datetime, limits: Limits) -> Decision:
    if recovery.next_at and recovery.next_at > now:
        return Wait(f"{why}; {_spent(recovery)}", recovery.next_at)
    if recovery.gave_up_at or recovery.attempts >= limits.attempts:
        return GiveUp(f"{why}; {_spent(recovery)}")
    return Recover(recovery.attempts + 1, why)


def _absence(jobs: tuple[JobSummary, ...], holder: str | None) -> str:
    ended = [job for job in jobs if job.id == holder]
    return f"job {ended[0].id} is {ended[0].state}" if ended else "Flink knows of no job that runs"


def _spent(recovery: Recovery) -> str:
    return f"attempt {recovery.attempts} to bring it back: {recovery.error or 'it ran, and is gone again'}"


def verdict(known: JobRecord, decision: Decision, limits: Limits) -> Verdict:
    """The check `self_heal`: red when recovery gave up, a warning while it is under way."""
    if isinstance(decision, Unknown):
        return unknown(decision.why)
    recovery = known.recovery
    figures: dict[str, int | float | str] = {"attempts": recovery.attempts, "attempts_at_most": limits.attempts}
    if isinstance(decision, GiveUp | Alarm):
        words = f"gave up: {decision.why}. {WHAT_TO_DO}" if isinstance(decision, GiveUp) else decision.why
        return Verdict(False, words, metadata=figures)
    warning = _warning(known, decision, limits)
    return Verdict(warning is None, warning or decision.why, Severity.WARN, figures)


def _warning(known: JobRecord, decision: Nothing | Wait | Recover, limits: Limits) -> str | None:
    match decision:
        case Recover(number, why):
            return f"{why}; attempt {number} of {limits.attempts} to bring it back begins"
        case Wait():
            return _until(decision)
        case Nothing(why, forget=False) if known.desired == "running" and known.recovery.error:
            return f"{why}, after {_spent(known.recovery)}"
    return None


def _until(decision: Wait) -> str:
    return decision.why + (f"; the next at {decision.until:%H:%M:%S} UTC" if decision.until else "")
