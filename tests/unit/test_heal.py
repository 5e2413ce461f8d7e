"""What is done about a job that is not as it is wanted: the table of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from orchestration.flink.resource import FlinkResource
from orchestration.flink.types import JobSummary
from orchestration.lifecycle import locks, record, submission
from orchestration.lifecycle.heal import (
    LONGEST_HOLD_S,
    LONGEST_ORPHAN_S,
    Alarm,
    Decision,
    GiveUp,
    Limits,
    Nothing,
    Observed,
    Recover,
    Unknown,
    Wait,
    decide,
    verdict,
)
from orchestration.lifecycle.locks import Hold
from orchestration.lifecycle.record import JobRecord, Recovery
from orchestration.settings import Settings
from orchestration.verdicts import Severity

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=timezone.utc)
LIMITS = Limits(attempts=5, backoff_s=5)
HOLDER, ORPHAN = "a" * 32, "b" * 32
WANTED = JobRecord("name", "running", NOW, epoch=3, job_id=HOLDER)
STOPPED = replace(WANTED, desired="stopped")
NEVER_LAUNCHED = JobRecord("name", "running", NOW)

BUSY = Hold("pi3 process 7 on host (Postgres session 9 from ::1)", 5.0, "End that program")
HUNG = replace(BUSY, held_s=3_600.0)
ORPHANED = replace(BUSY, by="process 8 on host", orphaned=True)


def job(state: str = "RUNNING", job_id: str = HOLDER, age_s: int = 600, tasks: int = 4) -> JobSummary:
    return JobSummary(job_id, "name", state, 0, None, age_s * 1000, tasks, 4)


def seen(*jobs: JobSummary, hold: Hold | None = None) -> Observed:
    return Observed(jobs, hold)


def held(hold: Hold, held_s: float) -> Observed:
    return seen(hold=replace(hold, held_s=held_s))


def after(attempts: int, next_s: float = 0.0, *, gave_up: bool = False, error: str | None = "it broke") -> JobRecord:
    recovery = Recovery(attempts, NOW + timedelta(seconds=next_s), NOW if gave_up else None, error)
    return replace(WANTED, recovery=recovery)


@pytest.mark.parametrize(
    ("known", "observed", "expected"),
    [
        pytest.param(WANTED, Observed(None), Unknown, id="Flink is out of reach: unknown"),
        pytest.param(after(5), Observed(None), Unknown, id="out of reach, whatever was before"),
        pytest.param(WANTED, seen(job()), Nothing, id="it runs"),
        pytest.param(WANTED, seen(job("RESTARTING", tasks=0)), Nothing, id="Flink restarts it"),
        pytest.param(WANTED, seen(job("CREATED", tasks=0)), Nothing, id="it waits for slots"),
        pytest.param(WANTED, seen(job("FAILING")), Wait, id="it is about to end"),
        pytest.param(STOPPED, seen(), Nothing, id="stopped on purpose"),
        pytest.param(STOPPED, seen(job()), Nothing, id="to be stopped, and runs still: not for us to stop"),
        pytest.param(WANTED, seen(hold=BUSY), Nothing, id="being launched"),
        pytest.param(STOPPED, seen(job(), hold=BUSY), Nothing, id="being stopped"),
        pytest.param(WANTED, held(BUSY, LONGEST_HOLD_S), Nothing, id="being upgraded, slowly"),
        pytest.param(WANTED, held(BUSY, LONGEST_HOLD_S + 1), Alarm, id="whoever launches it hangs"),
        pytest.param(WANTED, seen(job(), hold=HUNG), Alarm, id="it runs, and whoever launched it hangs"),
        pytest.param(STOPPED, seen(hold=HUNG), Alarm, id="stopped on purpose, and whoever stopped it hangs"),
        pytest.param(after(5, gave_up=True), seen(hold=HUNG), Alarm, id="given up, and a launch hangs since"),
        pytest.param(WANTED, Observed(None, HUNG), Unknown, id="out of reach, whoever hangs"),
        pytest.param(WANTED, held(ORPHANED, LONGEST_ORPHAN_S), Nothing, id="being submitted, its launcher is dead"),
        pytest.param(WANTED, held(ORPHANED, LONGEST_ORPHAN_S + 1), Alarm, id="the program that submits it hangs"),
        pytest.param(WANTED, seen(), Recover, id="forgotten: the JobManager was restarted"),
        pytest.param(WANTED, seen(job("FAILED")), Recover, id="failed for good"),
        pytest.param(WANTED, seen(job("CANCELED")), Recover, id="cancelled behind our back"),
        pytest.param(WANTED, seen(job("FINISHED")), Recover, id="stopped with a savepoint behind our back"),
        pytest.param(NEVER_LAUNCHED, seen(), Recover, id="whoever should have launched it was killed"),
        pytest.param(WANTED, seen(job(job_id=ORPHAN)), Recover, id="an orphan runs alone"),
        pytest.param(WANTED, seen(job(), job(job_id=ORPHAN)), Recover, id="an orphan runs beside it"),
        pytest.param(NEVER_LAUNCHED, seen(job()), Nothing, id="one runs, and no lease was ever given"),
        pytest.param(NEVER_LAUNCHED, seen(job(), job(job_id=ORPHAN)), Alarm, id="two run, and no lease was ever given"),
        pytest.param(after(1, next_s=3), seen(), Wait, id="the pause between two attempts"),
        pytest.param(after(1), seen(), Recover, id="the pause is over"),
        pytest.param(after(4), seen(), Recover, id="one attempt is left"),
        pytest.param(after(5), seen(), GiveUp, id="none is left"),
        pytest.param(after(5, next_s=80), seen(), Wait, id="the last one may not have ended"),
        pytest.param(after(2, gave_up=True), seen(), GiveUp, id="given up, although the limit was raised since"),
        pytest.param(after(5, gave_up=True), seen(job()), Nothing, id="given up, and somebody started it"),
    ],
)
def test_decision(known: JobRecord, observed: Observed, expected: type[Decision]) -> None:
    assert type(decide(known, observed, NOW, LIMITS)) is expected


def test_a_hold_is_too_long_only_after_the_longest_upgrade(tmp_path: Path) -> None:
    flink = FlinkResource("http://flink:1", "file:///state")
    hand_over_s = 2 * record.PATIENCE_S + submission.TIMEOUT_S + flink.start_timeout_s
    upgrade_s = locks.TIMEOUT_S + 3 * flink.stop_timeout_s + 2 * hand_over_s + flink.stop_timeout_s
    assert upgrade_s * 1.5 < LONGEST_HOLD_S
    assert Limits.of(Settings(stack_dir=tmp_path, upgrade_limit_s=600)).hold_s == LONGEST_HOLD_S + 600
    assert LONGEST_ORPHAN_S >= 2 * submission.TIMEOUT_S


@pytest.mark.parametrize(
    ("known", "observed", "meanwhile"),
    [
        (WANTED, seen(hold=HUNG), "bring back the job, which is wanted: Flink knows of no job that runs. End that"),
        (WANTED, seen(job("FAILED"), hold=HUNG), f"which is wanted: job {HOLDER} is FAILED. End"),
        (WANTED, seen(job(), hold=HUNG), "bring back the job. End that program"),
        (STOPPED, seen(hold=HUNG), "bring back the job. End that program"),
    ],
)
def test_whoever_hangs_is_named(known: JobRecord, observed: Observed, meanwhile: str) -> None:
    found = verdict(known, decide(known, observed, NOW, LIMITS), LIMITS)
    assert (found.passed, found.severity) == (False, Severity.ERROR)
    assert f"has been held since 2026-03-04 11:00:00 UTC, longer than a launch or a stop takes, by {HUNG.by}. " in (
        found.description
    )
    assert meanwhile in found.description


def test_attempts_are_counted() -> None:
    assert decide(WANTED, seen(), NOW, LIMITS) == Recover(1, "Flink knows of no job that runs")
    assert decide(after(3), seen(job("FAILED")), NOW, LIMITS) == Recover(4, f"job {HOLDER} is FAILED")


def test_pauses_double_up_to_two_minutes() -> None:
    pauses = [Limits(9, 5).pause(attempt).total_seconds() for attempt in range(1, 8)]
    assert pauses == [5, 10, 20, 40, 80, 120, 120]


@pytest.mark.parametrize(
    ("known", "running", "forget"),
    [
        (after(2), job(), True),
        (after(2, error=None), job(), True),
        (after(5, gave_up=True), job(), True),
        (after(2), job(age_s=29), False),
        (after(2), job(tasks=3), False),
        (after(2), job("RESTARTING"), False),
        (WANTED, job(), False),
    ],
)
def test_attempts_are_forgotten_once_it_runs_steadily(known: JobRecord, running: JobSummary, forget: bool) -> None:
    assert decide(known, seen(running), NOW, LIMITS) == Nothing(f"job {HOLDER} is {running.state}", forget=forget)


@pytest.mark.parametrize(
    ("known", "observed", "passed", "severity", "words"),
    [
        (WANTED, seen(job()), True, None, f"job {HOLDER} is RUNNING"),
        (STOPPED, seen(), True, None, "the job is stopped on purpose"),
        (WANTED, seen(job("FAILED")), False, Severity.WARN, "is FAILED; attempt 1 of 5 to bring it back begins"),
        (
            after(2, next_s=3),
            seen(),
            False,
            Severity.WARN,
            "attempt 2 to bring it back: it broke; the next at 12:00:03 UTC",
        ),
        (WANTED, Observed(None), False, Severity.WARN, "unknown: Flink gives no answer"),
        (
            after(2),
            seen(job(age_s=5)),
            False,
            Severity.WARN,
            "is RUNNING, after attempt 2 to bring it back: it broke",
        ),
        (after(2, error=None), seen(job(age_s=5)), True, None, "is RUNNING"),
        (after(2), seen(job()), True, None, "is RUNNING"),
        (after(5, gave_up=True), seen(), False, Severity.ERROR, "it broke. Mend that, then materialise streaming_job"),
        (NEVER_LAUNCHED, seen(job(), job(job_id=ORPHAN)), False, Severity.ERROR, "cancel all but one in Flink's UI"),
    ],
)
def test_verdict(known: JobRecord, observed: Observed, passed: bool, severity: Severity | None, words: str) -> None:
    found = verdict(known, decide(known, observed, NOW, LIMITS), LIMITS)
    assert found.passed is passed
    assert words in found.description
    assert passed or found.severity is severity
    assert found.metadata.get("attempts") == (None if "unknown" in found.metadata else known.recovery.attempts)
