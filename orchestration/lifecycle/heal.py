"""Whether a dead job is brought back, and when: a pure decision over what is wanted and what is seen.

Flink mends what it can by itself; this is for what Flink has forgotten or given up. It is bounded: a job that cannot be
brought back is left, loudly, for a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from orchestration.flink.types import ENDING, JobSummary
from orchestration.lifecycle.locks import TIMEOUT_S, Hold
from orchestration.lifecycle.record import JobRecord, Recovery
from orchestration.settings import Settings
from orchestration.verdicts import Severity, Verdict, unknown

LONGEST_BACKOFF_S: Final = 120.0
# With all its tasks, until the attempts that it took are forgotten.
STEADY_S: Final = 30.0
# Of the job's lock. An upgrade that is rolled back takes longest, if each of its steps takes all the time that it may:
# waiting for the file (240 s), a savepoint, a cancelling and an end (90 s each), twice a hand-over, a submission and a
# start (220 s), and another cancelling (90 s), beside the trial. That is 1,040 s; the rest is for restore points that
# Flink cannot read, and for a state folder that is slow.
LONGEST_HOLD_S: Final = 1_800.0
# A program submits for half of that, and its next launcher would wait no longer.
LONGEST_ORPHAN_S: Final = TIMEOUT_S
WHAT_TO_DO: Final = "Mend that, then materialise streaming_job"


@dataclass(frozen=True)
class Limits:
    """Attempts at most, and seconds from the first to the second; each further pause is twice as long.

    `hold_s`: how long a launch, a stop or an upgrade may take.
    """

    attempts: int
    backoff_s: float
    hold_s: float = LONGEST_HOLD_S

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """As the settings say."""
        hold_s = LONGEST_HOLD_S + settings.upgrade_limit_s
        return cls(settings.recovery_attempts, settings.recovery_backoff_s, hold_s)

    def pause(self, attempt: int) -> timedelta:
        """From an attempt to the next."""
        return timedelta(seconds=min(LONGEST_BACKOFF_S, self.backoff_s * 2 ** (attempt - 1)))


@dataclass(frozen=True)
class Observed:
    """`jobs`: those of our name that Flink remembers, ended ones too; None: it gave no answer.

    `hold`: of whoever launches or stops the job at this moment.
    """

    jobs: tuple[JobSummary, ...] | None
    hold: Hold | None = None


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
    decision = _of_jobs(known, observed.jobs, now, limits)
    return _held(observed.hold, decision, now, limits) if observed.hold else decision


def _of_jobs(known: JobRecord, jobs: tuple[JobSummary, ...], now: datetime, limits: Limits) -> Decision:
    if known.desired != "running":
        return Nothing("the job is stopped on purpose")
    active = [job for job in jobs if not job.ended]
    if known.job_id is None and len(active) > 1:
        ids = ", ".join(job.id for job in active)
        return Alarm(f"{len(active)} jobs named {known.job_name} run ({ids}): cancel all but one in Flink's UI")
    if any(known.job_id not in (None, job.id) for job in active):
        return _attempt(known.recovery, "a job runs that does not hold the writer lease", now, limits)
    if active:
        return _leave(active[0], known.recovery)
    return _attempt(known.recovery, _absence(jobs, known.job_id), now, limits)


def _held(hold: Hold, otherwise: Decision, now: datetime, limits: Limits) -> Decision:
    """Whoever launches or stops the job is left alone for as long as that may take."""
    if hold.held_s <= (LONGEST_ORPHAN_S if hold.orphaned else limits.hold_s):
        return Nothing("the job is being launched or stopped")
    since = now - timedelta(seconds=hold.held_s)
    absent = f", which is wanted: {otherwise.why}" if isinstance(otherwise, Recover | Wait | GiveUp) else ""
    return Alarm(
        f"the job's lock has been held since {since:%Y-%m-%d %H:%M:%S} UTC, longer than a launch or a stop takes, by "
        f"{hold.by}. Until it lets go nothing can launch, stop or bring back the job{absent}. {hold.way_out}"
    )


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
    """The check `self_heal`: red when recovery gave up or cannot begin, a warning while it is under way."""
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
